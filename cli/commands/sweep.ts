import { createInterface } from "node:readline/promises";
import { UserError } from "../../infra/support/errors";
import { onInterrupt } from "../interrupt";
import { ROOT } from "../paths";
import { phase } from "../progress";
import { down, prepare } from "../session";
import { stateEnvironment } from "../stack/state";
import { presenceOf } from "../clean-up/checkouts";
import type { Finding, SweepOptions } from "../clean-up/claims";
import { testsWithoutRun } from "../clean-up/marks";
import { findLeft, keptStacks } from "../clean-up/sweep";
import { table } from "../table";

export interface SweepCommandOptions extends SweepOptions {
  /** Remove without asking. */
  yes: boolean;
  json: boolean;
}

const NOTHING = "Nothing is left of any run that was killed.";

/**
 * Shows what killed runs left, and removes it once that is agreed to. Exit code 0: nothing is left; 2: something
 * is, because nobody agreed.
 */
export async function sweepCommand(options: SweepCommandOptions): Promise<number> {
  Object.assign(process.env, stateEnvironment());
  requireGone(options.checkout);
  const { found, unknown } = await findLeft(options);
  if (options.json)
    process.stdout.write(
      `${JSON.stringify(
        found.map(({ kind, name, stack, checkout, created, why }) => ({ kind, name, stack, checkout, created, why })),
        null,
        2,
      )}\n`,
    );
  else process.stdout.write(found.length === 0 ? `${NOTHING}\n` : `${overview(found)}\n`);
  sayUnknown(unknown);
  if (found.length === 0) return sayWhatStays(options);
  if (!options.yes && !(await agreed(found.length, options.json))) {
    process.stderr.write("Nothing was removed. To remove it: npm run sweep -- --yes\n");
    return 2;
  }
  await removeAll(found);
  const { found: left } = await findLeft(options);
  if (left.length > 0)
    throw new UserError("E_DESTROY", {
      seen: `${left.length} left:\n${overview(left)}`,
      wanted: "nothing",
      next: "npm run sweep -- --yes",
    });
  process.stderr.write(`Removed ${found.length}. ${NOTHING}\n`);
  return sayWhatStays(options);
}

/** What a checkout that exists made is that checkout's to remove. @throws UserError E_USAGE */
function requireGone(checkout: string | undefined): void {
  if (checkout === undefined || presenceOf(checkout) !== "here") return;
  throw new UserError("E_USAGE", {
    seen: `--checkout ${checkout}, which is there`,
    wanted: "the folder of a checkout that is not there any more",
    next: `cd ${checkout} && npm run sweep`,
  });
}

/** A disk that is not mounted, or another host, may have these checkouts. */
function sayUnknown(checkouts: readonly string[]): void {
  if (checkouts.length === 0) return;
  process.stderr.write(
    `What these checkouts made stays, because nobody can tell from here whether they still exist: ${checkouts.join(", ")}\n`,
  );
  process.stderr.write(`To remove it if they do not: npm run sweep -- --checkout ${checkouts[0]!}\n`);
}

/** A stack that is up on purpose is no leftover, and still something that is there. */
async function sayWhatStays(options: SweepOptions): Promise<number> {
  for (const { stack, command, tests } of testsWithoutRun(options.stack)) {
    process.stderr.write(
      `Tests go on though their run (npm run ${command}) was killed, with the stack ${stack}: pid ${tests!.pid}. To end them: kill -TERM -- -${tests!.pid}\n`,
    );
  }
  const kept = await keptStacks(options);
  if (kept.length > 0)
    process.stderr.write(
      `${kept.length === 1 ? "One stack stays, because it is" : `${kept.length} stacks stay, because they are`} up on purpose: ${kept.join(", ")}. To remove ${kept.length === 1 ? "it" : "them"} too: npm run sweep -- --all\n`,
    );
  return 0;
}

/** What was found, a line each. */
export function overview(found: readonly Finding[], width?: number, now = Date.now()): string {
  const rows = found.map(({ kind, name, stack, checkout, created, why }) => [
    kind,
    name.replace(`${ROOT}/`, ""),
    stack,
    checkout === ROOT ? "this one" : checkout,
    age(created, now),
    why,
  ]);
  return table(
    ["kind", "name", "stack", "checkout", "age", "why it may go"].map((title) => ({ title })),
    rows,
    width,
  );
}

/** Stacks first, whose `down` takes along what belongs to them; then what belongs to none. */
async function removeAll(found: readonly Finding[]): Promise<void> {
  const interrupt = onInterrupt(
    "finishing the removal first; press again to leave at once",
    () => "Left at once. Go on with: npm run sweep",
  );
  const stacks = [...new Set(found.flatMap(({ down: stack }) => stack ?? []))];
  if (stacks.length > 0) await prepare();
  for (const stack of stacks) await down(stack);
  const rest = found.filter(({ down: stack }) => stack === undefined);
  // Containers come before the networks and volumes that they use: in this order they were found.
  if (rest.length > 0)
    await phase(`Removing ${rest.length} more`, async (tell) => {
      for (const { kind, name, remove } of rest) {
        tell(`${kind} ${name}`);
        await remove?.();
      }
    });
  interrupt.release();
}

async function agreed(count: number, json: boolean): Promise<boolean> {
  if (json || !process.stdin.isTTY || !process.stdout.isTTY) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`Remove ${count === 1 ? "it" : `these ${count}`}? [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}

/** `3 min`, `5 h`, `2 d`. */
function age(created: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(created)) / 60_000);
  if (Number.isNaN(minutes)) return "";
  return minutes < 60
    ? `${Math.max(0, minutes)} min`
    : minutes < 48 * 60
      ? `${Math.floor(minutes / 60)} h`
      : `${Math.floor(minutes / 1440)} d`;
}
