// The way in for every script of package.json. It needs nothing but Node: it installs the packages that the lock file
// names when they are missing or old, makes one file of the TypeScript runner (main.ts) when a source of it is younger,
// then starts that in a session of its own. A terminal sends Ctrl-C to its whole process group; this way only this
// process gets it and passes one on, and no command that the runner has under way is hit beside it.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Another name than the one before: that was also written after an install without Jest and the like.
const stamp = join(root, "node_modules", ".installed-digest");
const digest = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `E_TOOL_MISSING: Node is too old\n  seen:   ${process.version}\n  wanted: v20.19 or newer\n  next:   install a newer Node, then run the command again`,
  );
  process.exit(2);
}
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== digest) {
  if (!isInstalled()) await install();
  if (!isInstalled()) {
    console.error(
      "E_TOOL_MISSING: The packages are not all there\n  seen:   npm ci ended well and left out packages of package-lock.json\n  wanted: all of them, those for development too\n  next:   npm ci --include=dev --include=optional",
    );
    process.exit(2);
  }
  writeFileSync(stamp, digest);
}

const runner = spawn(process.execPath, ["--enable-source-maps", await bundled(), ...process.argv.slice(2)], {
  cwd: root,
  detached: true,
  stdio: ["inherit", "inherit", "inherit", "ipc"],
  env: { INIT_CWD: process.cwd(), ...process.env },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    runner.kill(signal);
  });
runner.on("exit", (code) => {
  process.exit(code ?? 1);
});

/**
 * The runner as one file. Compiled at run time, module by module, it would begin each command half a second of work
 * later. Its list of sources, each with its time of change, says when it has to be made again.
 */
async function bundled() {
  const [file, list] = [join(root, "dist", "cli.js"), join(root, "dist", "cli.json")];
  const changed = (source) => statSync(join(root, source), { throwIfNoEntry: false })?.mtimeMs;
  if (
    existsSync(file) &&
    existsSync(list) &&
    Object.entries(JSON.parse(readFileSync(list, "utf8"))).every(([source, time]) => changed(source) === time)
  )
    return file;
  const { build } = await import("esbuild");
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["cli/main.ts"],
    outfile: "dist/cli.js",
    bundle: true,
    platform: "node",
    target: "node20",
    packages: "external",
    sourcemap: "inline",
    sourcesContent: false,
    metafile: true,
    write: false,
    logLevel: "error",
  });
  mkdirSync(dirname(file), { recursive: true });
  // Two commands may be at this at once: neither may start half a file.
  for (const [path, text] of [
    [file, outputFiles[0].text],
    [list, JSON.stringify(Object.fromEntries(Object.keys(metafile.inputs).map((source) => [source, changed(source)])))],
  ]) {
    writeFileSync(`${path}.${process.pid}`, text);
    renameSync(`${path}.${process.pid}`, path);
  }
  return file;
}

/**
 * Whether an `npm ci` by hand was here before: npm's own list of what it installed has all that the lock file asks for.
 */
function isInstalled() {
  const list = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(list)) return false;
  const packagesOf = (file) => JSON.parse(readFileSync(file, "utf8")).packages;
  const there = packagesOf(list);
  // What is optional may be for another platform; the first entry is this project itself.
  const wanted = Object.entries(packagesOf(join(root, "package-lock.json"))).filter(
    ([path, { optional, devOptional }]) => path !== "" && !optional && !devOptional,
  );
  return wanted.every(
    ([path, { version, integrity }]) => there[path]?.version === version && there[path]?.integrity === integrity,
  );
}

/**
 * `npm ci`, with a line now and then, because it takes a minute on a cold machine. What it installs does not depend on
 * the user's environment: NODE_ENV=production and omit=dev would leave Jest out.
 */
async function install() {
  const start = Date.now();
  const seconds = () => `${Math.round((Date.now() - start) / 1000)} s`;
  console.error("Installing the packages of package-lock.json (about a minute, once) ...");
  const tick = setInterval(() => {
    console.error(`  still installing, ${seconds()} so far`);
  }, 15_000);
  let output = "";
  const npm = spawn(
    "npm",
    ["ci", "--include=dev", "--include=optional", "--include=peer", "--no-audit", "--no-fund", "--loglevel=error"],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  for (const stream of [npm.stdout, npm.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const code = await new Promise((resolve) => {
    npm.on("close", resolve);
    npm.on("error", () => {
      resolve(127);
    });
  });
  clearInterval(tick);
  if (code !== 0) {
    console.error(
      `E_TOOL_MISSING: The packages could not be installed\n  seen:   npm ci ended with ${code}\n  wanted: 0\n  next:   npm ci\n\n${output.trimEnd()}`,
    );
    process.exit(2);
  }
  console.error(`Packages installed in ${seconds()}.`);
}
