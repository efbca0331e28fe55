import type { FastifyBaseLogger } from "fastify";
import { AgentClient } from "../agent/client";
import type { Cluster } from "../cluster/cluster";
import type { ServerConfig } from "../config";
import type { Metrics } from "../metrics";
import type { Records } from "../store/records";

/** What all services share. */
export interface Context {
  config: ServerConfig;
  records: Records;
  cluster: Cluster;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** Fires when the propagator ends: work under way stops where it is, and the next start goes on with it. */
  ending: AbortSignal;
}

/** Now, in milliseconds since 1970 with a fraction. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** The agent on a node, if a ready one is there. */
export async function agentOn({ cluster, config }: Context, node: string): Promise<AgentClient | undefined> {
  const url = await cluster.agentOn(node);
  return url === undefined ? undefined : new AgentClient(url, config.PROPAGATOR_AGENT_TOKEN);
}
