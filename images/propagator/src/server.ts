import { pino } from "pino";
import { collectDefaultMetrics } from "prom-client";
import { loadAccess } from "../../common/src/kubernetes/access";
import { serveMetrics } from "../../common/src/metrics-server";
import { runAgent } from "./agent/agent";
import { NodeTool } from "./agent/tool";
import { KubernetesCluster } from "./cluster/kubernetes";
import { agentConfig, ConfigError, serverConfig } from "./config";
import { runPropagator } from "./propagator";
import { purge } from "./purge";

const ROLES: Record<string, (env: NodeJS.ProcessEnv) => Promise<void>> = {
  server: runServer,
  agent: runNodeAgent,
  purge,
};

/** One image, three roles: `server`, `agent`, and `purge`, which an uninstall runs. Environment: README.md. */
async function main([role = "server"]: string[]): Promise<void> {
  const run = ROLES[role];
  if (!run) throw new Error(`there is no role ${JSON.stringify(role)}; wanted ${Object.keys(ROLES).join(", ")}`);
  await run(process.env);
}

async function runServer(env: NodeJS.ProcessEnv): Promise<void> {
  const config = serverConfig(env);
  const log = logger(config.PROPAGATOR_LOG_LEVEL);
  const cluster = new KubernetesCluster(
    loadAccess(config.PROPAGATOR_KUBECONFIG || null, env),
    {
      namespace: config.PROPAGATOR_NAMESPACE,
      namespaces: config.PROPAGATOR_NAMESPACES,
      clusterRole: config.PROPAGATOR_CLUSTER_ROLE,
      serviceAccount: config.PROPAGATOR_SERVICE_ACCOUNT,
      agentSelector: config.PROPAGATOR_AGENT_SELECTOR,
      agentPort: config.PROPAGATOR_AGENT_PORT,
    },
    log,
  );
  const propagator = await runPropagator({ config, cluster, log });
  collectDefaultMetrics({ register: propagator.services.context.metrics.registry });
  onSignal(log, () => propagator.close(config.PROPAGATOR_SHUTDOWN_SECONDS * 1000));
}

async function runNodeAgent(env: NodeJS.ProcessEnv): Promise<void> {
  const config = agentConfig(env);
  const log = logger(config.PROPAGATOR_LOG_LEVEL).child({ node: config.PROPAGATOR_NODE });
  const tool = new NodeTool(config.PROPAGATOR_TOOL, config.PROPAGATOR_STORE);
  const agent = await runAgent({
    tool,
    token: config.PROPAGATOR_AGENT_TOKEN,
    runcRoots: config.PROPAGATOR_RUNC_ROOTS,
    host: config.PROPAGATOR_HOST,
    port: config.PROPAGATOR_AGENT_PORT,
    log,
  });
  collectDefaultMetrics({ register: agent.registry });
  if (config.PROPAGATOR_AGENT_METRICS_PORT !== 0)
    await serveMetrics(agent.registry, config.PROPAGATOR_HOST, config.PROPAGATOR_AGENT_METRICS_PORT);
  onSignal(log, () => agent.close(config.PROPAGATOR_SHUTDOWN_SECONDS * 1000));
}

function logger(level: string) {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}

function onSignal(log: ReturnType<typeof logger>, close: () => Promise<boolean>): void {
  const end = (signal: string): void => {
    log.info({ signal }, "ending");
    void close().then((whole) => {
      log.info({ whole }, "ended");
      process.exit(0);
    });
  };
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const problems = error instanceof ConfigError ? { problems: error.problems } : {};
  process.stderr.write(
    `${JSON.stringify({ level: "fatal", msg: "the propagator cannot start", error: error instanceof Error ? error.message : String(error), ...problems })}\n`,
  );
  process.exit(1);
});
