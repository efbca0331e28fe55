import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

/** A real Ship process with a workspace of its own. */
export interface RunningShip {
  url: string;
  workspace: string;
  process: ChildProcess;
  /** Resolves when the process has ended. */
  ended: Promise<void>;
  /** Sets how many processes and threads its user may have, or gives that; for a Ship that was started `limited`. */
  limitProcesses(count?: string): string;
  /** Sends JSON and gives status and body. */
  post(path: string, body: object): Promise<{ status: number; body: any }>; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests read answers freely
  /** Ends the process; the workspace stays unless `clean`. */
  stop(options?: { clean?: boolean }): Promise<void>;
}

const SHIP = path.resolve(__dirname, "../..");
const ROOT = path.resolve(SHIP, "../..");
let bundle: string | undefined;

/** Interpreters that outlived a killed Ship: in an image the container takes them along. */
afterAll(() => {
  if (bundle) spawnSync("pkill", ["-KILL", "-f", path.join(bundle, "kernel.py")]);
});

/** Bundles Ship as the image does, once per test file. */
function bundleShip(): string {
  if (bundle) return bundle;
  const folder = mkdtempSync(path.join(os.tmpdir(), "ship-bundle-"));
  execFileSync(path.join(ROOT, "node_modules/.bin/esbuild"), [
    path.join(SHIP, "src/server.ts"),
    "--bundle",
    "--platform=node",
    "--target=node20",
    "--log-level=warning",
    `--outfile=${folder}/server.js`,
  ]);
  for (const helper of ["kernel.py", "terminal.py"]) cpSync(path.join(SHIP, "src", helper), path.join(folder, helper));
  return (bundle = folder);
}

/** A user whom limits of processes hold, who may still read and write what is root's: the bundle and the workspace. */
const limitedUser = () =>
  process.getuid?.() === 0
    ? [
        "setpriv",
        "--reuid=54321",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
      ]
    : [];

/**
 * Starts Ship on a free port.
 * @param workspace Default: a new temporary folder
 * @param limited Where this is root, for whom the system keeps no limit of processes: as a user who runs nothing else.
 *   Default false
 */
export async function startShip(
  workspace = mkdtempSync(path.join(os.tmpdir(), "ship-ws-")),
  env: Record<string, string> = {},
  limited = false,
): Promise<RunningShip> {
  mkdirSync(workspace, { recursive: true });
  const words = [...(limited ? limitedUser() : []), process.execPath, path.join(bundleShip(), "server.js")];
  const child = spawn(words[0]!, words.slice(1), {
    env: {
      ...process.env,
      SHIP_HOST: "127.0.0.1",
      SHIP_PORT: "0",
      SHIP_WORKSPACE: workspace,
      SHIP_SKILLS: path.join(SHIP, "skills"),
      ...env,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) =>
    child.once("exit", () => {
      resolve();
    }),
  );
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => {
      reject(new Error(`Ship ended with ${code} before it listened`));
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { msg, address } = JSON.parse(line) as { msg: string; address?: string };
      if (msg === "listening") resolve(address!);
    });
  });
  return {
    url,
    workspace,
    process: child,
    ended,
    limitProcesses: (count) => {
      const words = [
        ...limitedUser(),
        "prlimit",
        "--pid",
        String(child.pid),
        ...(count === undefined ? ["--nproc", "--output=SOFT", "--noheadings"] : [`--nproc=${count}:`]),
      ];
      return execFileSync(words[0]!, words.slice(1), { encoding: "utf8" }).trim();
    },
    post: async (route, body) => {
      const response = await fetch(url + route, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    },
    stop: async ({ clean = true } = {}) => {
      child.kill("SIGKILL");
      await ended;
      if (clean) rmSync(workspace, { recursive: true, force: true });
    },
  };
}
