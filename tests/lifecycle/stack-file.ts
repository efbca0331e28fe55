import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { ROOT } from "./host";
import { npmRun } from "./runner";

/** The stack that the lifecycle is proven on: k3s, or the one that BAY_E2E_LIFECYCLE_STACK names. */
export const STACK = process.env["BAY_E2E_LIFECYCLE_STACK"] ?? "k3s";

/** Configuration of that stack, which the tests' own stacks start from. */
const base = (
  parse(readFileSync(join(ROOT, "stacks", `Pulumi.${STACK}.yaml`), "utf8")) as { config: Record<string, unknown> }
).config;

/** The backend of that stack. */
export const BACKEND = String(base["bay-e2e:backend"] ?? STACK);

/** For a test of what only one backend has; its name says so where another one is under test. */
export function onK3s(name: string, work: () => Promise<void>): void {
  if (BACKEND === "k3s") test(name, work);
  else test.skip(`${name} [only k3s has this, and ${BACKEND} is under test]`, work);
}

/** A moment of a run at which the backend makes its node. */
export const NODE_START = /create (Container node|KindCluster kind)/;

/** A stack of its own for one test: its file is there while the work runs, and all of it is gone after. */
export async function withStack(
  name: string,
  config: Record<string, unknown>,
  work: (stack: string) => Promise<void>,
): Promise<void> {
  const file = stackFile(name, config);
  try {
    await work(name);
  } finally {
    await npmRun(["down", "--", "--stack", name]).done;
    rmSync(file, { force: true });
  }
}

/**
 * Writes the file of a stack like the one under test, but for some keys; without checkpoints, which take a third of an
 * up, unless they say so.
 */
export function stackFile(name: string, config: Record<string, unknown> = {}): string {
  const file = join(ROOT, "stacks", `Pulumi.${name}.yaml`);
  // Pulumi writes numbers and truth values as text when it puts its salt beside them; a file that has them so stays as
  // it is.
  const own = Object.entries({ checkpoint: false, ...config }).map(([key, value]) => [
    `bay-e2e:${key}`,
    typeof value === "object" ? value : String(value),
  ]);
  writeFileSync(
    file,
    stringify({
      config: { ...base, "bay-e2e:backend": BACKEND, ...(Object.fromEntries(own) as Record<string, unknown>) },
    }),
  );
  return file;
}
