import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { LABELS } from "../../infra/naming";
import { type Preview, previewAnnotations, previewLabels } from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { tail, tryRun } from "../../infra/support/exec";
import { Kube } from "../../tests/support/kube";
import { ROOT } from "../paths";
import { previewOwner } from "../preview/names";
import { isoAfter, isoNow } from "../preview/times";
import { outputsOf, prepare } from "../session";
import { benchFolder, store } from "./figures";

/** How many of each are made. */
const [TOGETHER, LISTED] = [10, 100];

/** Seconds, one entry a call. */
type Figures = Map<string, number[]>;

/**
 * Times previews on the cluster of a stack that is up, each command as a user calls it, from its start to its end. The
 * images are there before the first is timed. Figures are no tests: nothing here passes or fails by them.
 * @throws UserError E_STACK_NOT_UP, E_COMMAND when a command fails
 */
export async function benchPreviews({ stack, rounds }: { stack: string; rounds: number }): Promise<number> {
  await prepare();
  const { kubeconfig } = await outputsOf(stack);
  const figures: Figures = new Map();
  const up = (name: string) => preview(["up", name, "--from", stack, "--ttl", "1h"]);
  await up("bench-0");
  await preview(["down", "bench-0"]);
  for (let round = 1; round <= rounds; round += 1) {
    await timed(figures, "up, images present", () => up("bench-0"));
    await timed(figures, "up, nothing changed", () => preview(["up", "bench-0"]));
    await timed(figures, "smoke tests", () => preview(["test", "bench-0"]));
    await timed(figures, "extend", () => preview(["extend", "bench-0"]));
    await timed(figures, "down", () => preview(["down", "bench-0"]));
  }
  const names = Array.from({ length: TOGETHER }, (_, index) => `bench-${index + 1}`);
  await timed(figures, `${TOGETHER} up at once, until the last`, () =>
    Promise.all(names.map((name) => timed(figures, `  each of the ${TOGETHER}`, () => up(name)))),
  );
  await timed(figures, `${TOGETHER} smoke tests at once, until the last`, () =>
    Promise.all(names.map((name) => preview(["test", name]))),
  );
  await withListed(kubeconfig, stack, async () => {
    for (let round = 1; round <= rounds; round += 1)
      await timed(figures, `list of ${LISTED + TOGETHER}`, () => preview(["list"]));
  });
  await timed(figures, `${TOGETHER} down at once, until the last`, () =>
    Promise.all(names.map((name) => preview(["down", name]))),
  );
  const rows = [...figures].map(([name, values]) => [name, String(values.length), ...spread(values)]);
  await store(
    benchFolder(),
    { unit: "s", figures: Object.fromEntries(figures) },
    ["previews, seconds", "n", "min", "median", "max"],
    rows,
  );
  return 0;
}

/** Namespaces as previews of other checkouts leave them: labels alone, and nothing in them. */
async function withListed(kubeconfig: string, template: string, work: () => Promise<void>): Promise<void> {
  const kube = new Kube(kubeconfig);
  const run = randomBytes(3).toString("hex");
  const objects = Array.from({ length: LISTED }, (_, index) => {
    const about: Preview = {
      name: `listed-${run}-${index}`,
      owner: previewOwner(),
      created: isoNow(),
      expires: isoAfter(3600),
      ttl: 3600,
      idle: 0,
      keep: false,
      template,
      commit: "",
    };
    const labels = {
      ...previewLabels(about, "restricted"),
      [LABELS.owner]: `bench-${run}`,
      [LABELS.stack]: about.name,
    };
    return {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: `bay-preview-${about.name}`, labels, annotations: previewAnnotations(about) },
    };
  });
  try {
    await Promise.all(objects.map((object) => kube.create(object)));
    await work();
  } finally {
    await Promise.all(objects.map((object) => kube.remove(object)));
  }
}

async function preview(words: string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await tryRun(
    [process.execPath, join(ROOT, "cli", "start.mjs"), "preview", ...words],
    { cwd: ROOT, timeout: 600_000 },
  );
  if (exitCode === 0) return;
  throw new UserError("E_COMMAND", {
    seen: `exit code ${exitCode}`,
    wanted: "exit code 0",
    next: `npm run preview -- ${words.join(" ")}`,
    detail: tail(stderr || stdout),
  });
}

async function timed<T>(figures: Figures, name: string, work: () => Promise<T>): Promise<T> {
  const begin = performance.now();
  const value = await work();
  figures.set(name, [...(figures.get(name) ?? []), (performance.now() - begin) / 1000]);
  return value;
}

function spread(values: readonly number[]): string[] {
  const sorted = [...values].sort((a, b) => a - b);
  return [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!].map((value) => value.toFixed(2));
}
