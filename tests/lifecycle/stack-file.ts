import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { ROOT } from "./host";
import { npmRun } from "./runner";

/** A stack of its own for one test: its file is there while the work runs, and all of it is gone after. */
export async function withStack(name: string, config: Record<string, unknown>, work: (stack: string) => Promise<void>): Promise<void> {
  const file = join(ROOT, "stacks", `Pulumi.${name}.yaml`);
  writeFileSync(file, stringify({ config: Object.fromEntries(Object.entries({ backend: "k3s", ...config }).map(([key, value]) => [`bay-e2e:${key}`, value])) }));
  try {
    await work(name);
  } finally {
    await npmRun(["down", "--", "--stack", name]).done;
    rmSync(file, { force: true });
  }
}
