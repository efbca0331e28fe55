import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { Refused } from "../errors";
import type { Services } from "../services/services";
import { readJson, readValue } from "./app";
import { actionDetailsShape, actionShape, checkpointShape, clusterShape, failureText } from "./shapes";

const text = z.string().min(1);
/** Left out or null. */
const maybe = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined);
const overrides = maybe(z.record(z.string(), z.unknown()));

const checkpointBody = z.object({
  pod_id: maybe(text), pod_name: maybe(text), namespace: maybe(text), cluster_id: maybe(text), runc_root: maybe(text),
  kind: maybe(text), reason: maybe(z.enum(["heartbeat", "manual", "maintenance"])), overrides,
}).superRefine(({ pod_id, pod_name, namespace, cluster_id }, context) => {
  if (pod_id === undefined && [pod_name, namespace, cluster_id].includes(undefined)) context.addIssue({ code: "custom", message: "wanted pod_id, or pod_name, namespace and cluster_id" });
});
const restoreBody = z.object({ action_id: text, cluster_id: maybe(z.string()).transform((id) => id || undefined), reason: maybe(text), overrides });
const clusterBody = z.object({ cluster_name: text.max(200), kind: maybe(z.enum(["kubernetes", "slurm"])) });
/** The seed filters by `checkpoint` and `restore`. */
const TYPES = { checkpoint: "checkpoint_pod", restore: "restore_pod", checkpoint_pod: "checkpoint_pod", restore_pod: "restore_pod" } as const;
const TYPE_NAMES = ["checkpoint", "restore", "checkpoint_pod", "restore_pod", "heartbeat"] as const;
const actionQuery = z.object({ type: z.enum(TYPE_NAMES, `wanted one of ${TYPE_NAMES.join(", ")}`).optional(), cluster_id: text.optional() });
const checkpointQuery = z.object({ cluster_id: text.optional(), ids: z.string().transform((ids) => ids.split(",").map((id) => id.trim()).filter(Boolean)).optional(), deprecated: z.enum(["true", "false"]).optional() });
type WithId = { Params: { id: string } };

/** Mounts the whole API under a version; the versions differ in the form of one answer. */
export function mountApi(app: FastifyInstance, version: "v1" | "v2", services: Services): void {
  const { clusters, checkpointing, restoring, removals, context: { records } } = services;
  const at = (path: string): string => `/${version}${path}`;

  for (const method of ["GET", "POST"] as const) app.route({ method, url: at("/user"), handler: async () => "local" });
  app.get(at("/cluster"), async ({ query }) => clusters.list(readValue(z.object({ kind: z.enum(["kubernetes", "slurm"]).optional() }), query).kind).map(clusterShape));
  app.post(at("/cluster"), async ({ body }) => {
    const { cluster_name, kind } = readJson(clusterBody, body);
    return clusters.register(cluster_name, kind ?? "kubernetes").id;
  });
  app.delete<WithId>(at("/cluster/:id"), async ({ params: { id } }, reply) => {
    await clusters.deregister(id);
    return version === "v1" ? reply.type("application/json").send(JSON.stringify("deleted")) : "deleted";
  });

  app.post(at("/checkpoint/pod"), async ({ body }) => checkpointing.start(readJson(checkpointBody, body)));
  app.get<WithId>(at("/checkpoint/status/:id"), async ({ params: { id } }) => {
    const action = records.action(id);
    if (action?.type !== "checkpoint_pod") throw new Refused("action_not_found", `there is no checkpoint action ${id}`);
    return { status: action.status, details: action.failure ? failureText(action.failure) : null };
  });
  app.post(at("/restore/pod"), async ({ body }) => restoring.start(readJson(restoreBody, body)));

  app.get(at("/actions"), async ({ query }) => {
    const { type, cluster_id } = readValue(actionQuery, query);
    if (type === "heartbeat") return [];
    return records.actions({ type: type && TYPES[type], clusterId: cluster_id }).map((row) => actionShape(row, records.checkpoint(row.checkpointId)));
  });
  app.get<WithId>(at("/actions/from_pod/:id"), async ({ params: { id } }) => {
    const action = records.latestCheckpointAction(id);
    if (!action) throw new Refused("action_not_found", `there is no action of a pod with UID ${id}`);
    return action.id;
  });
  app.get<WithId>(at("/actions/:id"), async ({ params: { id } }) => {
    const action = records.action(id);
    if (!action) throw new Refused("action_not_found", `there is no action ${id}`);
    return actionDetailsShape(action, records.checkpoint(action.checkpointId));
  });

  app.get(at("/checkpoints"), async ({ query }) => {
    const { cluster_id, ids, deprecated } = readValue(checkpointQuery, query);
    const found = records.checkpoints({ clusterId: cluster_id, deprecated: deprecated === "true" || ids !== undefined });
    return found.filter(({ id }) => ids === undefined || ids.includes(id)).map(checkpointShape);
  });
  app.patch<WithId>(at("/checkpoints/deprecate/:id"), async ({ params: { id } }) => {
    await removals.deprecate(id, "it was deprecated");
    return "deprecated";
  });
}

/** Health for the kubelet, open to all, and what an uninstall needs. */
export function mountOwn(app: FastifyInstance, { context: { cluster }, removals }: Services): void {
  app.get("/healthz", { config: { open: true } }, async () => "ok");
  app.get("/readyz", { config: { open: true } }, async (_request, reply) => (await cluster.answers() ? "ok" : reply.code(503).send("the Kubernetes API does not answer")));
  app.post("/internal/purge", async () => removals.purge());
}
