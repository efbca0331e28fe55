import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { Component, type ComponentOptions } from "./component";

export interface AccessArgs {
  namespace: pulumi.Input<string>;
  serviceAccount: string;
  role: string;
  roleBinding: string;
}

/**
 * All that Bay may do, as data: make and watch pods and volume claims of its namespace and read logs. No
 * wildcard, no secrets; a test asks the cluster what this account can and cannot do.
 */
export const BAY_RULES = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete", "get", "list", "watch"] },
  { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
  { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: ["create", "delete", "get", "list", "watch"] },
] as const;

/** Bay's ServiceAccount, Role and RoleBinding. */
export class Access extends Component {
  /** Name of the ServiceAccount, known once its rights are there. */
  readonly serviceAccount: pulumi.Output<string>;
  readonly nodes: { serviceAccount: k8s.core.v1.ServiceAccount; role: k8s.rbac.v1.Role; roleBinding: k8s.rbac.v1.RoleBinding };

  constructor(name: string, args: AccessArgs, options: ComponentOptions = {}) {
    super("Access", name, options);
    const { namespace } = args;
    const serviceAccount = new k8s.core.v1.ServiceAccount("service-account", { metadata: { name: args.serviceAccount, namespace } }, this.child());
    const role = new k8s.rbac.v1.Role("role", { metadata: { name: args.role, namespace }, rules: BAY_RULES.map(copy) }, this.child());
    const roleBinding = new k8s.rbac.v1.RoleBinding("role-binding", {
      metadata: { name: args.roleBinding, namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
      subjects: [{ kind: "ServiceAccount", name: serviceAccount.metadata.name, namespace }],
    }, this.child());
    this.serviceAccount = roleBinding.subjects.apply((subjects) => subjects[0]!.name);
    this.nodes = { serviceAccount, role, roleBinding };
    this.registerOutputs({ serviceAccount: this.serviceAccount });
  }
}

function copy(rule: (typeof BAY_RULES)[number]) {
  return { apiGroups: [...rule.apiGroups], resources: [...rule.resources], verbs: [...rule.verbs] };
}
