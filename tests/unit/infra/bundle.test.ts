import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../../../infra/support/bundle";

let context: string;
const out = () => join(context, "dist", "server.js");

beforeEach(() => {
  context = mkdtempSync(join(tmpdir(), "bay-e2e-bundle-"));
  mkdirSync(join(context, "src"));
});
afterEach(() => {
  rmSync(context, { recursive: true, force: true });
});

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

  test("has native code for Linux with glibc beside it, also after that was removed", () => {
    const root = join(context, "node_modules");
    const name = `@some/linux-${process.arch}`;
    mkdirSync(join(root, "native"), { recursive: true });
    mkdirSync(join(root, name), { recursive: true });
    const target = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-unknown-linux-gnu`;
    writeFileSync(
      join(root, "native", "package.json"),
      JSON.stringify({
        main: "index.js",
        optionalDependencies: { [name]: "1.2.3" },
        neon: { targets: { [target]: name, "wasm32-none": "@some/other" } },
      }),
    );
    writeFileSync(join(root, "native", "index.js"), "module.exports = require(`@some/linux-${process.arch}`);");
    writeFileSync(join(root, name, "package.json"), JSON.stringify({ main: "index.js" }));
    writeFileSync(join(root, name, "index.js"), "module.exports = 'native code';");
    writeFileSync(join(context, "src", "server.ts"), "import native from 'native'; console.log(native);");
    const beside = join(context, "dist", "node_modules");
    for (let round = 1; round <= 2; round += 1) {
      bundle(context);
      expect(readdirSync(join(beside, "@some"))).toEqual([`linux-${process.arch}`]);
      renameSync(root, `${root}-away`);
      expect(execFileSync(process.execPath, [out()], { encoding: "utf8" })).toBe("native code\n");
      renameSync(`${root}-away`, root);
      rmSync(beside, { recursive: true });
    }
  });

  test("of somebody else's checkout is not our business", () => {
    bundle(context);
    expect(existsSync(out())).toBe(false);
  });
});
