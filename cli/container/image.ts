import { execa } from "execa";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE_LABEL, PREFIX } from "../../infra/naming";
import { UserError } from "../../infra/support/errors";
import { pasteable, run, tail, tryRun } from "../../infra/support/exec";
import { ROOT } from "../paths";
import type { Tell } from "../progress";
import { stageTools } from "./tools";

const BASE_IMAGE = "docker.io/library/node:24-bookworm-slim";
/** Of the checkout: what is made anew, what is secret, and what is in an image already. */
const LEFT_OUT = ["node_modules", ".git", ".state", "artifacts", "coverage"];
const ADD = join("images", "runner", "add.Dockerfile");
/** Milliseconds for one image: a gigabyte is copied at most. */
const BUILT_WITHIN = 600_000;

/** How a build is followed and ended. */
export interface BuildOptions {
  tell: Tell;
  signal: AbortSignal;
}

/** Name of the image of one run. */
export function runnerImage(stack: string): string {
  return `${PREFIX}/runner:${stack}`;
}

/**
 * Name of the image with the packages. They lie in it where the checkout does: those of another one would not be found.
 * @param tools image that it starts from @param lock content of package-lock.json
 */
export function packagesImage(tools: string, lock: string, root = ROOT): string {
  return `${PREFIX}/runner-packages:${digestOf(tools, lock, root)}`;
}

/**
 * Builds the image of a run: tools, packages, and the checkout with the stack's file. What the last run built is used
 * again.
 * @param stackFile content of the file of the run's stack
 * @throws UserError E_IMAGE_BUILD
 */
export async function buildRunner(
  stack: string,
  stackFile: string,
  options: BuildOptions,
): Promise<{ lacking: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-runner-"));
  try {
    const { tools, lacking } = await buildTools(join(folder, "tools"), options);
    const packages = packagesImage(tools, readFileSync(join(ROOT, "package-lock.json"), "utf8"));
    if (!(await isHere(packages))) {
      options.tell("packages into the runner image (a minute, once)");
      await build(packages, { base: tools, dockerfile: ADD }, ["-C", ROOT, ADD, "node_modules"], options);
    }
    mkdirSync(join(folder, "run", "stacks"), { recursive: true });
    writeFileSync(join(folder, "run", "stacks", `Pulumi.${stack}.yaml`), stackFile);
    options.tell("checkout into the runner image");
    await build(
      runnerImage(stack),
      { base: packages, dockerfile: ADD },
      [...LEFT_OUT.map((name) => `--exclude=./${name}`), "-C", ROOT, ".", "-C", join(folder, "run"), "stacks"],
      options,
    );
    return { lacking };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function buildTools(folder: string, options: BuildOptions): Promise<{ tools: string; lacking: string[] }> {
  mkdirSync(folder);
  const substitutes = JSON.parse(process.env["BAY_E2E_IMAGES"] || "{}") as Record<string, string>;
  const base = substitutes[BASE_IMAGE] ?? BASE_IMAGE;
  const { digest, lacking } = await stageTools(folder);
  const recipe = join(ROOT, "images", "runner", "tools.Dockerfile");
  const tools = `${PREFIX}/runner-tools:${digestOf(digest, await run(["docker", "image", "inspect", "--format", "{{.Id}}", base]), readFileSync(recipe, "utf8"))}`;
  if (!(await isHere(tools))) {
    options.tell("this host's tools into the runner image (once)");
    copyFileSync(recipe, join(folder, "Dockerfile"));
    writeFileSync(join(folder, ".dockerignore"), "Dockerfile\n.dockerignore\n");
    await build(tools, { base, dockerfile: "Dockerfile" }, ["--dereference", "-C", folder, "."], options);
  }
  return { tools, lacking };
}

/** Builds an image of what `tar` gives: nothing is copied on the host's own disk first. */
async function build(
  tag: string,
  { base, dockerfile }: { base: string; dockerfile: string },
  files: string[],
  { signal }: BuildOptions,
): Promise<void> {
  const argv = [
    "build",
    "--quiet",
    "--force-rm",
    "--tag",
    tag,
    "--label",
    `${IMAGE_LABEL}=runner`,
    "--file",
    dockerfile,
    "--build-arg",
    `BASE=${base}`,
    "--build-arg",
    `PLACE=${ROOT}`,
    "-",
  ];
  const common = { reject: false, signal, timeout: BUILT_WITHIN, detached: true } as const;
  const tar = execa("tar", ["--create", ...files], { ...common, buffer: false, stdin: "ignore", stderr: "ignore" });
  const [packed, built] = await Promise.all([tar, execa("docker", argv, { ...common, input: tar.stdout!, all: true })]);
  if (signal.aborted)
    throw new UserError("E_INTERRUPTED", {
      seen: "a signal",
      wanted: `the image ${tag}`,
      next: "run the command again",
    });
  // 1 of tar: a file was changed while it was read, in a checkout that somebody works in.
  if (built.exitCode === 0 && packed.exitCode <= 1) return;
  throw new UserError("E_IMAGE_BUILD", {
    seen: `${tag}: docker build ended with ${built.exitCode}, tar with ${packed.exitCode}`,
    wanted: "0",
    next: pasteable(["docker", ...argv]),
    detail: tail(built.all ?? ""),
  });
}

async function isHere(image: string): Promise<boolean> {
  return (await tryRun(["docker", "image", "inspect", "--format", "{{.Id}}", image])).exitCode === 0;
}

function digestOf(...parts: string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("hex").slice(0, 12);
}
