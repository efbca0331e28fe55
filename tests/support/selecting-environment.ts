import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Circus } from "@jest/types";
import { TestEnvironment } from "jest-environment-node";

const ROOT = resolve(__dirname, "../..");

/**
 * Which tests the runner means: for each file, by its path in the repository, the pattern of full names; `*` stands for
 * the others. Jest's own `-t` knows no files, and goes on working beside this.
 */
export type SelectionFile = Record<string, string>;

/** The environment of all tests: leaves out what the runner's selection, the file that `BAY_E2E_SELECTION` names, leaves out. */
export default class SelectingEnvironment extends TestEnvironment {
  readonly #path: string;

  constructor(...args: ConstructorParameters<typeof TestEnvironment>) {
    super(...args);
    this.#path = relative(ROOT, args[1].testPath);
  }

  handleTestEvent(event: Circus.AsyncEvent | Circus.SyncEvent, state: Circus.State): Promise<void> | void {
    const file = process.env["BAY_E2E_SELECTION"];
    if (event.name !== "run_start" || !file) return;
    const selection = JSON.parse(readFileSync(file, "utf8")) as SelectionFile;
    const pattern = selection[this.#path] ?? selection["*"];
    if (pattern !== undefined) leaveOut(state.rootDescribeBlock, new RegExp(pattern, "i"), []);
  }
}

function leaveOut(block: Circus.DescribeBlock, wanted: RegExp, names: readonly string[]): void {
  for (const child of block.children) {
    const full = [...names, child.name];
    if (child.type === "describeBlock") leaveOut(child, wanted, full);
    else if (!wanted.test(full.join(" "))) child.mode = "skip";
  }
}
