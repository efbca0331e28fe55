import { type Command, CommanderError } from "commander";
import { UserError } from "../infra/support/errors";
import { callOf } from "./program";

/**
 * The error to show for what the command line's parser threw: its own become E_USAGE with its suggestion, others stay.
 * @param words the command line
 * @returns nothing where help was asked for, which is no error
 */
export function usageErrorOf(thrown: unknown, words: readonly string[]): unknown {
  if (!(thrown instanceof CommanderError)) return thrown;
  if (thrown.exitCode === 0) return undefined;
  // A command of a command may be the unknown one.
  const unknown = thrown.code === "commander.unknownCommand" && thrown.message.includes(`'${words[0] ?? ""}'`);
  const command = words[0] !== undefined && /^[a-z]/.test(words[0]) && !unknown ? words[0] : undefined;
  const seen =
    thrown.code === "commander.help" ? "no command" : thrown.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " ");
  return command === undefined
    ? new UserError("E_USAGE", { seen, wanted: "a command of this project", next: "npm run help" })
    : new UserError("E_USAGE", {
        seen,
        wanted: `the options of \`${callOf(command)}\``,
        next: `${callOf(command)} -- --help`,
      });
}

/**
 * Refuses a call in which npm took options for its own, as it does with all that stand before `--`. It leaves the long
 * ones in the environment, where they are seen here; of the short ones `-m` alone leaves a trace.
 * @throws UserError E_USAGE with the words in the right order
 */
export function refuseSwallowedFlags(
  program: Command,
  words: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
): void {
  const command = program.commands.find(
    (candidate) => candidate.name() === words[0] || candidate.aliases().includes(words[0] ?? ""),
  );
  if (!command) return;
  const options = [
    ...command.options,
    ...(command.commands.find((candidate) => candidate.name() === words[1])?.options ?? []),
  ];
  const swallowed = options.flatMap(({ long, negate }) => {
    const name = long?.replace(/^--(no-)?/, "") ?? "";
    const value = env[`npm_config_${name.replaceAll("-", "_")}`];
    if (value === undefined || name === "" || negate !== (value === "")) return [];
    return [value === "" || value === "true" ? long! : `${long} ${value}`];
  });
  // npm's -m is its message of a version's commit, in which %s stands for the version.
  const message = env["npm_config_message"];
  if (message !== undefined && !message.includes("%s") && options.some(({ short }) => short === "-m"))
    swallowed.push(`-m "${message}"`);
  if (swallowed.length === 0) return;
  throw new UserError("E_USAGE", {
    seen: `npm took ${swallowed.join(", ")} for its own`,
    wanted: "options after --",
    next: [
      `${callOf(command.name())} --`,
      ...(command.commands.length > 0 ? [...words.slice(1), ...swallowed] : [...swallowed, ...words.slice(1)]),
    ].join(" "),
  });
}
