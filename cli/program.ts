import { Command } from "commander";

export const STACK = [
  "--stack <name>",
  "stack to use; default: the one that is up, else what `npm run detect` finds",
] as const;

export const BACKEND = [
  "--backend <name>",
  "kind, docker-desktop, existing or k3s; alone it is the stack of that name",
] as const;

/** The runner's command line; main.ts adds the commands. */
export const program = new Command("npm run")
  .description("Brings up a Kubernetes backend with Bay on it, tests it end to end, and leaves nothing behind.")
  .usage("<command> -- [options]")
  .exitOverride()
  .showSuggestionAfterError()
  .configureHelp({
    sortSubcommands: false,
    subcommandTerm: (sub) => `${sub.name()}${sub.alias() ? ` | ${sub.alias()}` : ""}`,
  })
  // usage.ts tells errors in the form that all others have.
  .configureOutput({ outputError: () => undefined })
  .addHelpText(
    "after",
    `
Options come after --, or npm takes them for its own. Each command has more: npm run e2e -- --help

Examples:
  npm run e2e                          the main job: set-up, up, tests, destroy, summary
  npm run e2e -- --keep-on-failure     leave the stack up when something fails
  npm run up && npm test               bring the stack up and test it as often as you like
  npm run down                         remove it
  eval "$(npm run -s env)"             make \`pulumi\` work in this shell`,
  );

/**
 * Adds a command, which inherits what is set for the program.
 * @param spec name and words, as commander has them
 * @param examples each an example's words after the command, and what it is good for; words that begin with `>` go to
 *   the shell
 */
export function command(
  spec: string,
  description: string,
  examples: readonly (readonly [words: string, comment: string])[],
): Command {
  const added = program.command(spec).description(description);
  const call = callOf(added.name());
  const lines = examples.map(
    ([words, comment]) =>
      [
        words === ""
          ? call
          : words.startsWith(">")
            ? `${call.replace("run ", "run -s ")} ${words}`
            : `${call} -- ${words}`,
        comment,
      ] as const,
  );
  const width = Math.max(...lines.map(([line]) => line.length));
  return added
    .usage(`-- [options]${spec.includes("[jest...]") ? " [-- words for Jest]" : ""}`)
    .addHelpText(
      "after",
      `\nExamples:\n${lines.map(([line, comment]) => `  ${line.padEnd(width)}   ${comment}`.trimEnd()).join("\n")}`,
    );
}

/** How a user calls a command: `npm test`, `npm run up`. */
export function callOf(name: string): string {
  return name === "test" ? "npm test" : `npm run ${name}`;
}
