import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../infra/support/exec";
import { readFacts } from "../../infra/support/facts";
import { ROOT } from "../paths";
import { runTests } from "../testing/run-tests";
import { down, prepare, up } from "../session";
import { benchFolder, store } from "./figures";

/** Milliseconds of each phase, one entry per round. */
type Figures = Record<string, number[]>;

/**
 * Times the main job, phase by phase, over several rounds; prints and stores minimum, median and maximum.
 * Figures are no tests: nothing here passes or fails by them.
 */
export async function bench(options: { stack: string; rounds: number }): Promise<number> {
  const figures: Figures = {};
  const folder = benchFolder();
  for (let round = 1; round <= options.rounds; round += 1) {
    process.stderr.write(`Round ${round} of ${options.rounds}\n`);
    await oneRound(options.stack, join(folder, `round-${round}`), figures);
  }
  const rows = Object.entries(figures).map(([name, values]) => [
    name,
    ...spread(values).map((value) => value.toFixed(2)),
  ]);
  await store(folder, { unit: "ms", figures }, ["phase, seconds", "min", "median", "max"], rows);
  return 0;
}

async function oneRound(stack: string, folder: string, figures: Figures): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const factsFile = join(folder, "facts.jsonl");
  const keep = (name: string, ms: number) => {
    (figures[name] ??= []).push(ms);
  };
  const time = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const start = Date.now();
    const value = await work();
    keep(name, Date.now() - start);
    return value;
  };
  const start = Date.now();
  await time("set-up", () => prepare({ stack }));
  const outputs = await time("up", () => up(stack, { factsFile }));
  keep("cluster ready (part of up)", readFacts(factsFile).clusterReadyMs ?? 0);
  await time("tests", () =>
    runTests({
      call: "npm run bench",
      projects: ["e2e"],
      folder,
      outputs,
      words: [],
      options: { stack, verbose: false, parallel: true, list: false, suite: "bay" },
    }),
  );
  const job = Date.now() - start;
  await time("pulumi up, nothing changed", () =>
    run(["pulumi", "up", "--yes", "--stack", stack, "--non-interactive"], { cwd: ROOT }),
  );
  const destroy = Date.now();
  await time("destroy", () => down(stack));
  keep("main job", job + Date.now() - destroy);
}

/** Minimum, median and maximum in seconds. */
function spread(values: number[]): [number, number, number] {
  const sorted = [...values].sort((a, b) => a - b).map((ms) => Math.round(ms / 10) / 100);
  return [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted[sorted.length - 1]!];
}
