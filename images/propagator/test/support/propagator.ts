import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pino } from "pino";
import { runAgent, type RunningAgent } from "../../src/agent/agent";
import { NodeTool } from "../../src/agent/tool";
import { serverConfig } from "../../src/config";
import { runPropagator, type RunningPropagator } from "../../src/propagator";
import { MemoryCluster } from "./cluster";
import { ToolStandIn } from "./tool";

export const TOKEN = "api-token-0123456789abcdef";
export const AGENT_TOKEN = "agent-token-0123456789abcdef";
export const CLUSTER_ID = "11111111-2222-4333-8444-555555555555";

/* eslint-disable @typescript-eslint/no-explicit-any -- tests read answers freely */
export interface Answer {
  status: number;
  text: string;
  json: any;
  headers: Headers;
}

/**
 * A propagator with its agent on free ports: real servers, a real database, the node's tool and the cluster stood in
 * for.
 */
export class Rig {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "propagator-"));
  readonly tool = new ToolStandIn(this.folder);
  readonly cluster = new MemoryCluster();
  readonly lines: Record<string, unknown>[] = [];
  private readonly log = pino(
    { level: "debug", base: null },
    {
      write: (line: string) => {
        this.lines.push(JSON.parse(line) as Record<string, unknown>);
      },
    },
  );
  agent!: RunningAgent;
  propagator!: RunningPropagator;

  async startAgent(): Promise<void> {
    this.agent = await runAgent({
      tool: new NodeTool(this.tool.command, this.tool.store),
      token: AGENT_TOKEN,
      runcRoots: ["/run/containerd/runc/k8s.io"],
      host: "127.0.0.1",
      port: 0,
      log: this.log,
    });
    this.cluster.agents.set("node-1", this.agent.url);
  }

  async start(env: NodeJS.ProcessEnv = {}): Promise<this> {
    if (!this.agent) await this.startAgent();
    const config = serverConfig({
      PROPAGATOR_HOST: "127.0.0.1",
      PROPAGATOR_PORT: "0",
      PROPAGATOR_METRICS_PORT: "0",
      PROPAGATOR_TOKEN: TOKEN,
      PROPAGATOR_AGENT_TOKEN: AGENT_TOKEN,
      PROPAGATOR_DATABASE: path.join(this.folder, "propagator.db"),
      PROPAGATOR_CLUSTER_ID: CLUSTER_ID,
      ...env,
    });
    this.propagator = await runPropagator({ config, cluster: this.cluster, log: this.log });
    return this;
  }

  async stop(): Promise<void> {
    rmSync(path.join(this.folder, "hold"), { force: true });
    await this.propagator.close(5_000);
    await this.agent.close(5_000);
    rmSync(this.folder, { recursive: true });
  }

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.propagator.url + path, {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, json: jsonOf(text), headers: response.headers };
  }

  /** Starts a checkpoint and gives its action. @throws Error when it is refused */
  async checkpoint(podId: string): Promise<string> {
    const answer = await this.call("POST", "/v2/checkpoint/pod", { pod_id: podId });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
    return answer.text;
  }

  async restore(actionId: string): Promise<string> {
    const answer = await this.call("POST", "/v2/restore/pod", { action_id: actionId, reason: "manual" });
    if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
    return answer.text;
  }

  async action(id: string): Promise<any> {
    return (await this.call("GET", `/v2/actions/${id}`)).json;
  }

  /** The action, once it has ended. */
  async ended(id: string): Promise<any> {
    return until(`the end of action ${id}`, async () => {
      const action = await this.action(id);
      return action.total_duration === null ? undefined : action;
    });
  }
}

/** Waits for something that this test has set going. @throws Error naming it after twenty seconds */
export async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`after 60 s it is still not so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function jsonOf(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
