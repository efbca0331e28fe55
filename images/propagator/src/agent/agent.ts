import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { Counter, Histogram, Registry } from "prom-client";
import { Failed, Refused } from "../errors";
import { buildApp, readJson } from "../http/app";
import { Bearer } from "../http/bearer";
import { type Check, type Dump, dumpSchema, type Manifest, UUID } from "./protocol";
import type { NodeTool } from "./tool";

export interface AgentParts {
  tool: NodeTool;
  /** Shared with the server. */
  token: string;
  /** Folders of runc's states that a dump may name, whatever the server allows. */
  runcRoots: readonly string[];
  host: string;
  port: number;
  log: FastifyBaseLogger;
}

/** An agent that serves. */
export interface RunningAgent {
  url: string;
  registry: Registry;
  /**
   * Takes no more calls and lets dumps end, for a dump that is cut off may leave its processes standing still. @returns
   * whether all ended in time
   */
  close(graceMs: number): Promise<boolean>;
}

/** How long an answer of the preflight is good for: a good one long, a bad one until somebody may have mended it. */
const GOOD_MS = 300_000;
const BAD_MS = 5_000;

/** Starts the agent of a node: it does what the server asks with the node's tool, and answers nobody else. */
export async function runAgent({ tool, token, runcRoots, host, port, log }: AgentParts): Promise<RunningAgent> {
  const registry = new Registry();
  const requests = new Counter({
    name: "propagator_agent_requests_total",
    help: "Requests answered.",
    labelNames: ["route", "method", "status"],
    registers: [registry],
  });
  const dumps = new Dumps(tool, registry);
  const preflight = new Preflight(tool, log);
  const app = buildApp({
    bearer: new Bearer(token),
    log,
    answered: (route, method, status) => {
      requests.inc({ route, method, status });
    },
  });
  addRoutes(app, tool, dumps, preflight, runcRoots);
  await tool.sweep().then(
    (removed) => {
      if (removed.length > 0) log.info({ removed }, "removed what dumps and restores that died had left");
    },
    (error: Error) => {
      log.warn({ error: error.message }, "the store could not be swept");
    },
  );
  await preflight.look();
  await app.listen({ host, port });
  const url = `http://${host}:${(app.server.address() as AddressInfo).port}`;
  log.info({ address: url }, "the agent listens");
  return {
    url,
    registry,
    close: async (graceMs) => {
      const ended = Promise.all([app.close(), dumps.idle()]).then(() => true);
      const whole = await Promise.race([ended, delay(graceMs, false, { ref: false })]);
      if (!whole) app.server.closeAllConnections();
      return whole;
    },
  };
}

function addRoutes(
  app: FastifyInstance,
  tool: NodeTool,
  dumps: Dumps,
  preflight: Preflight,
  runcRoots: readonly string[],
): void {
  app.get("/healthz", { config: { open: true } }, async () => "ok");
  app.get("/readyz", { config: { open: true } }, async (_request, reply) => {
    const problem = await preflight.look();
    return problem === undefined ? "ok" : reply.code(503).send(problem);
  });
  app.get("/check", async () => tool.check());
  app.get("/checkpoints", async (_request, reply) => answer(reply, () => tool.list()));
  app.put<{ Params: { id: string } }>("/dumps/:id", async ({ params, body }, reply) =>
    answer(reply, () => dumps.dump(idOf(params), dumpOf(body, runcRoots))),
  );
  app.post<{ Params: { id: string } }>("/checkpoints/:id/verify", async ({ params }, reply) =>
    answer(reply, () => tool.verify(idOf(params))),
  );
  app.delete<{ Params: { id: string } }>("/checkpoints/:id", async ({ params }, reply) =>
    answer(reply, async () => ({ bytes: await dumps.remove(idOf(params)) })),
  );
}

interface Reply {
  code(status: number): { send(body: object): unknown };
}

/** A failure of the tool is 422 with its code, message and CRIU's lines. */
async function answer(reply: Reply, work: () => Promise<object>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return reply.code(422).send({ code: error.code, message: error.message, criu: error.criu });
  }
}

function idOf({ id }: { id: string }): string {
  if (!UUID.test(id)) throw new Refused("bad_request", "wanted a UUID in lower case");
  return id;
}

/** @throws Refused bad_request, runc_root_unknown */
function dumpOf(body: unknown, runcRoots: readonly string[]): Dump {
  const dump = readJson(dumpSchema, body);
  if (!runcRoots.includes(dump.runcRoot))
    throw new Refused(
      "runc_root_unknown",
      `runcRoot ${JSON.stringify(dump.runcRoot)} is none of this agent's: ${runcRoots.join(", ")}`,
    );
  return dump;
}

/** Dumps by their ids: asking twice for one is asking once, also after the server or this agent was started again. */
class Dumps {
  private readonly running = new Map<string, Promise<Manifest>>();
  private readonly seconds: Histogram;

  constructor(
    private readonly tool: NodeTool,
    registry: Registry,
  ) {
    this.seconds = new Histogram({
      name: "propagator_agent_dump_seconds",
      help: "Time that the node's tool took for a dump.",
      labelNames: ["outcome"],
      buckets: [0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30, 60],
      registers: [registry],
    });
  }

  async dump(id: string, request: Dump): Promise<Manifest> {
    const known = this.running.get(id);
    if (known) return known;
    const work = this.begin(id, request).finally(() => {
      this.running.delete(id);
    });
    this.running.set(id, work);
    return work;
  }

  /** A dump of that id that runs is let end first. */
  async remove(id: string): Promise<number> {
    await this.running.get(id)?.catch(() => undefined);
    return this.tool.remove(id);
  }

  async idle(): Promise<void> {
    await Promise.allSettled(this.running.values());
  }

  private async begin(id: string, request: Dump): Promise<Manifest> {
    const done = this.seconds.startTimer();
    try {
      const manifest = await this.tool.dump(id, request);
      done({ outcome: "done" });
      return manifest;
    } catch (error) {
      const found =
        error instanceof Failed && error.code === "exists"
          ? (await this.tool.list()).checkpoints.find((each) => each.id === id)
          : undefined;
      if (found?.container.id === request.container) return found;
      done({ outcome: "failed" });
      throw error;
    }
  }
}

/** Whether the node has all that checkpoints need. */
class Preflight {
  private problem: string | undefined = "the node was not looked at yet";
  private goodUntil = 0;
  private looking: Promise<void> | undefined;

  constructor(
    private readonly tool: NodeTool,
    private readonly log: FastifyBaseLogger,
  ) {}

  /** What is missing, in words; nothing when all is there. */
  async look(): Promise<string | undefined> {
    if (Date.now() > this.goodUntil)
      await (this.looking ??= this.ask().finally(() => {
        this.looking = undefined;
      }));
    return this.problem;
  }

  private async ask(): Promise<void> {
    const before = this.problem;
    this.problem = await this.tool.check().then(inWords, (error: Error) => error.message);
    this.goodUntil = Date.now() + (this.problem === undefined ? GOOD_MS : BAD_MS);
    if (this.problem !== undefined && this.problem !== before)
      this.log.error({ problem: this.problem }, "this node cannot checkpoint pods");
    if (this.problem === undefined && before !== undefined) this.log.info({}, "this node can checkpoint pods");
  }
}

function inWords({ ok, checks }: Check): string | undefined {
  if (ok) return undefined;
  const missing = checks
    .filter((each) => !each.ok)
    .map(
      ({ name, found, needed, fix }) =>
        `${name}: found ${found || "nothing"}, needed ${needed}${fix ? `; ${fix}` : ""}`,
    );
  return missing.join("; ") || "the node's preflight failed without saying why";
}
