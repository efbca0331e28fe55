import { Command, CommanderError } from "commander";
import { ERROR_CODES, UserError } from "../infra/support/errors";
import type { E2eOptions } from "./commands/e2e";

interface StackOption { stack: string }

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

// Each command is loaded when it is called: Pulumi's Automation API alone takes half a second.
program.command("e2e [jest...]").description("set up what is missing, bring the stack up, test it, destroy it")
  .option(...STACK).option("--keep", "leave the stack up", false).option("--keep-on-failure", "leave the stack up when something fails", false)
  .action((jest: string[], options: E2eOptions) => end(import("./commands/e2e").then(({ e2e }) => e2e(options, jest))));
program.command("test [jest...]").description("run the unit tests, and E2E when the stack is up").option(...STACK)
  .action((jest: string[], options: StackOption) => end(import("./commands/test").then(({ test }) => test(options, jest))));
program.command("up").description("bring the stack up and leave it up").option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ upCommand }) => upCommand(options))));
program.command("down").alias("destroy").description("destroy the stack and prove that nothing is left").option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ downCommand }) => downCommand(options))));
program.command("status").description("say whether the stack is up and what of it is on this host").option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ statusCommand }) => statusCommand(options))));
program.command("kubeconfig").description("print the stack's kubeconfig").option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ kubeconfigCommand }) => kubeconfigCommand(options))));
program.command("setup").description("find or make the tools").option("--again", "try the official ones once more", false)
  .action((options: { again: boolean }) => end(import("./commands/tools").then(({ setupCommand }) => setupCommand(options))));
program.command("env").description("print the environment that makes pulumi work in your shell").option(...STACK)
  .action((options: StackOption) => end(import("./commands/tools").then(({ envCommand }) => envCommand(options))));
program.command("bench").description("time the main job, phase by phase").option(...STACK).option("--rounds <n>", "how often", Number, 3)
  .action((options: StackOption & { rounds: number }) => end(import("./commands/bench").then(({ bench }) => bench(options))));
program.command("clean").description("remove images and tools that stay between runs")
  .action(() => end(import("./commands/tools").then(({ cleanCommand }) => cleanCommand())));

// Nobody may be there to read any more; what is under way goes on to its clean-up.
for (const stream of [process.stdout, process.stderr]) stream.on("error", (error: NodeJS.ErrnoException) => { if (error.code !== "EPIPE") throw error; });
// The channel to start.mjs tells only that it is gone; commands that must know listen (interrupt.ts).
process.channel?.unref();
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
