import { UserError } from "../infra/support/errors";
import { exitCodeOf, interruption } from "./interrupt";
import { usageErrorOf, refuseSwallowedFlags } from "./usage";
import type { Purpose, Wish } from "./stack/choose";
import { BACKEND, command, program, STACK } from "./program";
import { previewCommands } from "./preview/program";
import { type E2eOptions, testOptions, type TestOptions } from "./testing/test-options";
import type { CleanOptions } from "./commands/cache";
import type { CheckpointsOptions } from "./commands/checkpoints";
import type { LogsOptions } from "./commands/logs";

// One place a command: its words, its options, examples, and what it calls. Each is loaded when it is called: Pulumi's
// Automation API alone takes half a second.

testOptions(
  command("e2e [jest...]", "set up what is missing, bring the stack up, test it, destroy it", [
    ["", "the whole job"],
    [`-k "stop and not TTL"`, "only tests whose name or file has these words"],
    ["-m core --keep", "one group of tests, and leave the stack up"],
    ["--suite checkpoint", "checkpoint and restore of pods, instead of Bay"],
    ["--suite checkpoint --in-container", "the same from inside a container, beside other such runs"],
    ["--repeat 20 --seed 7", "twenty rounds in random order; the same seeds again"],
    ["-- --bail", "words after a second -- go to Jest"],
  ]),
)
  .option("--keep", "leave the stack up", false)
  .option("--keep-on-failure", "leave the stack up when something fails", false)
  .option(
    "--in-container",
    "do all of it from inside a container with every tool in it, on a stack of its own; tests get 10 minutes unless --limit says more",
    false,
  )
  .action((jest: string[], options: Wish & Omit<E2eOptions, "stack">) =>
    end(
      options.list
        ? list("e2e", options, jest)
        : on(options, "make", async (chosen) => (await import("./commands/e2e")).e2e(chosen, jest)),
    ),
  );

testOptions(
  command("test [jest...]", "run the unit tests, and E2E when the stack is up", [
    ["", "all that can run now"],
    ["--list -m serial", "what a selection selects, without running it"],
    ["-k files -v", "only tests of the word files, each named as it ends"],
    ["--suite checkpoint", "checkpoints of the running stack; with CEDANA_AUTH_TOKEN and no --stack, of CEDANA_URL"],
    [`-- -t "wakes"`, "words after a second -- go to Jest"],
  ]),
).action((jest: string[], options: TestOptions) =>
  end(options.list ? list("test", options, jest) : import("./commands/test").then(({ test }) => test(options, jest))),
);

command("up", "bring the stack up and leave it up", [
  ["", "then: npm test, npm run down"],
  ["--refresh", "and put back what was changed by hand (npm run drift)"],
])
  .option(...STACK)
  .option(...BACKEND)
  .option("--refresh", "look at what is really there first, and put back what was changed by hand", false)
  .action((options: Wish & { refresh: boolean }) =>
    end(on(options, "make", async (chosen) => (await import("./commands/stack")).upCommand(chosen))),
  );

command("down", "destroy the stack and prove that nothing is left", [
  ["", "also after a run that was killed"],
  ["--cluster-gone", "the cluster itself is gone for good: forget what was in it"],
])
  .alias("destroy")
  .option(...STACK)
  .option(...BACKEND)
  .option("--cluster-gone", "forget what was in a cluster that does not answer any more", false)
  .action((options: Wish & { clusterGone: boolean }) =>
    end(
      on(options, "remove", async (chosen) =>
        (await import("./commands/stack")).downCommand({ ...chosen, clusterGone: options.clusterGone }),
      ),
    ),
  );

command("status", "list the stacks of this checkout, and what is known of one", [
  ["", "all stacks, and the one that is up"],
  ["--stack k3s", "all stacks, and that one"],
])
  .option(...STACK)
  .option(...BACKEND)
  .action((options: Wish) => end(import("./commands/status").then(({ statusCommand }) => statusCommand(options))));

command("drift", "say what was changed by hand since the last up; exit code 3 when something was", [
  ["", "of the stack that is up; changes nothing"],
  ["--stack k3s || echo drifted", "in a script"],
])
  .option(...STACK)
  .option(...BACKEND)
  .action((options: Wish) =>
    end(on(options, "look", async (chosen) => (await import("./commands/drift")).driftCommand(chosen))),
  );

command("detect", "say which backend this host has, and why", [
  ["", "the facts and the decision"],
  ["--json", "the same for a program"],
])
  .option("--json", "print JSON", false)
  .action((options: { json: boolean }) =>
    end(import("./commands/detect").then(({ detectCommand }) => detectCommand(options))),
  );

command("doctor", "say what a stack needs of this host, what was found, and how to mend it", [
  ["", "the stack that would be used"],
  ["--backend kind", "what kind needs"],
  ["--json", "the same for a program"],
])
  .option(...STACK)
  .option(...BACKEND)
  .option("--json", "print JSON", false)
  .action((options: Wish & { json: boolean }) =>
    end(import("./commands/doctor").then(({ doctorCommand }) => doctorCommand(options))),
  );

command(
  "logs [what]",
  "print logs of Bay, of sessions, of the propagator, of the node, of a pod by its name, or of all",
  [
    ["", "the last 100 lines of each"],
    ["bay --follow", "Bay's, as they come; Ctrl-C ends it"],
    ["ship --since 10m", "of the sessions, the last ten minutes"],
    ["bay --previous", "of the run before Bay's last restart"],
    ["node --tail 500", "the node's container and its kubelet"],
  ],
)
  .usage("-- [bay|ship|propagator|node|all|<pod>] [options]")
  .option(...STACK)
  .option(...BACKEND)
  .option("-f, --follow", "go on until Ctrl-C", false)
  .option("-p, --previous", "of each container the run before its last restart", false)
  .option("--since <time>", "only what is younger: 90s, 10m, 2h, 1d")
  .option("--tail <lines>", "lines of each from its end", "100")
  .action((what: string | undefined, options: Wish & Omit<LogsOptions, "stack">) =>
    end(on(options, "look", async (chosen) => (await import("./commands/logs")).logs(what ?? "all", chosen))),
  );

command("kubeconfig", "print the stack's kubeconfig, or write it to a file", [
  ["--out kc.yaml", "for kubectl --kubeconfig kc.yaml; only you may read the file"],
  ["> kc.yaml", "the same with the rights of your shell"],
])
  .option(...STACK)
  .option(...BACKEND)
  .option("--out <file>", "file to write, mode 0600; - for standard output", "-")
  .action((options: Wish & { out: string }) =>
    end(on(options, "look", async (chosen) => (await import("./commands/stack")).kubeconfigCommand(chosen))),
  );

command("setup", "find or make the tools", [["--again", "try the official ones once more"]])
  .option("--again", "try the official ones once more", false)
  .option("--backend <name>", "what this backend needs too")
  .action((options: { again: boolean; backend?: string }) =>
    end(import("./commands/tools").then(({ setupCommand }) => setupCommand(options))),
  );

command("env", "print the environment that makes pulumi work in your shell", [["", `eval "$(npm run -s env)"`]])
  .option(...STACK)
  .option(...BACKEND)
  .action((options: Wish) =>
    end(on(options, "make", async (chosen) => (await import("./commands/tools")).envCommand(chosen))),
  );

command(
  "bench",
  "time the main job phase by phase; with --services what clients of Bay wait for, with --checkpoint checkpoints and restores, with --previews previews",
  [
    ["--rounds 5", "minimum, median and maximum of five"],
    ["--services", "calls of the Bay of the stack that is up"],
    [
      "--checkpoint --rounds 5",
      "processes of 10, 100 and 500 MB on the stack that is up, against cold starts of the same",
    ],
    ["--previews", "previews on the cluster of the stack that is up, one by one and ten at once"],
  ],
)
  .option(...STACK)
  .option(...BACKEND)
  .option("--rounds <n>", "how often", Number, 3)
  .option("--services", "the calls of Bay and Ship", false)
  .option("--checkpoint", "checkpoints and restores of pods", false)
  .option("--previews", "previews", false)
  .action((options: Wish & { rounds: number; services: boolean; checkpoint: boolean; previews: boolean }) =>
    end(
      options.previews
        ? on(options, "look", async (chosen) => (await import("./bench/previews")).benchPreviews(chosen))
        : options.services || options.checkpoint
          ? on(options, "look", async ({ stack, rounds }) =>
              options.services
                ? (await import("./bench/services")).benchServices(stack)
                : (await import("./bench/checkpoint")).benchCheckpoint(stack, rounds),
            )
          : on(options, "make", async (chosen) => (await import("./bench/main-job")).bench(chosen)),
    ),
  );

command(
  "checkpoints [action] [ids...]",
  "list checkpoints of pods, remove them, list what was asked of the propagator, or its clusters",
  [
    ["", "checkpoints of the running stack, newest first"],
    ["list --pod web --younger-than 1h", "of pods with web in their names, of the last hour"],
    ["deprecate 0c9f2b6e-1d2a-4c55-8a3f-9b6d7e5f4a21", "remove a checkpoint's files"],
    ["deprecate --older-than 1d --yes", "of all that the filters leave"],
    ["actions --status error", "checkpoints and restores that failed, and why"],
    ["clusters --json", "as the propagator gives it"],
  ],
)
  .usage("-- [list|deprecate|actions|clusters] [ids] [options]")
  .option(...STACK)
  .option("--cluster <id>", "of this cluster")
  .option("--pod <text>", "of pods with this in their names")
  .option("--namespace <name>", "of pods of this namespace")
  .option("--status <state>", "in this state, e.g. ready or error")
  .option("--type <type>", "with actions: checkpoint or restore")
  .option("--older-than <time>", "made longer ago: 90s, 10m, 2h, 1d")
  .option("--younger-than <time>", "made since then")
  .option("--removed", "with list: also those whose files were removed", false)
  .option("--yes", "with deprecate: all that the filters leave, without ids", false)
  .option("--json", "print JSON as it came, filtered", false)
  .addHelpText(
    "after",
    "\nThe propagator is that of the running stack; with CEDANA_AUTH_TOKEN set and no --stack it is the one at CEDANA_URL (default https://ci.cedana.ai/v1).",
  )
  .action((action: string | undefined, ids: string[], options: CheckpointsOptions) =>
    end(
      import("./commands/checkpoints").then(({ checkpointsCommand }) =>
        checkpointsCommand(action ?? "list", ids, options),
      ),
    ),
  );

previewCommands(
  command("preview", "environments for a while, one for each pull request for example, on one cluster", [
    ["up pr-123 --ttl 4h", "on the cluster of the stack that is up: npm run up"],
    ["up pr-123 --ref 1a2b3c4 --from existing", "of a commit, on the cluster of a kubeconfig"],
    ["list", "all, also those of other checkouts"],
    ["open pr-123", "the URL of its Bay, until Ctrl-C"],
    ["test pr-123", "smoke tests, in seconds"],
    ["extend pr-123 --ttl 2d", "more time; keep: until it is removed"],
    ["gc --open-file open.txt --yes", "remove what is expired, idle, or of no open pull request"],
    ["down pr-123", "remove one"],
  ]).usage("-- <command> [options]"),
  end,
);

command("sweep", "show what killed runs left, here and in local clusters, and remove it", [
  ["", "show it, and ask on a terminal"],
  ["--yes", "remove it; exit code 0 when nothing is left"],
  ["--stack k3s", "only what is of that stack of this checkout"],
  ["--all --yes", "also stacks of this checkout that are up on purpose"],
  ["--checkout /media/disk/app", "also what this checkout made, which cannot be looked for from here"],
])
  .option("--stack <name>", "only this stack of this checkout")
  .option(
    "--checkout <folder>",
    "also what a checkout made that is on no disk of this host; name it only if it is gone",
  )
  .option("--yes", "remove without asking", false)
  .option("--all", "also what is up on purpose", false)
  .option("--json", "print JSON", false)
  .action((options: { stack?: string; checkout?: string; yes: boolean; all: boolean; json: boolean }) =>
    end(import("./commands/sweep").then(({ sweepCommand }) => sweepCommand(options))),
  );

command("cache [action]", "list what stays between runs, with sizes; with the word clean, remove it", [
  ["", "what stays, what uses it, what removes it"],
  ["clean --images", "the images of Bay and Ship"],
  ["clean --tools", "downloaded and built tools, stand-ins, their Docker daemon"],
  ["clean --all", "both"],
])
  .usage("-- [clean] [options]")
  .option("--images", "with clean: the images that stacks built", false)
  .option("--tools", "with clean: the tools", false)
  .option("--all", "with clean: all of it", false)
  .action((action: string | undefined, options: CleanOptions) =>
    end(import("./commands/cache").then(({ cacheCommand }) => cacheCommand(action, options))),
  );

command("clean", "the same as cache -- clean --all", [["", "what a stack uses stays"]]).action(() =>
  end(
    import("./commands/cache").then(({ cacheCommand }) =>
      cacheCommand("clean", { images: true, tools: true, all: true }),
    ),
  ),
);

// Nobody may be there to read any more; what is under way goes on to its clean-up.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
// The channel to start.mjs tells only that it is gone; commands that must know listen (interrupt.ts).
process.channel?.unref();
Promise.resolve()
  .then(() => {
    refuseSwallowedFlags(program);
  })
  .then(() => program.parseAsync())
  .catch((error: unknown) => {
    process.exitCode = fail(error);
  });

async function end(work: Promise<number>): Promise<void> {
  process.exitCode = await work;
}

async function list(command: "e2e" | "test", options: TestOptions, jest: string[]): Promise<number> {
  return (await import("./commands/test")).listCommand(command, options, jest);
}

/** Calls a command with the stack that its options mean. */
async function on<T extends Wish>(
  options: T,
  purpose: Purpose,
  run: (chosen: T & { stack: string }) => Promise<number>,
): Promise<number> {
  const { chooseStack } = await import("./stack/choose");
  return run({ ...options, stack: await chooseStack(options, purpose) });
}

/** Exit code 2 is the user's to act on, 130 a signal, 1 a failure or a bug. */
function fail(thrown: unknown): number {
  const error = interrupted(usageErrorOf(thrown, process.argv.slice(2)));
  if (error === undefined) return 0;
  process.stderr.write(`${error instanceof UserError ? error.message : String((error as Error).stack ?? error)}\n`);
  if (!(error instanceof UserError)) return 1;
  return error.code === "E_INTERRUPTED" ? exitCodeOf(interruption()?.signal ?? "SIGINT") : 2;
}

/** After a signal it is the signal that ended the command, whatever failed because of it. */
function interrupted<T>(error: T): T | UserError {
  const signal = interruption();
  if (
    signal === undefined ||
    error === undefined ||
    (error instanceof UserError && ["E_INTERRUPTED", "E_DESTROY"].includes(error.code))
  )
    return error;
  const first =
    error instanceof UserError
      ? error.seen.split("\n")[0]!
      : error instanceof Error
        ? error.message.split("\n")[0]!
        : "";
  return new UserError("E_INTERRUPTED", {
    seen: `${signal.signal}${first === "" ? "" : `; what was under way ended with: ${first}`}`,
    wanted: "the command to end by itself",
    next: signal.next,
    cause: error,
  });
}
