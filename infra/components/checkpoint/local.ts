import * as pulumi from "@pulumi/pulumi";
import { createHash, randomBytes } from "node:crypto";
import { join, relative } from "node:path";
import type { Owner } from "../../naming";
import { given, overlay, type ReleasePlan, type Source, type SourceArgs } from "./source";

const RELEASE = "propagator";
/** Port of the API in the server's pod. */
const PORT = 1324;

/** The propagator of this repository, by the chart in `charts/propagator`. */
export const local: Source = {
  name: "propagator",

  namespace: ({ namespace }) => `${namespace.slice(0, 52)}-checkpoint`,

  // --- release -------------------------------------------------------------------------------------------

  release(args: SourceArgs): ReleasePlan {
    const { settings, owner, root } = args;
    const values = {
      config: {
        authToken: pulumi.secret(randomBytes(32).toString("hex")),
        agentToken: pulumi.secret(randomBytes(32).toString("hex")),
        namespaces: [args.workloads],
        clusterId: clusterIdOf(owner),
        clusterName: owner.stack,
        logLevel: settings.checkpointLogLevel,
        ...given("checkpointDir", settings.checkpointDirectory),
      },
      ...(settings.checkpointContainerdAddress === ""
        ? {}
        : { hostConfig: { containerdAddress: settings.checkpointContainerdAddress } }),
      image: pulumi
        .output(args.image)
        .apply((reference) => ({ ...imageParts(reference), pullPolicy: args.pullPolicy })),
      imagePullSecrets: pulumi.output(args.pullSecrets).apply((names) => names.map((name) => ({ name }))),
      persistence: given("storageClass", settings.storageClass),
      resources: settings.checkpointResources,
      // The stack has it already, for pods that are no business of the propagator's.
      runtimeClass: { create: false },
    };
    return {
      // Relative to the program's folder, so that a moved checkout is no change.
      name: RELEASE,
      chart: relative(process.cwd(), join(root, "charts", "propagator")),
      values: overlay(values, settings.checkpointValues),
      keep: ["values.config.authToken", "values.config.agentToken"],
    };
  },

  // --- answers -------------------------------------------------------------------------------------------

  answers: ({ owner }) => ({
    url: "",
    forward: { selector: `app.kubernetes.io/instance=${RELEASE},app.kubernetes.io/component=server`, port: PORT },
    clusterId: clusterIdOf(owner),
  }),

  token: (values) => (values["config"] as unknown as { authToken: string }).authToken,
};

/** A UUID that is the stack's own and stays the same. */
function clusterIdOf(owner: Owner): string {
  const hex = createHash("sha256").update(`cluster ${owner.id}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    "-",
  );
}

/** A reference as charts take it: `registry/name` with a tag, or with a digest. */
export function imageParts(reference: string): { repository: string; tag: string; digest: string } {
  const [named = "", digest = ""] = reference.split("@");
  const [, repository = named, tag = ""] = /^(.+?)(?::([^:/]+))?$/.exec(named) ?? [];
  return { repository, tag, digest };
}
