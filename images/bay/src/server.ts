import { pino } from "pino";
import { openStore, runBay } from "./bay";
import { ConfigError, loadConfig } from "./config/load";
import type { Config } from "./config/schema";
import type { Driver } from "./driver/driver";
import { KubernetesDriver } from "./driver/kubernetes/driver";
import type { Logger } from "../../common/src/logger";
import type { Store } from "./store/store";

/**
 * Environment: BAY_CONFIG_FILE, BAY_API_KEY, BAY_DATA_DIR, BAY_LOG_LEVEL, `BAY_` keys of the configuration. See
 * README.md.
 */
async function main(): Promise<void> {
  const { env } = process;
  const log = pino({
    level: env["BAY_LOG_LEVEL"] ?? "info",
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  });
  const { config, file } = loadConfig(env);
  const instanceId = config.gc.instance_id ?? env["HOSTNAME"] ?? "bay";
  log.info({ config: file, namespace: config.driver.k8s.namespace, database: config.database.url }, "Bay starts");
  const { store, driver } = open(config, file, instanceId, env, log);
  const bay = await runBay({ config, store, driver, instanceId, log, env, processMetrics: true });

  const end = (signal: string): void => {
    log.info({ signal }, "Bay ends");
    void bay.close(config.server.shutdown_seconds * 1000).then((whole) => {
      log.info({ whole }, "Bay has ended");
      process.exit(0);
    });
  };
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}

/** What Bay needs of its surroundings. @throws ConfigError with all that is missing */
function open(
  config: Config,
  file: string | null,
  instanceId: string,
  env: NodeJS.ProcessEnv,
  log: Logger,
): { store: Store; driver: Driver } {
  const problems: string[] = [];
  const attempt = <T>(key: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      problems.push(`${key}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const store = attempt("database.url", () => openStore(config, env));
  const driver = attempt("driver.k8s", () => new KubernetesDriver(config, instanceId, env, log));
  if (store && driver) return { store, driver };
  throw new ConfigError(file, problems);
}

main().catch((error: unknown) => {
  const problems = error instanceof ConfigError ? { problems: error.problems, file: error.file } : {};
  process.stderr.write(
    `${JSON.stringify({ level: "fatal", msg: "Bay cannot start", error: error instanceof Error ? error.message : String(error), ...problems })}\n`,
  );
  process.exit(1);
});
