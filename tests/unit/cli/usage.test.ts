import { Command, CommanderError } from "commander";
import { UserError } from "../../../infra/support/errors";
import { refuseSwallowedFlags, usageErrorOf } from "../../../cli/usage";

/** A command line like the runner's. */
function line(): Command {
  const program = new Command("npm run")
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => undefined, writeErr: () => undefined, writeOut: () => undefined });
  program
    .command("test")
    .option("--no-parallel")
    .option("--parallel")
    .option("--seed <n>")
    .option("-m <markers>")
    .option("--keep-on-failure")
    .action(() => undefined);
  program
    .command("preview")
    .command("up <name>")
    .option("--ttl <time>")
    .action(() => undefined);
  return program;
}

function refusal(words: string[]): unknown {
  try {
    line().parse(words, { from: "user" });
    return undefined;
  } catch (error) {
    return usageErrorOf(error, words);
  }
}

describe("a command line that is not understood", () => {
  test.each([
    [["test", "--sede", "7"], "unknown option '--sede' (Did you mean --seed?)", "npm test -- --help"],
    [["tset"], "unknown command 'tset' (Did you mean test?)", "npm run help"],
    [["preview", "upp"], "unknown command 'upp' (Did you mean up?)", "npm run preview -- --help"],
    [["test", "--seed"], "option '--seed <n>' argument missing", "npm test -- --help"],
  ])("%j names the nearest word and the help", (words, seen, next) => {
    expect(refusal(words)).toMatchObject({ code: "E_USAGE", seen, next });
  });

  test("is no error when help was asked for, and other errors stay as they are", () => {
    expect(refusal(["test", "--help"])).toBeUndefined();
    const other = new UserError("E_CONFIG", { seen: "", wanted: "", next: "" });
    expect(usageErrorOf(other, [])).toBe(other);
    expect(usageErrorOf(new CommanderError(1, "commander.other", "error: odd"), [])).toMatchObject({
      code: "E_USAGE",
      seen: "odd",
    });
  });
});

describe("options before --, which npm takes for its own", () => {
  test.each([
    [{ npm_config_seed: "7" }, [], "npm test -- --seed 7"],
    [{ npm_config_seed: "true" }, ["7"], "npm test -- --seed 7"],
    [{ npm_config_parallel: "" }, [], "npm test -- --no-parallel"],
    [
      { npm_config_keep_on_failure: "true", npm_config_parallel: "true" },
      [],
      "npm test -- --parallel --keep-on-failure",
    ],
    [{ npm_config_message: "not serial" }, [], `npm test -- -m "not serial"`],
  ])("%j are seen in the environment, and the right order is told", (env, words, next) => {
    expect(() => {
      refuseSwallowedFlags(line(), ["test", ...words], env);
    }).toThrow(expect.objectContaining({ code: "E_USAGE", next }) as Error);
  });

  test.each([[{ npm_config_message: "Release %s" }], [{ npm_config_fund: "" }], [{}]])("%j is npm's own", (env) => {
    expect(() => {
      refuseSwallowedFlags(line(), ["test"], env);
    }).not.toThrow();
  });
});
