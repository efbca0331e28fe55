import { execFileSync, spawnSync } from "node:child_process";
import { ROOT } from "../lifecycle/host";

/** A `pulumi` that works as in a shell of the user's, after `eval "$(npm run -s env)"`. */
export class Pulumi {
  /** @param cwd folder of the project; default this checkout's */
  constructor(
    readonly env: NodeJS.ProcessEnv,
    private readonly cwd = ROOT,
  ) {}

  /** The one of a stack of this checkout. */
  static of(stack: string): Pulumi {
    const text = execFileSync(
      "bash",
      ["-c", 'variables=$(npm run -s env -- --stack "$0") && eval "$variables" && env -0', stack],
      { cwd: ROOT, encoding: "utf8", env: { ...process.env, CI: "true" } },
    );
    return new Pulumi(
      Object.fromEntries(
        text
          .split("\0")
          .filter(Boolean)
          .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      ),
    );
  }

  /** The same tools with another state backend, and in another project's folder where one is given. */
  withBackend(folder: string, cwd = this.cwd): Pulumi {
    return new Pulumi({ ...this.env, PULUMI_BACKEND_URL: `file://${folder}` }, cwd);
  }

  /** Runs a command that must succeed. @returns what it printed @throws Error with all that it printed */
  run(...argv: string[]): string {
    return this.feed(undefined, ...argv);
  }

  /** The same with text on standard input. */
  feed(input: string | undefined, ...argv: string[]): string {
    const { status, stdout, stderr, error } = spawnSync("pulumi", [...argv, "--non-interactive"], {
      cwd: this.cwd,
      env: this.env,
      encoding: "utf8",
      input,
      maxBuffer: 64 << 20,
    });
    if (status === 0) return stdout;
    throw new Error(`pulumi ${argv.join(" ")} ended with ${status ?? error?.message}:\n${stdout}\n${stderr}`);
  }

  /** What an `up` would do now: each step that is not `same`, by its kind and the name of its resource, sorted. */
  plan(stack: string): string[] {
    const { steps } = JSON.parse(this.run("preview", "--json", "--stack", stack)) as {
      steps: { op: string; urn: string }[];
    };
    return [
      ...new Set(
        steps
          .filter(({ op }) => op !== "same")
          .map(
            ({ op, urn }) => `${op.replace(/^(create|delete)-replace(ment|d)$/, "replace")} ${urn.split("::").at(-1)}`,
          ),
      ),
    ].sort();
  }
}
