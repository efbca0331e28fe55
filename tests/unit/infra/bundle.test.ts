import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../../infra/support/bundle";

let context: string;
const out = () => join(context, "dist", "server.js");

beforeEach(() => {
  context = mkdtempSync(join(tmpdir(), "bay-e2e-bundle-"));
  mkdirSync(join(context, "src"));
});
afterEach(() => { rmSync(context, { recursive: true, force: true }); });

describe("a service's bundle", () => {
  test("is one file with all that the service imports, made anew when an import changes", () => {
    writeFileSync(join(context, "src", "part.ts"), "export const word = 'first';");
    writeFileSync(join(context, "src", "server.ts"), "import { word } from './part'; console.log(word);");
    bundle(context);
    expect(readFileSync(out(), "utf8")).toContain("first");
    writeFileSync(join(context, "src", "part.ts"), "export const word = 'second one';");
    bundle(context);
    expect(readFileSync(out(), "utf8")).toContain("second one");
  });

  test("is not touched when nothing changed, or only a time did", () => {
    writeFileSync(join(context, "src", "server.ts"), "console.log(1);");
    bundle(context);
    const made = statSync(out()).mtimeMs;
    bundle(context);
    utimesSync(join(context, "src", "server.ts"), 1, 1);
    bundle(context);
    expect(statSync(out()).mtimeMs).toBe(made);
  });

  test("of somebody else's checkout is not our business", () => {
    bundle(context);
    expect(existsSync(out())).toBe(false);
  });
});
