import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { LABELS } from "../naming";
import {
  Component,
  type ComponentOptions,
  type Draft,
  type Labels,
  type ObjectArgs,
  type Transform,
} from "./component";

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
    // Who made it stays who made it, whichever host changes it later.
    const ignoreChanges = [`metadata.annotations["${LABELS.host}"]`];
    const namespace = this.declare(k8s.core.v1.Namespace, "", { metadata }, args.transform?.namespace, {
      ignoreChanges,
    });
    this.namespace = namespace.metadata.name;
    this.nodes = { namespace };
    this.registerOutputs({ namespace: this.namespace });
  }
}
