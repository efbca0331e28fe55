import { hostname } from "node:os";
import { ROOT } from "../paths";
import { table } from "../table";
import { decide, type Judge, type Verdict } from "./decide";
import { remove } from "./down";
import { type FoundPreview, openFacts } from "./facts";
import { type OpenSource, openOnes } from "./forge";
import { findPreviews } from "./inventory";
import { formerPreviewOwner, previewOwner } from "./names";

export interface GcOptions extends OpenSource {
  /** Stacks whose clusters are looked at too. */
  from: string[];
  /** Show, and remove nothing. */
  dryRun: boolean;
  json: boolean;
  signal?: AbortSignal;
}

/** One preview and what becomes of it. */
export interface Planned {
  found: FoundPreview;
  verdict: Verdict;
}

/** What a garbage collection would do, in order. */
export function planGc(previews: readonly FoundPreview[], judge: Judge): Planned[] {
  return previews.map((found) => ({ found, verdict: decide(found, judge) }));
}

/**
 * Removes previews that are expired, idle, of closed pull requests, or half there, after showing which.
 * @returns exit code: 1 when one could not be removed; the others are gone nevertheless
 */
export async function gc(options: GcOptions): Promise<number> {
  const open = await openOnes(options);
  const plan = planGc(await findPreviews(options.from), {
    now: Date.now(),
    owner: previewOwner(),
    formerOwner: formerPreviewOwner(),
    checkout: ROOT,
    host: hostname(),
    ...(open ? { open } : {}),
  });
  const doomed = plan.filter(({ verdict }) => verdict.action !== "stay");
  if (options.json)
    process.stdout.write(
      `${JSON.stringify(
        plan.map(({ found, verdict }) => ({ ...openFacts(found), ...verdict })),
        null,
        2,
      )}\n`,
    );
  else process.stdout.write(`${planText(plan)}\n`);
  if (doomed.length === 0) return 0;
  if (options.dryRun) {
    process.stderr.write(
      `Nothing was removed. To remove ${doomed.length === 1 ? "it" : "them"}: npm run preview -- gc --yes\n`,
    );
    return 0;
  }
  return removeAll(doomed, options.signal);
}

/** The plan as a table: what goes first. */
export function planText(plan: readonly Planned[], width?: number): string {
  if (plan.length === 0) return "No preview was found.";
  const sorted = [...plan].sort((a, b) => Number(a.verdict.action === "stay") - Number(b.verdict.action === "stay"));
  const rows = sorted.map(({ found, verdict }) => [
    found.name,
    found.cluster,
    verdict.action === "stay" ? "stays" : "goes",
    verdict.why,
  ]);
  return table([{ title: "preview" }, { title: "cluster" }, { title: "", min: 5 }, { title: "why" }], rows, width);
}

/** One that cannot be removed must not keep the others. */
async function removeAll(doomed: readonly Planned[], signal: AbortSignal | undefined): Promise<number> {
  const failures: string[] = [];
  for (const { found, verdict } of doomed) {
    if (signal?.aborted) break;
    await remove(found, verdict.action as Exclude<Verdict["action"], "stay">, signal).catch((error: unknown) => {
      failures.push(`${found.name}: ${(error as Error).message}`);
    });
  }
  process.stderr.write(`Removed ${doomed.length - failures.length} of ${doomed.length}.\n`);
  for (const failure of failures) process.stderr.write(`\n${failure}\n`);
  return failures.length === 0 && !signal?.aborted ? 0 : 1;
}
