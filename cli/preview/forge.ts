import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../../infra/support/errors";
import { tail, tryRun } from "../../infra/support/exec";

/** Where the list of open pull requests comes from; at most one of them. */
export interface OpenSource {
  /** A file with numbers of pull requests, or names of previews, between blanks, commas or line ends. */
  openFile?: string;
  /** A command that prints such a list. */
  openCommand?: string;
  /** Whether the forge's CLI, `gh`, is asked. */
  pullRequests: boolean;
}

/**
 * How many open pull requests are asked for; one beyond them would count as closed, so that reaching it is an error.
 */
const MOST = 1000;

/**
 * Numbers of open pull requests, and names of previews that are to stay; nothing where no source was named.
 * @throws UserError E_USAGE for two sources, E_FORGE where the list cannot be had: an empty one would remove all
 */
export async function openOnes({
  openFile,
  openCommand,
  pullRequests,
}: OpenSource): Promise<ReadonlySet<string> | undefined> {
  const named = [
    openFile !== undefined && "--open-file",
    openCommand !== undefined && "--open-command",
    pullRequests && "--pull-requests",
  ].filter(Boolean);
  if (named.length > 1)
    throw new UserError("E_USAGE", {
      seen: named.join(" and "),
      wanted: "one list of open pull requests",
      next: `npm run preview -- gc ${String(named[0])}`,
    });
  if (openFile !== undefined) return wordsOf(readList(openFile));
  if (openCommand !== undefined) return wordsOf(await printed(["sh", "-c", openCommand], "--open-command"));
  if (!pullRequests) return undefined;
  const list = JSON.parse(await gh(["pr", "list", "--state", "open", "--limit", String(MOST), "--json", "number"])) as {
    number: number;
  }[];
  if (list.length >= MOST)
    throw new UserError("E_FORGE", {
      seen: `${list.length} open pull requests, as many as are asked for at most`,
      wanted: "the whole list",
      next: "npm run preview -- gc --open-file FILE",
    });
  return new Set(list.map(({ number }) => String(number)));
}

/** Runs the forge's CLI. @throws UserError E_FORGE */
export function gh(words: readonly string[], input?: string): Promise<string> {
  return printed(["gh", ...words], "gh", input);
}

function wordsOf(text: string): Set<string> {
  return new Set(
    text
      .split(/[\s,]+/)
      .map((word) => word.replace(/^#(?=\d+$)/, ""))
      .filter(Boolean),
  );
}

function readList(file: string): string {
  try {
    return readFileSync(resolve(process.env["INIT_CWD"] ?? process.cwd(), file), "utf8");
  } catch (cause) {
    throw new UserError("E_FORGE", {
      seen: `--open-file ${file}: ${(cause as Error).message}`,
      wanted: "a file with the numbers of the open pull requests",
      next: "gh pr list --state open --json number --jq '.[].number' > open.txt   (then: --open-file open.txt)",
      cause,
    });
  }
}

async function printed(argv: [string, ...string[]], source: string, input?: string): Promise<string> {
  const next =
    source === "gh"
      ? "gh auth status   (https://cli.github.com; or: --open-file FILE, --open-command COMMAND)"
      : argv.at(-1)!;
  const result = await tryRun(argv, { timeout: 60_000, ...(input === undefined ? {} : { input }) }).catch(
    (error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      throw new UserError("E_FORGE", {
        seen: error.seen,
        wanted: source === "gh" ? "the forge's CLI, logged in" : "a list of open pull requests",
        next,
        cause: error,
      });
    },
  );
  if (result.exitCode === 0) return result.stdout;
  throw new UserError("E_FORGE", {
    seen: `${source} ended with ${result.exitCode}`,
    wanted: "a list, and exit code 0",
    next,
    detail: tail(result.stderr || result.stdout, 10),
  });
}
