import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { Component, type ComponentOptions, type Draft, type ObjectArgs, type Transform } from "./component";

export interface AccessArgs extends ObjectArgs {
  namespace: pulumi.Input<string>;
  /** Name of the ServiceAccount. Default `bay`. */
  serviceAccount?: string;
  /** Name of the Role. Default `bay-role`. */
  role?: string;
  /** Name of the RoleBinding. Default `bay-rolebinding`. */
  roleBinding?: string;
  /** Changes what is declared. */
  transform?: {
    serviceAccount?: Transform<Draft<k8s.core.v1.ServiceAccountArgs>>;
    role?: Transform<Draft<k8s.rbac.v1.RoleArgs, { rules: k8s.types.input.rbac.v1.PolicyRule[] }>>;
    roleBinding?: Transform<Draft<k8s.rbac.v1.RoleBindingArgs>>;
  };
}

/**
 * All that Bay may do, as data: make and watch pods and volume claims of its namespace, label claims that it sets
 * aside, and read logs. No wildcard, no secrets; a test asks the cluster what this account can and cannot do.
 */
export const BAY_RULES = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete", "get", "list", "watch"] },
  { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
  {
    apiGroups: [""],
    resources: ["persistentvolumeclaims"],
    verbs: ["create", "delete", "get", "list", "patch", "watch"],
  },
] as const;

/** Bay's ServiceAccount, Role and RoleBinding. */
export class Access extends Component {
  /** Name of the ServiceAccount, known once its rights are there. */
  readonly serviceAccount: pulumi.Output<string>;
  readonly nodes: {
    serviceAccount: k8s.core.v1.ServiceAccount;
    role: k8s.rbac.v1.Role;
    roleBinding: k8s.rbac.v1.RoleBinding;
  };

  constructor(name: string, args: AccessArgs, options: ComponentOptions = {}) {
    super("Access", name, options);
    const { namespace, transform = {} } = args;
    const metadata = (object: string) => ({ name: object, namespace, labels: { ...args.labels }, annotations: {} });
    const serviceAccount = this.declare(
      k8s.core.v1.ServiceAccount,
      "service-account",
      { metadata: metadata(args.serviceAccount ?? "bay") },
      transform.serviceAccount,
    );
    const role = this.declare(
      k8s.rbac.v1.Role,
      "role",
      { metadata: metadata(args.role ?? "bay-role"), rules: BAY_RULES.map(copy) },
      transform.role,
    );
    const roleBinding = this.declare(
      k8s.rbac.v1.RoleBinding,
      "role-binding",
      {
        metadata: metadata(args.roleBinding ?? "bay-rolebinding"),
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
        subjects: [{ kind: "ServiceAccount", name: serviceAccount.metadata.name, namespace }],
      },
      transform.roleBinding,
    );
    this.serviceAccount = roleBinding.subjects.apply((subjects) => subjects[0]!.name);
    this.nodes = { serviceAccount, role, roleBinding };
    this.registerOutputs({ serviceAccount: this.serviceAccount });
  }
}

function copy(rule: (typeof BAY_RULES)[number]) {
  return { apiGroups: [...rule.apiGroups], resources: [...rule.resources], verbs: [...rule.verbs] };
}
