import { UserError } from "../infra/support/errors";
import { usageErrorOf, refuseSwallowedFlags } from "./usage";
import { command, program, STACK, type StackOption } from "./program";
import type { E2eOptions } from "./commands/e2e";

// One place a command: its words, its options, examples, and what it calls. Each is loaded when it is called: Pulumi's
// Automation API alone takes half a second.

command("e2e [jest...]", "set up what is missing, bring the stack up, test it, destroy it", [
  ["", "the whole job"],
  ["--keep-on-failure", "leave the stack up when something fails"],
  [`-- -t "wakes"`, "words after a second -- go to Jest"],
]).option(...STACK).option("--keep", "leave the stack up", false).option("--keep-on-failure", "leave the stack up when something fails", false)
  .action((jest: string[], options: E2eOptions) => end(import("./commands/e2e").then(({ e2e }) => e2e(options, jest))));

command("test [jest...]", "run the unit tests, and E2E when the stack is up", [
  ["", "all that can run now"],
  [`-- -t "wakes"`, "words after a second -- go to Jest"],
]).option(...STACK)
  .action((jest: string[], options: StackOption) => end(import("./commands/test").then(({ test }) => test(options, jest))));

command("up", "bring the stack up and leave it up", [["", "then: npm test, npm run down"]]).option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ upCommand }) => upCommand(options))));

command("down", "destroy the stack and prove that nothing is left", [["", "also after a run that was killed"]]).alias("destroy").option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ downCommand }) => downCommand(options))));

command("status", "say whether the stack is up and what of it is on this host", [["", ""]]).option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ statusCommand }) => statusCommand(options))));

command("kubeconfig", "print the stack's kubeconfig", [["> kc.yaml", "for kubectl --kubeconfig kc.yaml"]]).option(...STACK)
  .action((options: StackOption) => end(import("./commands/stack").then(({ kubeconfigCommand }) => kubeconfigCommand(options))));

command("setup", "find or make the tools", [["--again", "try the official ones once more"]]).option("--again", "try the official ones once more", false)
  .action((options: { again: boolean }) => end(import("./commands/tools").then(({ setupCommand }) => setupCommand(options))));

command("env", "print the environment that makes pulumi work in your shell", [["", `eval "$(npm run -s env)"`]]).option(...STACK)
  .action((options: StackOption) => end(import("./commands/tools").then(({ envCommand }) => envCommand(options))));

command("bench", "time the main job, phase by phase", [["--rounds 5", "minimum, median and maximum of five"]]).option(...STACK).option("--rounds <n>", "how often", Number, 3)
  .action((options: StackOption & { rounds: number }) => end(import("./commands/bench").then(({ bench }) => bench(options))));

command("clean", "remove images and tools that stay between runs", [["", ""]])
  .action(() => end(import("./commands/tools").then(({ cleanCommand }) => cleanCommand())));

// Nobody may be there to read any more; what is under way goes on to its clean-up.
for (const stream of [process.stdout, process.stderr]) stream.on("error", (error: NodeJS.ErrnoException) => { if (error.code !== "EPIPE") throw error; });
// The channel to start.mjs tells only that it is gone; commands that must know listen (interrupt.ts).
process.channel?.unref();
Promise.resolve().then(() => { refuseSwallowedFlags(program); }).then(() => program.parseAsync()).catch((error: unknown) => { process.exitCode = fail(error); });

async function end(work: Promise<number>): Promise<void> {
  process.exitCode = await work;
}

/** Exit code 2 is the user's to act on, 1 is a failure or a bug. */
function fail(thrown: unknown): number {
  const error = usageErrorOf(thrown, process.argv.slice(2));
  if (error === undefined) return 0;
  process.stderr.write(`${error instanceof UserError ? error.message : String((error as Error).stack ?? error)}\n`);
  return error instanceof UserError ? 2 : 1;
}
