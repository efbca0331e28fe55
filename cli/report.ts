import { mkdirSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import type { StackOutputs } from "../infra/outputs";
import { tryRun } from "../infra/support/exec";
import { readFacts } from "../infra/support/facts";
import { PULUMI_LOG } from "./evidence/collect";
import { redScreen, type RedRun } from "./evidence/screen";
import { enterPhase } from "./clean-up/marks";
import { ARTIFACTS } from "./paths";
import { duration } from "./progress";
import { logPulumiTo } from "./stack/pulumi-command";
import type { TestCounts, TimedTest } from "./testing/results";
import { describeRun, type RoundReport, type TestRun } from "./testing/run-tests";
import type { Suite } from "./testing/test-files";
import type { TestOptions } from "./testing/test-options";

/** `report.json` of a run; docs/report.md describes each field. */
export interface Report {
  schema: 1;
  run: string;
  stack: string;
  /** What the tests were about, as `--suite` takes it. */
  suite: Suite;
  outcome: "passed" | "failed" | "interrupted";
  startedAt: string;
  /** Milliseconds of each phase that was begun, in order. */
  phases: Record<string, number>;
  totalMs: number;
  tests: TestCounts;
  /** Expressions that chose the tests; empty where all ran. */
  filter: { k?: string; m?: string };
  /** Each round with its phases; one round unless `--repeat` asked for more. */
  rounds: RoundReport[];
  /** The ten tests that took longest. */
  slowest: TimedTest[];
  skips: string[];
  /** Times that the port-forward had to connect anew. */
  reconnects: number;
  imageBytesLoaded: number;
  clusterReadyMs?: number;
  versions: Record<string, string>;
  /** What was not the official thing. */
  fallbacks: string[];
  error?: { code: string; message: string };
}

/** Collects one run's report while the run goes on. */
export class Run {
  readonly folder: string;
  readonly id: string;
  readonly factsFile: string;
  private readonly start = Date.now();
  private readonly report: Report;

  constructor(stack: string, suite: Suite) {
    this.id = `${new Date().toISOString().replace(/[:.]/g, "-")}-${stack}-${process.pid}`;
    this.folder = join(ARTIFACTS, this.id);
    this.factsFile = join(this.folder, "facts.jsonl");
    mkdirSync(this.folder, { recursive: true });
    logPulumiTo(join(this.folder, PULUMI_LOG));
    this.report = {
      schema: 1,
      run: this.id,
      stack,
      suite,
      outcome: "passed",
      startedAt: new Date().toISOString(),
      phases: {},
      totalMs: 0,
      tests: { passed: 0, failed: 0, skipped: 0, notRun: 0 },
      filter: {},
      rounds: [],
      slowest: [],
      skips: [],
      reconnects: 0,
      imageBytesLoaded: 0,
      versions: {},
      fallbacks: [],
    };
  }

  /** Runs one phase and keeps its time, whether it passes or not. */
  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = Date.now();
    enterPhase(this.report.stack, name);
    try {
      return await work();
    } finally {
      this.report.phases[name] = (this.report.phases[name] ?? 0) + Date.now() - start;
    }
  }

  set(facts: Partial<Report>): void {
    Object.assign(this.report, facts);
  }

  /** What a red run ends with: its cause, the evidence, what to do next. */
  lastScreen(facts: Pick<RedRun, "error" | "evidence" | "kept">): string {
    return redScreen({ ...facts, stack: this.report.stack, folder: this.folder, tests: this.report.tests });
  }

  /** Keeps what became of the tests. */
  setTests(run: TestRun, { k, m }: TestOptions): void {
    this.set({
      outcome: run.passed ? "passed" : "failed",
      tests: run.counts,
      reconnects: run.reconnects,
      rounds: run.rounds,
      slowest: run.slowest,
      skips: run.skips,
      filter: { ...(k === undefined ? {} : { k }), ...(m === undefined ? {} : { m }) },
    });
  }

  /** Writes report.json and gives the summary for a person. */
  async finish(outputs: StackOutputs | undefined): Promise<string> {
    const { imageBytesLoaded, clusterReadyMs } = readFacts(this.factsFile);
    Object.assign(this.report, {
      ...(imageBytesLoaded === undefined ? {} : { imageBytesLoaded }),
      ...(clusterReadyMs === undefined ? {} : { clusterReadyMs }),
      totalMs: Date.now() - this.start,
      versions: await versionsOf(outputs),
    });
    writeFileSync(join(this.folder, "report.json"), `${JSON.stringify(this.report, null, 2)}\n`);
    return summary(this.report, this.folder);
  }
}

function summary(report: Report, folder: string): string {
  const phases = Object.entries(report.phases).map(([name, ms]) => `  ${name.padEnd(10)} ${duration(ms)}`);
  return [
    "",
    `Run ${report.outcome}, suite ${report.suite}, stack ${report.stack}, ${duration(report.totalMs)}`,
    ...phases,
    ...describeRun({ counts: report.tests, slowest: report.slowest, skips: report.skips }),
    `  images     ${report.imageBytesLoaded === 0 ? "nothing to load" : `${(report.imageBytesLoaded / 1e6).toFixed(0)} MB loaded`}`,
    `  report     ${join(folder, "report.json")}`,
  ].join("\n");
}

async function versionsOf(outputs: StackOutputs | undefined): Promise<Record<string, string>> {
  const ask = async (argv: [string, ...string[]]) => (await tryRun(argv).catch(() => ({ stdout: "none" }))).stdout;
  const [pulumi, docker] = await Promise.all([
    ask(["pulumi", "version"]),
    ask(["docker", "version", "--format", "{{.Server.Version}}"]),
  ]);
  return {
    pulumi,
    docker,
    node: process.version,
    kubernetes: outputs?.cluster.version ?? "none",
    distribution: outputs?.cluster.distribution ?? "none",
    containerRuntime: outputs?.cluster.runtime ?? "none",
    host: `${platform()} ${release()} ${arch()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  };
}
