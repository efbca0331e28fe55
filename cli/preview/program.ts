import type { Command } from "commander";

/** How each subcommand ends: with its exit code. */
type End = (work: Promise<number>) => Promise<void>;

const FROM = [
  "--from <stack>",
  "look in the cluster of this stack too; may be given several times",
  (stack: string, before: string[]) => [...before, stack],
  [] as string[],
] as const;
const JSON_FLAG = ["--json", "print JSON", false] as const;

/** Adds the subcommands of `npm run preview`. Each is loaded when it is called. */
export function previewCommands(preview: Command, end: End): void {
  const load = () => import("../commands/preview");
  const sub = (spec: string, description: string) =>
    preview
      .command(spec)
      .description(description)
      .configureHelp({ commandUsage: (command) => `npm run preview -- ${command.name()} ${command.usage()}` });

  sub("up <name>", "bring a preview up, or up to date")
    .option(
      "--ttl <time>",
      "how long it may live: 90s, 30m, 4h, 2d, at most 30d (default: what it has; 24h for a new one)",
    )
    .option("--idle <time>", "how long it may live without being used (default: what it has; for ever for a new one)")
    .option("--ref <commit>", "build the images from this commit, branch or tag (default: the checkout as it lies)")
    .option(
      "--from <stack>",
      "whose cluster and configuration it gets (default: what it has; the only stack that is up for a new one)",
    )
    .option(...JSON_FLAG)
    .action((name: string, options: Parameters<typeof import("../commands/preview").upCommand>[1]) =>
      end(load().then(({ upCommand }) => upCommand(name, options))),
    );
  sub("list", "list previews, those of other checkouts too")
    .option(...FROM)
    .option(...JSON_FLAG)
    .action((options: { from: string[]; json: boolean }) =>
      end(load().then(({ listCommand }) => listCommand(options))),
    );
  sub("status <name>", "say what is up, what it takes and when it ends")
    .option(...FROM)
    .option(...JSON_FLAG)
    .action((name: string, options: { from: string[]; json: boolean }) =>
      end(load().then(({ statusCommand }) => statusCommand(name, options))),
    );
  sub("open <name>", "hold a port-forward to its Bay open, until Ctrl-C")
    .option(...FROM)
    .action((name: string, options: { from: string[] }) =>
      end(load().then(({ openCommand }) => openCommand(name, options))),
    );
  sub("key <name>", "print the key of its Bay")
    .option(...FROM)
    .action((name: string, options: { from: string[] }) =>
      end(load().then(({ keyCommand }) => keyCommand(name, options))),
    );
  sub("test <name>", "run the smoke tests against it, or others")
    .option("-k <expression>", "tests whose full name or file has these words")
    .option("-m <markers>", "tests with these markers")
    .option("--all", "all E2E tests", false)
    .option("-v, --verbose", "name each test as it ends", false)
    .action((name: string, options: { k?: string; m?: string; all: boolean; verbose: boolean }) =>
      end(import("./run-tests").then(({ testPreview }) => testPreview(name, options))),
    );
  sub("summary <name>", "write what a pull request should say of it, as Markdown")
    .option("--into <file>", "put it in the place of the one before in this file")
    .option("--pull-request <number>", "make or update the comment, by the forge's CLI gh")
    .option("--gone", "say that it was removed", false)
    .option(...FROM)
    .action((name: string, options: { from: string[]; into?: string; pullRequest?: string; gone: boolean }) =>
      end(load().then(({ summaryCommand }) => summaryCommand(name, options))),
    );
  sub("extend <name>", "give it its time once more, from now")
    .option("--ttl <time>", "this much instead")
    .action((name: string, options: { ttl?: string }) =>
      end(load().then(({ extendCommand }) => extendCommand(name, options))),
    );
  sub("keep <name>", "let only `down` remove it").action((name: string) =>
    end(load().then(({ keepCommand }) => keepCommand(name))),
  );
  sub("down <name>", "remove it, and prove that nothing is left")
    .option("--cluster-gone", "its cluster is gone for good: forget what was in it", false)
    .option(...FROM)
    .action((name: string, options: { from: string[]; clusterGone: boolean }) =>
      end(load().then(({ downCommand }) => downCommand(name, options))),
    );
  sub("gc", "remove what is expired, idle, of a closed pull request, or half there; shows it first")
    .option("--dry-run", "show, and remove nothing; the default where CI is not set", false)
    .option("--yes", "remove", false)
    .option("--open-file <file>", "numbers of the open pull requests: a preview pr-N of any other goes")
    .option("--open-command <command>", "the same, printed by a command")
    .option("--pull-requests", "the same, by the forge's CLI gh", false)
    .option(...FROM)
    .option(...JSON_FLAG)
    .action((options: Parameters<typeof import("../commands/preview").gcCommand>[0]) =>
      end(load().then(({ gcCommand }) => gcCommand(options))),
    );
}
