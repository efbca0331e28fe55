import type * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../../config";
import type { Owner } from "../../naming";
import type { CheckpointOutput } from "../../outputs";

/** What a source is told. */
export interface SourceArgs {
  settings: Settings;
  owner: Owner;
  /** The folder that holds Pulumi.yaml. */
  root: string;
  /** Namespace of the release, known once it exists. */
  namespace: pulumi.Input<string>;
  /** Namespace whose pods are to be checkpointed: the stack's. */
  workloads: pulumi.Input<string>;
  /** The propagator's image as the cluster knows it; only of a source that brings its own. */
  image: pulumi.Input<string>;
  pullPolicy: "Never" | "IfNotPresent";
  /** Names of the Secrets by which the image may be pulled. */
  pullSecrets: pulumi.Input<string[]>;
}

/** A Helm release as a source wants it. */
export interface ReleasePlan {
  /** Name of the release. */
  name: string;
  /** Chart as Helm takes it: a folder relative to the program, or an OCI reference. */
  chart: string;
  version?: string;
  values: Record<string, unknown>;
  /** Paths of inputs that are made at random at every run of the program, of which only the first ones count. */
  keep: string[];
}

/**
 * The point of variation: who answers the propagator's API. One file per source, each with the sections release,
 * answers.
 */
export interface Source {
  readonly name: Exclude<CheckpointOutput["source"], "none">;
  /** Namespace of the release where the configuration names none. */
  namespace(settings: Settings): string;
  /** The release that brings it up. */
  release(args: SourceArgs): ReleasePlan;
  /** How it is reached, and as which cluster. */
  answers(args: Pick<SourceArgs, "settings" | "owner">): Pick<CheckpointOutput, "url" | "forward" | "clusterId">;
  /** The bearer token in the release's values. */
  token(values: Record<string, never>): string;
}

/** Lays `over` over `under`: maps key by key, anything else in place of what was there. */
export function overlay(under: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const isMap = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  const merged = Object.entries(over).map(([key, value]) => {
    const below = under[key];
    return [key, isMap(value) && isMap(below) ? overlay(below, value) : value];
  });
  return { ...under, ...(Object.fromEntries(merged) as Record<string, unknown>) };
}

/** The entry where there is something to say; a chart's own default must not be covered by an empty text. */
export function given(key: string, value: string): Record<string, string> {
  return value === "" ? {} : { [key]: value };
}
