import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { cacheFolder } from "../../cli/tools/cache";

const REQUIREMENTS = path.join(__dirname, "requirements.txt");
/** Longest time for the installation, from a registry of packages. */
const INSTALL_MS = 180_000;

/** What is fuzzed, and how. */
export interface Target {
  url: string;
  key: string;
  /** Lists of all that the service makes, to be compared after each call that is refused. */
  lists: string[];
  /** Paths that are left out, as a regular expression. */
  leftOut?: string;
  /** Failures that the contract answers with 500, as a regular expression. */
  byContract?: string;
  seed: number;
  /** Longest time for generated calls, in seconds. */
  seconds: number;
}

/** The answer of schemathesis. */
export interface Fuzzed {
  code: number | undefined;
  report: string;
}

/**
 * Installs schemathesis by its pinned requirements into the per-user cache, once, and gives its program.
 * @throws Error with pip's last lines; python3 with its module venv is needed
 */
export async function installSchemathesis(): Promise<string> {
  const digest = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  const folder = path.join(cacheFolder(), "python", `schemathesis-${digest}`);
  const program = (of: string): string => path.join(of, "bin/schemathesis");
  if (existsSync(program(folder))) return program(folder);
  mkdirSync(path.dirname(folder), { recursive: true });
  // An installation that was broken off has no program yet: it is the last that is installed.
  rmSync(folder, { recursive: true, force: true });
  await execa("python3", ["-m", "venv", folder], { timeout: INSTALL_MS });
  await execa(
    path.join(folder, "bin/pip"),
    [
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--require-hashes",
      "--only-binary=:all:",
      "--requirement",
      REQUIREMENTS,
    ],
    { timeout: INSTALL_MS },
  );
  return program(folder);
}

/** Sends generated calls to a service: each answer must be no 5xx, and a refused call must have made nothing. */
export async function fuzz(
  program: string,
  { url, key, lists, leftOut, byContract = "", seed, seconds }: Target,
): Promise<Fuzzed> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "fuzz-"));
  try {
    const { exitCode, stdout, stderr } = await execa(
      program,
      [
        "run",
        `${url}/openapi.json`,
        "--header",
        `Authorization: Bearer ${key}`,
        "--checks",
        "no_server_error,nothing_made",
        "--seed",
        String(seed),
        "--max-time",
        String(seconds),
        "--max-examples",
        "6",
        "--workers",
        "1",
        "--no-color",
        "--continue-on-failure",
        "--no-shrink",
        "--warnings",
        "off",
        "--request-timeout",
        "30",
        "--generation-database",
        "none",
        "--suppress-health-check",
        "all",
        ...(leftOut === undefined ? [] : ["--exclude-path-regex", leftOut]),
      ],
      {
        cwd: folder,
        reject: false,
        timeout: (seconds + 90) * 1000,
        env: {
          PATH: process.env["PATH"],
          HOME: folder,
          SCHEMATHESIS_HOOKS: "nothing_made",
          PYTHONPATH: __dirname,
          PYTHONDONTWRITEBYTECODE: "1",
          FUZZ_LISTS: lists.join(" "),
          FUZZ_KEY: key,
          FUZZ_BY_CONTRACT: byContract,
        },
        extendEnv: false,
      },
    );
    return { code: exitCode, report: `${stdout}\n${stderr}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
