import { chmodSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { getHeapStatistics } from "node:v8";
import { setTimeout as delay } from "node:timers/promises";
import { collectDefaultMetrics } from "prom-client";
import type { FastifyBaseLogger } from "fastify";
import { readDatabaseUrl } from "./config/database-url";
import { profilesOf } from "./config/profiles";
import type { Config } from "./config/schema";
import type { Driver } from "./driver/driver";
import { apiKey } from "./http/api-keys";
import { Auth } from "./http/auth";
import { buildBay } from "./http/app";
import { Budget } from "../../common/src/budget";
import { serveMetrics } from "../../common/src/metrics-server";
import { makeServices, type Services } from "./services/services";
import { sessionKey, SessionTokens } from "./services/session-tokens";
import { Database } from "./store/database";
import { SqliteStore } from "./store/sqlite";
import type { Store } from "./store/store";

/** Longest wait for the first comparison with the cluster before requests are served; it goes on beside them. */
const RECOVERY_MS = 5_000;
const MIB = 1024 * 1024;
/** What calls under way may take of the memory that Node allows itself, if the configuration does not say. */
const SHARE_OF_HEAP = 0.6;

export interface BayParts {
  config: Config;
  store: Store;
  driver: Driver;
  /** Tells this Bay's pods from those of others. */
  instanceId: string;
  log: FastifyBaseLogger;
  env: NodeJS.ProcessEnv;
  /** Whether figures of the process are measured too; once per process. */
  processMetrics?: boolean;
}

/** A Bay that serves. */
export interface RunningBay {
  services: Services;
  url: string;
  /** Null when `server.metrics_port` is 0. */
  metricsUrl: string | null;
  /**
   * Takes no more connections, lets running calls end and closes everything.
   * @param graceMs Calls that still run after this time are cut off.
   * @returns Whether all of them ended.
   */
  close(graceMs: number): Promise<boolean>;
}

/** Opens the storage that the configuration names; relative files are in BAY_DATA_DIR. @throws DatabaseError */
export function openStore(config: Config, env: NodeJS.ProcessEnv): Store {
  const location = readDatabaseUrl(config.database.url)!; // the schema took it
  const file = location.kind === "memory" ? ":memory:" : path.resolve(env["BAY_DATA_DIR"] ?? "", location.path);
  const store = new SqliteStore(new Database(file), {
    history: config.database.max_history_mb * MIB,
    size: config.database.max_mb * MIB,
  });
  if (location.kind === "file") chmodSync(file, 0o600); // it may hold the key of the sessions' tokens
  return store;
}

/** What calls under way may take of memory and of the temporary folder. */
function budgetsOf({ limits: { in_flight_mb: mb, aside_mb } }: Config): { budget: Budget; aside: Budget } {
  const bytes = mb === null ? getHeapStatistics().heap_size_limit * SHARE_OF_HEAP : mb * MIB;
  return { budget: new Budget(Math.round(bytes)), aside: new Budget(aside_mb * MIB) };
}

/** Starts Bay: puts right what an earlier one left, then serves. */
export async function runBay({
  config,
  store,
  driver,
  instanceId,
  log,
  env,
  processMetrics = false,
}: BayParts): Promise<RunningBay> {
  const { source, configured } = apiKey(config, env, store);
  const tokens = new SessionTokens(sessionKey(env, store));
  const services = makeServices(
    { config, profiles: profilesOf(config), store, driver, log, tokens, ...budgetsOf(config) },
    instanceId,
  );
  const { gc, metrics, recovery } = services;
  if (processMetrics) collectDefaultMetrics({ register: metrics.registry });
  const app = await buildBay(services, new Auth(store, config.security.allow_anonymous, configured), log);

  const ending = new AbortController();
  const halfMade = recovery.settle();
  if (halfMade > 0)
    log.warn({ sessions: halfMade }, "sessions were half-made when the last Bay ended; the next call starts them anew");
  const recovering = recovery.run(ending.signal);
  await Promise.race([recovering, delay(RECOVERY_MS, undefined, { signal: ending.signal })]);

  const { host, port, metrics_port } = config.server;
  const metricsServer = metrics_port === 0 ? null : await serveMetrics(metrics.registry, host, metrics_port);
  const url = await app.listen({ host, port });
  const metricsUrl = metricsServer && `http://${host}:${(metricsServer.address() as AddressInfo).port}/metrics`;
  log.info(
    { address: url, metrics: metricsUrl, apiKey: source, instanceId, startedInMs: Math.round(performance.now()) },
    "Bay listens",
  );
  gc.start();

  const close = async (graceMs: number): Promise<boolean> => {
    ending.abort();
    metricsServer?.close();
    metricsServer?.closeAllConnections();
    const late = new AbortController();
    const ended = Promise.all([app.close(), gc.stop(), recovering]).then(() => true);
    const whole = await Promise.race([ended, delay(graceMs, false, { signal: late.signal }).catch(() => true)]);
    late.abort();
    if (!whole) {
      log.warn({ ms: graceMs }, "calls were still running and are cut off");
      app.server.closeAllConnections();
    }
    driver.close();
    store.close();
    return whole;
  };
  return { services, url, metricsUrl, close };
}
