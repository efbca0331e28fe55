import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { tryRun } from "../../../infra/support/exec";

const ROOT = resolve(__dirname, "../../..");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "start-"));
  for (const name of ["cli", "node_modules", "bin"]) mkdirSync(join(folder, name));
  copyFileSync(join(ROOT, "cli/start.mjs"), join(folder, "cli/start.mjs"));
  symlinkSync(join(ROOT, "node_modules/esbuild"), join(folder, "node_modules/esbuild"));
  writeFileSync(join(folder, "cli/words.ts"), `export const words = "started" as string;`);
  writeFileSync(join(folder, "cli/main.ts"), `import { words } from "./words"; console.log(words);`);
  // Stands for npm: says that it was called, and fails.
  writeFileSync(join(folder, "bin/npm"), '#!/bin/sh\necho "npm $1 was called"\nexit 3\n');
  chmodSync(join(folder, "bin/npm"), 0o755);
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const wanted = {
  "": { version: "1.0.0" },
  "node_modules/a": { version: "1.2.3", integrity: "sha512-a" },
  "node_modules/b": { version: "1.0.0", integrity: "sha512-b", optional: true },
};

const start = (installed?: object) => {
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: wanted }));
  if (installed)
    writeFileSync(join(folder, "node_modules/.package-lock.json"), JSON.stringify({ packages: installed }));
  return tryRun([process.execPath, join(folder, "cli/start.mjs")], {
    cwd: folder,
    env: { PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` },
  });
};

test("packages that npm ci installed by hand are not installed again", async () => {
  expect(await start({ "node_modules/a": { version: "1.2.3", integrity: "sha512-a" } })).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("started"),
  });
});

test("a source that changed is what the next start runs, and one that cannot be read is told by its place", async () => {
  const installed = { "node_modules/a": { version: "1.2.3", integrity: "sha512-a" } };
  expect(await start(installed)).toMatchObject({ exitCode: 0, stdout: "started" });
  writeFileSync(join(folder, "cli/words.ts"), `export const words = "started anew" as string;`);
  expect(await start(installed)).toMatchObject({ exitCode: 0, stdout: "started anew" });
  writeFileSync(join(folder, "cli/words.ts"), "export const words = ;");
  expect(await start(installed)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("cli/words.ts:1:21") });
});

test.each([
  ["no packages", undefined],
  ["none of them", {}],
  ["another version", { "node_modules/a": { version: "1.2.2", integrity: "sha512-a" } }],
  ["another content", { "node_modules/a": { version: "1.2.3", integrity: "sha512-z" } }],
])("%s lead to an installation, whose failure is told with npm's own words", async (_, installed) => {
  expect(await start(installed)).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/E_TOOL_MISSING[\s\S]*seen: +npm ci ended with 3[\s\S]*npm ci was called/),
  });
});

test("an installation asks for all packages, whatever the user's environment leaves out, and one that left some out is not taken for done", async () => {
  writeFileSync(join(folder, "bin/npm"), `#!/bin/sh\necho "$@" >> ${join(folder, "words")}\n`);
  const found = await start({});
  expect(found).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/E_TOOL_MISSING[\s\S]*left out packages/) });
  expect(readFileSync(join(folder, "words"), "utf8")).toMatch(/^ci --include=dev --include=optional --include=peer /);
  // Again: nothing was remembered.
  expect(await start({})).toMatchObject({ exitCode: 2 });
});

test("what an earlier version remembered of an installation without development packages does not count", async () => {
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: wanted }));
  writeFileSync(
    join(folder, "node_modules/.lock-digest"),
    createHash("sha256")
      .update(JSON.stringify({ packages: wanted }))
      .digest("hex"),
  );
  expect(await start({})).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("npm ci was called") });
});
