import { Command, CommanderError } from "commander";
import { ERROR_CODES, UserError } from "../infra/support/errors";
import { bench } from "./commands/bench";
import { e2e, type E2eOptions } from "./commands/e2e";
import { downCommand, kubeconfigCommand, statusCommand, upCommand } from "./commands/stack";
import { test } from "./commands/test";
import { cleanCommand, envCommand, setupCommand } from "./commands/tools";

const STACK = ["--stack <name>", "stack to use", "k3s"] as const;

const program = new Command("npm run")
  .description("Brings up a Kubernetes backend with Bay on it, tests it end to end, and leaves nothing behind.")
  .exitOverride().showSuggestionAfterError().configureHelp({ sortSubcommands: false })
  .addHelpText("after", `
Examples:
  npm run e2e                          the main job: set-up, up, tests, destroy, summary
  npm run e2e -- --keep-on-failure     leave the stack up when something fails
  npm run e2e -- -- -t "wakes"         words after a second -- go to Jest
  npm run up && npm test               bring the stack up and test it as often as you like
  npm run down                         remove it
  eval "$(npm run -s env)"             make \`pulumi\` work in this shell`);

program.command("e2e [jest...]").description("set up what is missing, bring the stack up, test it, destroy it")
  .option(...STACK).option("--keep", "leave the stack up", false).option("--keep-on-failure", "leave the stack up when something fails", false)
  .action((jest: string[], options: E2eOptions) => end(e2e(options, jest)));
program.command("test [jest...]").description("run the unit tests, and E2E when the stack is up").option(...STACK)
  .action((jest: string[], options: { stack: string }) => end(test(options, jest)));
program.command("up").description("bring the stack up and leave it up").option(...STACK).action((options: { stack: string }) => end(upCommand(options)));
program.command("down").alias("destroy").description("destroy the stack and prove that nothing is left").option(...STACK).action((options: { stack: string }) => end(downCommand(options)));
program.command("status").description("say whether the stack is up and what of it is on this host").option(...STACK).action((options: { stack: string }) => end(statusCommand(options)));
program.command("kubeconfig").description("print the stack's kubeconfig").option(...STACK).action((options: { stack: string }) => end(kubeconfigCommand(options)));
program.command("setup").description("find or make the tools").option("--again", "try the official ones once more", false).action((options: { again: boolean }) => end(setupCommand(options)));
program.command("env").description("print the environment that makes pulumi work in your shell").option(...STACK).action((options: { stack: string }) => end(envCommand(options)));
program.command("bench").description("time the main job, phase by phase").option(...STACK).option("--rounds <n>", "how often", Number, 3).action((options: { stack: string; rounds: number }) => end(bench(options)));
program.command("clean").description("remove images and tools that stay between runs").action(() => end(cleanCommand()));

program.parseAsync().catch((error: unknown) => { process.exitCode = fail(error); });

async function end(work: Promise<number>): Promise<void> {
  process.exitCode = await work;
}

/** Exit code 2 is the user's to act on, 1 is a failure or a bug. */
function fail(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    process.stderr.write(`E_USAGE: ${ERROR_CODES.E_USAGE}; see npm run help\n`);
    return 2;
  }
  process.stderr.write(`${error instanceof UserError ? error.message : String((error as Error).stack ?? error)}\n`);
  return error instanceof UserError ? 2 : 1;
}
