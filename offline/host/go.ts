import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../infra/support/errors";
import { tail, tryRun } from "../../infra/support/exec";
import { cached, recipeHash } from "../cache";
import { DEBIAN_ARCH, unpackPackages } from "./debian";
import { findProgram } from "./preconditions";

export interface GoBuild {
  /** Folder of go.mod. */
  module: string;
  /** Package to build, e.g. `./node`. */
  package: string;
  /** File to write. */
  output: string;
  /** Values that the linker sets: variable to value. */
  variables?: Record<string, string>;
  /** Build tags. */
  tags?: readonly string[];
  /** Without the C library: the program then runs on any Linux, also in an image. Default true. */
  static?: boolean;
}

/**
 * Builds a Go program with the host's own settings (GOPROXY, GOFLAGS).
 * @throws UserError E_TOOL_BUILD with the end of the compiler's output
 */
export async function goBuild(build: GoBuild): Promise<void> {
  const flags = [
    "-s",
    "-w",
    ...Object.entries(build.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`),
  ].join(" ");
  const argv: [string, ...string[]] = [
    await goProgram(),
    "build",
    "-buildvcs=false",
    "-tags",
    (build.tags ?? []).join(","),
    "-ldflags",
    flags,
    "-o",
    build.output,
    build.package,
  ];
  const result = await tryRun(argv, {
    cwd: build.module,
    timeout: 45 * 60_000,
    env: build.static === false ? {} : { CGO_ENABLED: "0" },
  });
  if (result.exitCode === 0) return;
  throw new UserError("E_TOOL_BUILD", {
    seen: `go build ${build.package} in ${build.module} ended with exit code ${result.exitCode}`,
    wanted: "Go modules from the host's GOPROXY, and about 6 GiB of disk for Go's caches",
    next: "go env GOPROXY",
    detail: tail(result.stderr || result.stdout),
  });
}

/** Go on PATH, else Debian's, which fetches the release that go.mod names from GOPROXY by itself. */
async function goProgram(): Promise<string> {
  const found = findProgram("go") ?? findProgram("go", "/usr/local/go/bin:/usr/lib/go/bin");
  if (found) return found;
  const folder = await cached(
    { name: "go", version: "debian-sid", hash: recipeHash([], [DEBIAN_ARCH]) },
    async (path) => {
      const work = join(path, "work");
      mkdirSync(work);
      await unpackPackages("sid", ["golang-1.26-go", "golang-1.26-src"], path, work);
    },
  );
  return join(folder, "usr/lib/go-1.26/bin/go");
}
