import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { anyImage } from "./images";
import { npmRun } from "./runner";

// Things of somebody else under the names that stacks use, and the commands that must leave them.

/** Runs a command of Docker's; gives what it printed. @throws Error when it fails */
export const docker = (...argv: string[]) =>
  execFileSync("docker", argv, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
/** The same for what may be gone already. */
export const quietly = (...argv: string[]) => {
  try {
    docker(...argv);
  } catch {
    /* it is gone */
  }
};

/** Runs `npm run …` to its end; gives its exit code and all that it printed. */
export const run = async (...words: string[]) => {
  const running = npmRun(words);
  return [await running.done, running.output()] as const;
};
/** The same for a stack. */
export const on = (command: string, stack: string, ...words: string[]) =>
  run(command, "--", "--stack", stack, ...words);

/** Looked for once: an image that a test plants has such a name too. */
let found: string | undefined;
const runnable = () => (found ??= anyImage());

/** Something of somebody else: who it is, and how it goes again. */
export interface Planted {
  what: string;
  identity: () => string;
  remove: () => void;
}

/** A container that runs. */
export function container(name: string, ...options: string[]): Planted {
  const id = docker("run", "--detach", "--name", name, ...options, runnable(), "sleep", "infinity");
  return {
    what: `container ${name}`,
    identity: () => docker("container", "inspect", "--format", "{{.Id}} {{.State.Running}}", id),
    remove: () => {
      quietly("rm", "--force", id);
    },
  };
}

/** A network that nobody is in. */
export function network(name: string): Planted {
  const id = docker("network", "create", name);
  return {
    what: `network ${name}`,
    identity: () => docker("network", "inspect", "--format", "{{.Id}}", id),
    remove: () => {
      quietly("network", "rm", id);
    },
  };
}

/** With a file in it: a volume that was emptied has the same name. */
export function volume(name: string): Planted {
  docker("volume", "create", name);
  const inside = (script: string) =>
    docker("run", "--rm", "--user", "0", "--volume", `${name}:/data`, "--entrypoint", "sh", runnable(), "-c", script);
  inside("echo precious > /data/file");
  return {
    what: `volume ${name}`,
    identity: () => `${docker("volume", "inspect", "--format", "{{.CreatedAt}}", name)} ${inside("cat /data/file")}`,
    remove: () => {
      quietly("volume", "rm", "--force", name);
    },
  };
}

/** Empty, and of nobody: an empty archive is its whole file system. */
export function image(name: string): Planted {
  execFileSync("docker", ["import", "-", name], { input: Buffer.alloc(1024), stdio: ["pipe", "ignore", "pipe"] });
  return {
    what: `image ${name}`,
    identity: () => docker("image", "inspect", "--format", "{{.Id}}", name),
    remove: () => {
      quietly("image", "rm", name);
    },
  };
}

/** A file, with its folder where there is none. */
export function file(path: string, text: string): Planted {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return {
    what: `file ${path}`,
    identity: () => createHash("sha256").update(readFileSync(path)).digest("hex"),
    remove: () => {
      rmSync(path, { force: true });
    },
  };
}

/** Runs commands that remove, and finds everything as it was after each. */
export async function untouched(
  planted: readonly Planted[],
  commands: readonly (() => Promise<unknown>)[],
): Promise<void> {
  const before = planted.map(({ identity }) => identity());
  for (const command of commands) {
    await command();
    expect(planted.map(({ what, identity }) => `${what}: ${identity()}`)).toEqual(
      planted.map(({ what }, index) => `${what}: ${before[index]!}`),
    );
  }
}

/** The commands that remove, on a stack that could not be made. */
export const removals = (stack: string) => [
  async () => {
    expect((await on("down", stack))[0]).toBe(0);
  },
  async () => {
    expect((await on("sweep", stack, "--yes"))[0]).toBe(0);
  },
];
/** The same with e2e's own destroy, after an up that is refused. */
export const allRemovals = (stack: string) => [
  ...removals(stack),
  async () => {
    expect((await on("e2e", stack))[0]).not.toBe(0);
  },
];
