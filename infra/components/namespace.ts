import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { LABELS, type Owner } from "../naming";
import { UserError } from "../support/errors";
import { openKubeApi } from "../support/kube-api";
import { kubectlOfStack } from "../support/kubectl";
import { type Look, waitFor } from "../support/wait";
import { Component, type ComponentOptions, type Draft, type Labels, type ObjectArgs, type Transform } from "./component";

export interface NamespaceArgs extends ObjectArgs {
  name: pulumi.Input<string>;
  /** Default none. */
  annotations?: Labels;
  /** Changes what is declared. */
  transform?: { namespace?: Transform<Draft<k8s.core.v1.NamespaceArgs>> };
}

/** The namespace of one Bay and its sandboxes: made by the stack and removed with it, and never anybody else's. */
export class Namespace extends Component {
  /** Known once the namespace exists. */
  readonly namespace: pulumi.Output<string>;
  readonly nodes: { namespace: k8s.core.v1.Namespace };

  constructor(name: string, args: NamespaceArgs, options: ComponentOptions = {}) {
    super("Namespace", name, options);
    const metadata = { name: args.name, labels: { ...args.labels }, annotations: { ...args.annotations } };
    const namespace = this.declare(k8s.core.v1.Namespace, "", { metadata }, args.transform?.namespace);
    this.namespace = namespace.metadata.name;
    this.nodes = { namespace };
    this.registerOutputs({ namespace: this.namespace });
  }
}

interface Found { metadata: { labels?: Record<string, string>; deletionTimestamp?: string }; status: { conditions?: { message: string }[] } }

/**
 * The name of a namespace, once nobody else's has it. Server-side apply would take over what is there, and a
 * destroy would then delete it with all that is in it.
 * @param timeout seconds that an earlier namespace of the name may take to go
 * @param key the configuration's key that names it
 * @throws UserError E_NAMESPACE_FOREIGN
 */
export async function freeNamespace(kubeconfig: string, { name, owner, timeout, key = "namespace" }: { name: string; owner: Owner; timeout: number; key?: string }): Promise<string> {
  const api = await openKubeApi(kubeconfig);
  const look = async (): Promise<Look<Found | undefined>> => {
    const found = await api.get<Found>(`/api/v1/namespaces/${name}`);
    if (!found?.metadata.deletionTimestamp) return { value: found };
    return { reason: found.status.conditions?.map(({ message }) => message).join("; ") || "no condition tells why" };
  };
  try {
    const found = await waitFor(look, { deadline: timeout * 1000, interval: 500 }, (reason, seconds) => new UserError("E_NAMESPACE_FOREIGN", {
      seen: `namespace ${name} is being deleted and still there after ${seconds} s: ${reason}`, wanted: "its end, or another name", next: `${kubectlOfStack(owner.stack)} describe namespace ${name}   (or: pulumi config set --stack ${owner.stack} ${key} NAME)`,
    }));
    if (!found || found.metadata.labels?.[LABELS.owner] === owner.id) return name;
    const whose = found.metadata.labels?.[LABELS.stack];
    throw new UserError("E_NAMESPACE_FOREIGN", {
      seen: `namespace ${name} exists, made by ${whose ? `stack ${whose} (owner ${found.metadata.labels?.[LABELS.owner]})` : "somebody else"}`,
      wanted: "a namespace of this stack's own", next: `pulumi config set --stack ${owner.stack} ${key} NAME`,
    });
  } finally {
    api.close();
  }
}
