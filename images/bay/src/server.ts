import { pino } from "pino";
import { ConfigError, loadConfig } from "./config/load";
import { profilesOf } from "./config/profiles";
import { KubernetesDriver } from "./driver/kubernetes/driver";
import { apiKey, Auth } from "./http/auth";
import { buildBay } from "./http/app";
import { makeServices } from "./services/services";
import { MemoryStore } from "./store/memory";

/** Requests that still run get this long when Bay is told to end. */
const DRAIN_MS = 8_000;

/** Environment: BAY_CONFIG_FILE, BAY_API_KEY, BAY_DATA_DIR, BAY_LOG_LEVEL, `BAY_` keys of the configuration. See README.md. */
async function main(): Promise<void> {
  const { env } = process;
  const log = pino({ level: env["BAY_LOG_LEVEL"] ?? "info", base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } });
  const { config, file } = loadConfig(env);
  const instanceId = config.gc.instance_id ?? env["HOSTNAME"] ?? "bay";
  const { key, source } = apiKey(config, env);
  const driver = new KubernetesDriver(config, instanceId, env, log);
  const services = makeServices({ config, profiles: profilesOf(config), store: new MemoryStore(), driver, log }, instanceId);
  const app = await buildBay(services, new Auth([key], config.security.allow_anonymous), log);
  const address = await app.listen({ host: config.server.host, port: config.server.port });
  log.info({ address, config: file, apiKey: source, instanceId, namespace: config.driver.k8s.namespace, startedInMs: Math.round(performance.now()) }, "Bay listens");
  services.gc.start();

  const end = (signal: string): void => {
    log.info({ signal }, "Bay ends");
    services.gc.stop();
    setTimeout(() => { log.warn({ ms: DRAIN_MS }, "requests were still running"); process.exit(0); }, DRAIN_MS).unref();
    void app.close().finally(() => { driver.close(); process.exit(0); });
  };
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}

main().catch((error: unknown) => {
  const problems = error instanceof ConfigError ? { problems: error.problems, file: error.file } : {};
  process.stderr.write(`${JSON.stringify({ level: "fatal", msg: "Bay cannot start", error: error instanceof Error ? error.message : String(error), ...problems })}\n`);
  process.exit(1);
});
