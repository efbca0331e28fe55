import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../config";
import type { Owner } from "../naming";
import type { BackendName, ClusterOutput, ImageOutput } from "../outputs";

/** An image that the local store has and the cluster needs. */
export interface LocalImage {
  /** Short name, such as `bay`; becomes part of the reference. */
  name: string;
  /** Content id in the local store, `sha256:…`. */
  id: string;
}

/** What a backend is told. */
export interface BackendArgs {
  settings: Settings;
  owner: Owner;
  /** The folder that holds Pulumi.yaml, which relative paths of the configuration start from. */
  root: string;
}

/**
 * A cluster as a backend declared it. Everything that needs the running cluster is an output, so that a
 * preview of a cluster that does not exist yet goes through.
 */
export interface Cluster {
  /** Kubernetes provider of a cluster that is ready: node, service account, DNS, storage. */
  provider: k8s.Provider;
  kubeconfig: pulumi.Output<string>;
  facts: pulumi.Output<ClusterOutput>;
  /** Loads what the nodes lack, checks that it is there, and gives each image's reference by its name. */
  load(images: pulumi.Input<pulumi.Unwrap<LocalImage>[]>): pulumi.Output<Record<string, ImageOutput>>;
  /** Whose deletion takes all objects of the cluster along; nothing where the cluster is not ours. */
  owns?: pulumi.Resource;
}

/**
 * Most processes and threads of a pod, on nodes that are ours: what a fork bomb gets. Ship clears one away before that
 * (its README).
 */
export const POD_PIDS_LIMIT = 1024;

/** The point of variation: one file per Kubernetes backend, each with the sections declare, ready, load. */
export interface Backend {
  readonly name: BackendName;
  /** Declares the cluster's own resources as children of `parent`. */
  declare(args: BackendArgs, parent: pulumi.Resource): Cluster;
}
