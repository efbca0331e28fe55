import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyBaseLogger } from "fastify";
import { Database } from "../../common/src/database";
import { serveMetrics } from "../../common/src/metrics-server";
import type { Cluster } from "./cluster/cluster";
import type { ServerConfig } from "./config";
import { buildApp } from "./http/app";
import { describeApi } from "./http/openapi";
import { Bearer } from "./http/bearer";
import { mountApi, mountOwn } from "./http/routes";
import { Metrics } from "./metrics";
import { makeServices, resume, type Services } from "./services/services";
import { MIGRATIONS } from "./store/migrations";
import { Records } from "./store/records";

export interface PropagatorParts {
  config: ServerConfig;
  cluster: Cluster;
  log: FastifyBaseLogger;
}

/** A propagator that serves. */
export interface RunningPropagator {
  services: Services;
  url: string;
  /**
   * Takes no more calls, stops work where it is (the next start goes on with it) and closes all. @returns whether all
   * ended in time
   */
  close(graceMs: number): Promise<boolean>;
}

/** Starts the server: goes on with what an earlier one left, then serves. @throws DatabaseError */
export async function runPropagator({ config, cluster, log }: PropagatorParts): Promise<RunningPropagator> {
  const records = new Records(
    new Database(config.PROPAGATOR_DATABASE, MIGRATIONS, { owner: "propagator", setting: "PROPAGATOR_DATABASE" }),
  );
  const ending = new AbortController();
  const metrics = new Metrics(records);
  const services = makeServices({ config, records, cluster, metrics, log, ending: ending.signal });
  const own = services.clusters.ensureOwn();
  const app = buildApp({
    bearer: new Bearer(config.PROPAGATOR_TOKEN),
    log,
    answered: (...answer) => {
      metrics.request(...answer);
    },
  });
  describeApi(app);
  mountApi(app, "v1", services);
  mountApi(app, "v2", services);
  mountOwn(app, services);
  const resumed = resume(services);
  if (resumed > 0) log.info({ actions: resumed }, "going on with actions that an earlier start had begun");
  services.removals.start();
  void services.removals.work();

  const { PROPAGATOR_HOST: host, PROPAGATOR_PORT: port, PROPAGATOR_METRICS_PORT: metricsPort } = config;
  const metricsServer = metricsPort === 0 ? null : await serveMetrics(metrics.registry, host, metricsPort);
  await app.listen({ host, port });
  const url = `http://${host}:${(app.server.address() as AddressInfo).port}`;
  log.info({ address: url, cluster: own.id, startedInMs: Math.round(performance.now()) }, "the propagator listens");

  const close = async (graceMs: number): Promise<boolean> => {
    ending.abort();
    metricsServer?.close();
    metricsServer?.closeAllConnections();
    const ended = Promise.all([
      app.close(),
      services.checkpointing.background.idle(),
      services.restoring.background.idle(),
      services.removals.stop(),
    ]).then(() => true);
    const whole = await Promise.race([ended, delay(graceMs, false, { ref: false })]);
    if (!whole) app.server.closeAllConnections();
    cluster.close();
    records.close();
    return whole;
  };
  return { services, url, close };
}
