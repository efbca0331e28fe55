import { UserError } from "./errors";
import { pasteable, tail } from "./exec";

/** How a `docker` command ended. */
export interface DockerResult {
  exitCode: number;
  stderr: string;
}

/** Docker's words for a thing that does not exist, in its command line's and its daemon's versions. */
const ABSENT =
  /^Error(?: response from daemon)?: (?:.*\bno such (?:container|network|volume|image|object)\b|network .* not found$)/i;
/** Lines that say nothing of the outcome: warnings about the client's files, and an exit code in words. */
const ASIDE = /^(?:WARNING: |exit status \d+$)/;
const UNREACHABLE = /Cannot connect to the Docker daemon|failed to connect to the docker API|error during connect/i;

/**
 * Returns whether a failed `docker` command only says that something does not exist. False if Docker itself failed: a
 * daemon that is busy, restarts or refuses the user knows nothing of what exists.
 */
export function saysAbsent(stderr: string): boolean {
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !ASIDE.test(line));
  return lines.length > 0 && lines.every((line) => ABSENT.test(line));
}

/**
 * Makes sure that Docker answered, be it that something does not exist.
 * @throws UserError E_DOCKER_MISSING if no daemon answers, E_COMMAND for every other failure
 */
export function requireAnswer(argv: readonly string[], { exitCode, stderr }: DockerResult): void {
  if (exitCode === 0 || saysAbsent(stderr)) return;
  if (UNREACHABLE.test(stderr)) {
    throw new UserError("E_DOCKER_MISSING", {
      seen: tail(stderr, 1),
      wanted: "a Docker daemon that answers",
      next: "docker info",
    });
  }
  throw new UserError("E_COMMAND", {
    seen: `exit code ${exitCode}`,
    wanted: "exit code 0, or that there is no such thing",
    next: pasteable(argv),
    detail: tail(stderr),
  });
}

/** Returns whether an error says that this host has no Docker, or none that runs: no container of it runs either. */
export function isWithoutDocker(error: unknown): boolean {
  return error instanceof UserError && (error.code === "E_DOCKER_MISSING" || error.code === "E_TOOL_MISSING");
}
