import type { FastifyInstance } from "fastify";
import { nullable, readBody, strings } from "../http/fields";
import { now } from "../ids";
import { GC_TASKS, GcBusy } from "../services/gc";
import type { Services } from "../services/services";

const RUN = { tasks: nullable(strings()) };

/** The garbage collection by hand. */
export function adminRoutes(app: FastifyInstance, { gc, context }: Services): void {
  app.post(
    "/v1/admin/gc/run",
    { config: { admin: true, json: "fields", body: RUN, optionalBody: true, summary: "Collect garbage now" } },
    async (request, reply) => {
      const { tasks } = request.body === undefined ? { tasks: null } : readBody(request, RUN);
      const began = now();
      try {
        // Every enabled task runs whatever was asked for; the names only choose what is reported.
        const results = (await gc.run()).filter(({ task_name }) => tasks === null || tasks.includes(task_name));
        return {
          results,
          total_cleaned: sum(results.map(({ cleaned_count }) => cleaned_count)),
          total_errors: sum(results.map(({ errors }) => errors.length)),
          duration_ms: Math.round(now() - began),
        };
      } catch (error) {
        if (!(error instanceof GcBusy)) throw error;
        return reply.code(423).send({ detail: "GC is already running" });
      }
    },
  );

  app.get("/v1/admin/gc/status", { config: { admin: true, summary: "What the collector is set to do" } }, () => ({
    enabled: context.config.gc.enabled,
    is_running: gc.running,
    instance_id: gc.instanceId,
    interval_seconds: context.config.gc.interval_seconds,
    tasks: Object.fromEntries(GC_TASKS.map((task) => [task, { enabled: gc.enabled(task) }])),
  }));
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
