import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { Component, type ComponentOptions } from "./component";

export interface CheckpointRuntimeArgs {
  labels: pulumi.Input<Record<string, string>>;
  annotations: pulumi.Input<Record<string, string>>;
}

/** The name by which pods ask for the runtime. */
const RUNTIME_CLASS = "bay-e2e-checkpoint";

/**
 * The RuntimeClass of pods that can be checkpointed and restored. For clusters that are the stack's own, whose nodes
 * all have the handler; in others it would be two stacks' at once, and is left to whoever prepares the nodes.
 */
export class CheckpointRuntime extends Component {
  readonly runtimeClass: pulumi.Output<string>;
  readonly nodes: { runtimeClass: k8s.node.v1.RuntimeClass };

  constructor(name: string, { labels, annotations }: CheckpointRuntimeArgs, options: ComponentOptions = {}) {
    super("CheckpointRuntime", name, options);
    // The handler's name stands in the nodes' containerd settings: images/runc-cr.
    const runtimeClass = new k8s.node.v1.RuntimeClass(
      name,
      { metadata: { name: RUNTIME_CLASS, labels, annotations }, handler: "checkpoint" },
      this.child(),
    );
    this.runtimeClass = runtimeClass.metadata.name;
    this.nodes = { runtimeClass };
    this.registerOutputs({ runtimeClass: this.runtimeClass });
  }
}
