import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { backendOf } from "../backends";
import type { BackendArgs, Cluster as DeclaredCluster, LocalImage } from "../backends/backend";
import type { ClusterOutput, ImageOutput } from "../outputs";
import { Component } from "./component";

/** The cluster of a stack, by the backend that its configuration names. */
export class Cluster extends Component {
  readonly provider: k8s.Provider;
  readonly kubeconfig: pulumi.Output<string>;
  readonly facts: pulumi.Output<ClusterOutput>;
  /** Whose deletion takes the cluster's objects along, where the cluster is ours. */
  readonly owns: pulumi.Resource | undefined;
  private readonly declared: DeclaredCluster;

  constructor(name: string, args: BackendArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("Cluster", name, options);
    this.declared = backendOf(args.settings.backend).declare(args, this);
    this.provider = this.declared.provider;
    this.kubeconfig = this.declared.kubeconfig;
    this.facts = this.declared.facts;
    this.owns = this.declared.owns;
    this.registerOutputs({ facts: this.facts });
  }

  /** Brings images to every node; each image's reference by its name, known once it can be used. */
  load(images: pulumi.Input<pulumi.Unwrap<LocalImage>[]>): pulumi.Output<Record<string, ImageOutput>> {
    return this.declared.load(images);
  }
}
