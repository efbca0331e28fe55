import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { Refused } from "../errors";
import type { Services } from "../services/services";
import { readJson, readValue } from "./app";
import { actionDetailsShape, actionShape, checkpointShape, clusterShape, failureText } from "./shapes";

/** Text of one line: names are kept in the database, which reads text up to a NUL. */
const line = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Control}\p{Surrogate}]*$/u, "expected no control characters");
/** Longest name of a pod, a namespace or an id. */
const text = line(253);
/** Left out or null. */
const maybe = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined);
/** None is offered: only so much is read as it takes to say which was asked for. */
const overrides = maybe(
  z
    .record(
      z.string().max(64),
      z.union(
        [z.string().max(4096), z.number(), z.boolean(), z.null()],
        "expected a text, a number, true, false or null",
      ),
    )
    .refine((given) => Object.keys(given).length <= 32, "expected 32 overrides at most"),
);

export const checkpointBody = z
  .object({
    pod_id: maybe(text),
    pod_name: maybe(text),
    namespace: maybe(text),
    cluster_id: maybe(text),
    runc_root: maybe(line(1024)),
    kind: maybe(line(64)),
    reason: maybe(z.enum(["heartbeat", "manual", "maintenance"])),
    overrides,
  })
  .superRefine(({ pod_id, pod_name, namespace, cluster_id }, context) => {
    if (pod_id === undefined && [pod_name, namespace, cluster_id].includes(undefined))
      context.addIssue({ code: "custom", message: "wanted pod_id, or pod_name, namespace and cluster_id" });
  });
export const restoreBody = z.object({
  action_id: text,
  cluster_id: maybe(
    z
      .string()
      .max(253)
      .regex(/^[^\p{Control}\p{Surrogate}]*$/u),
  ).transform((id) => id || undefined),
  reason: maybe(line(64)),
  overrides,
});
export const clusterBody = z.object({ cluster_name: line(200), kind: maybe(z.enum(["kubernetes", "slurm"])) });
/** The seed filters by `checkpoint` and `restore`. */
const TYPES = {
  checkpoint: "checkpoint_pod",
  restore: "restore_pod",
  checkpoint_pod: "checkpoint_pod",
  restore_pod: "restore_pod",
} as const;
const TYPE_NAMES = ["checkpoint", "restore", "checkpoint_pod", "restore_pod", "heartbeat"] as const;
export const actionQuery = z.object({
  type: z.enum(TYPE_NAMES, `wanted one of ${TYPE_NAMES.join(", ")}`).optional(),
  cluster_id: text.optional(),
});
export const checkpointQuery = z.object({
  cluster_id: text.optional(),
  ids: z
    .string()
    .max(16_384)
    .transform((ids) =>
      ids
        .split(",")
        .map((id) => id.trim())
        .filter(Boolean),
    )
    .optional(),
  deprecated: z.enum(["true", "false"]).optional(),
});
export const clusterQuery = z.object({ kind: z.enum(["kubernetes", "slurm"]).optional() });
type WithId = { Params: { id: string } };

/** Mounts the whole API under a version; the versions differ in the form of one answer. */
export function mountApi(app: FastifyInstance, version: "v1" | "v2", services: Services): void {
  const {
    clusters,
    checkpointing,
    restoring,
    removals,
    context: { records },
  } = services;
  const at = (path: string): string => `/${version}${path}`;

  for (const method of ["GET", "POST"] as const)
    app.route({
      method,
      url: at("/user"),
      config: { summary: "Whether the token is right" },
      handler: async () => "local",
    });
  app.get(at("/cluster"), { config: { summary: "List clusters", querySchema: clusterQuery } }, async ({ query }) =>
    clusters.list(readValue(clusterQuery, query).kind).map(clusterShape),
  );
  app.post(at("/cluster"), { config: { summary: "Register a cluster", bodySchema: clusterBody } }, async ({ body }) => {
    const { cluster_name, kind } = readJson(clusterBody, body);
    return clusters.register(cluster_name, kind ?? "kubernetes").id;
  });
  app.delete<WithId>(
    at("/cluster/:id"),
    { config: { summary: "Deregister a cluster" } },
    async ({ params: { id } }, reply) => {
      await clusters.deregister(id);
      return version === "v1" ? reply.type("application/json").send(JSON.stringify("deleted")) : "deleted";
    },
  );

  app.post(
    at("/checkpoint/pod"),
    { config: { summary: "Checkpoint a pod", bodySchema: checkpointBody } },
    async ({ body }) => checkpointing.start(readJson(checkpointBody, body)),
  );
  app.get<WithId>(
    at("/checkpoint/status/:id"),
    { config: { summary: "Read the status of a checkpoint" } },
    async ({ params: { id } }) => {
      const action = records.action(id);
      if (action?.type !== "checkpoint_pod")
        throw new Refused("action_not_found", `there is no checkpoint action ${id}`);
      return { status: action.status, details: action.failure ? failureText(action.failure) : null };
    },
  );
  app.post(at("/restore/pod"), { config: { summary: "Restore a pod", bodySchema: restoreBody } }, async ({ body }) =>
    restoring.start(readJson(restoreBody, body)),
  );

  app.get(
    at("/actions"),
    { config: { summary: "List actions, newest first", querySchema: actionQuery } },
    async ({ query }) => {
      const { type, cluster_id } = readValue(actionQuery, query);
      if (type === "heartbeat") return [];
      return records
        .actions({ type: type && TYPES[type], clusterId: cluster_id })
        .map((row) => actionShape(row, records.checkpointFigures(row.checkpointId)));
    },
  );
  app.get<WithId>(
    at("/actions/from_pod/:id"),
    { config: { summary: "Find the last checkpoint of a pod" } },
    async ({ params: { id } }) => {
      const action = records.latestCheckpointAction(id);
      if (!action) throw new Refused("action_not_found", `there is no action of a pod with UID ${id}`);
      return action.id;
    },
  );
  app.get<WithId>(at("/actions/:id"), { config: { summary: "Read an action" } }, async ({ params: { id } }) => {
    const action = records.action(id);
    if (!action) throw new Refused("action_not_found", `there is no action ${id}`);
    return actionDetailsShape(action, records.checkpointFigures(action.checkpointId));
  });

  app.get(
    at("/checkpoints"),
    { config: { summary: "List checkpoints, newest first", querySchema: checkpointQuery } },
    async ({ query }) => {
      const { cluster_id, ids, deprecated } = readValue(checkpointQuery, query);
      const found = records.checkpoints({
        clusterId: cluster_id,
        deprecated: deprecated === "true" || ids !== undefined,
      });
      const wanted = ids && new Set(ids);
      return found.filter(({ id }) => !wanted || wanted.has(id)).map(checkpointShape);
    },
  );
  app.patch<WithId>(
    at("/checkpoints/deprecate/:id"),
    { config: { summary: "Remove a checkpoint" } },
    async ({ params: { id } }) => {
      await removals.deprecate(id, "it was deprecated");
      return "deprecated";
    },
  );
}

/** Health for the kubelet, open to all, and what an uninstall needs. */
export function mountOwn(app: FastifyInstance, { context: { cluster }, removals }: Services): void {
  app.get("/healthz", { config: { open: true } }, async () => "ok");
  app.get("/readyz", { config: { open: true } }, async (_request, reply) =>
    (await cluster.answers()) ? "ok" : reply.code(503).send("the Kubernetes API does not answer"),
  );
  app.post("/internal/purge", async () => removals.purge());
}
