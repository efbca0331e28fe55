import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import type { Circus } from "@jest/types";
import { TestEnvironment } from "jest-environment-node";
import { requireTitles } from "./titles";

const ROOT = resolve(__dirname, "../..");

/**
 * Which tests the runner means: for each file, by its path in the repository, the pattern of full names; `*` stands for
 * the others. Jest's own `-t` knows no files, and goes on working beside this.
 */
export type SelectionFile = Record<string, string>;

/**
 * The environment of all tests: leaves out what the runner's selection, the file that `BAY_E2E_SELECTION` names, leaves
 * out, refuses titles that do not tell what is tested, and gives each file a folder for temporary files, which goes with
 * it.
 */
export default class SelectingEnvironment extends TestEnvironment {
  readonly #path: string;
  readonly #before = process.env["TMPDIR"];
  readonly #folder = mkdtempSync(join(tmpdir(), "bay-e2e-test-"));

  constructor(...args: ConstructorParameters<typeof TestEnvironment>) {
    super(...args);
    this.#path = relative(ROOT, args[1].testPath);
  }

  /**
   * `os.tmpdir()` reads the environment of the worker, what a test starts that of the test. A worker has one file at a
   * time.
   */
  override async setup(): Promise<void> {
    await super.setup();
    process.env["TMPDIR"] = this.#folder;
    this.global.process.env["TMPDIR"] = this.#folder;
  }

  override async teardown(): Promise<void> {
    if (this.#before === undefined) Reflect.deleteProperty(process.env, "TMPDIR");
    else process.env["TMPDIR"] = this.#before;
    rmSync(this.#folder, { recursive: true, force: true });
    await super.teardown();
  }

  handleTestEvent(event: Circus.AsyncEvent | Circus.SyncEvent, state: Circus.State): Promise<void> | void {
    if (event.name !== "run_start") return;
    requireTitles(state.rootDescribeBlock);
    const file = process.env["BAY_E2E_SELECTION"];
    if (!file) return;
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
