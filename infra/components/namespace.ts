import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { Component, type ComponentOptions } from "./component";

export interface NamespaceArgs {
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** The namespace of one Bay and its sandboxes: made by the stack and removed with it. */
export class Namespace extends Component {
  /** Known once the namespace exists. */
  readonly namespace: pulumi.Output<string>;
  readonly nodes: { namespace: k8s.core.v1.Namespace };

  constructor(name: string, args: NamespaceArgs, options: ComponentOptions = {}) {
    super("Namespace", name, options);
    const namespace = new k8s.core.v1.Namespace("namespace", { metadata: { name: args.name, labels: args.labels, annotations: args.annotations } }, this.child());
    this.namespace = namespace.metadata.name;
    this.nodes = { namespace };
    this.registerOutputs({ namespace: this.namespace });
  }
}
