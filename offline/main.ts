/**
 * The registry-only fallback as a program: `ensure`, `status`, `stop`, `clean` (see README.md).
 * Progress goes to standard error; standard output is one line of JSON for `ensure`, text for the others.
 */
import { parseArgs } from "node:util";
import { UserError } from "../infra/support/errors";
import { DEFAULT_NEEDS, ensure, NEEDS, type Need } from "./ensure";
import { clean, status } from "./upkeep";
import { stopEngine } from "./docker/engine";
import { createProgress } from "./progress";

const USAGE =
  "node --import tsx offline/main.ts ensure [--need docker,pulumi,images,kindCli,kindImage,kind,helm,registry] [--json] | status | stop | clean";

async function main(argv: string[]): Promise<void> {
  const { positionals, values } = parseArgs({
    args: argv,
    allowPositionals: true,
    strict: false,
    options: { need: { type: "string" }, json: { type: "boolean" } },
  });
  const progress = createProgress();
  const print = (line: string) => {
    process.stdout.write(`${line}\n`);
  };
  switch (positionals[0]) {
    case "ensure":
      print(JSON.stringify(await ensure(readNeeds(values["need"]), progress)));
      return;
    case "status":
      for (const line of await status()) print(line);
      return;
    case "stop":
      print(await stopEngine());
      return;
    case "clean":
      await clean(print);
      return;
    default:
      throw new UserError("E_USAGE", {
        seen: argv.join(" ") || "no command",
        wanted: "ensure, status, stop or clean",
        next: USAGE,
      });
  }
}

function readNeeds(value: string | boolean | undefined): Need[] {
  if (typeof value !== "string") return [...DEFAULT_NEEDS];
  // The word for both, because a registry-only host has neither.
  const names = value
    .split(",")
    .filter((name) => name !== "")
    .flatMap((name) => (name === "kind" ? ["kindCli", "kindImage"] : [name]));
  const unknown = names.filter((name) => !NEEDS.some((need) => need === name));
  if (unknown.length > 0)
    throw new UserError("E_USAGE", {
      seen: `--need ${unknown.join(",")}`,
      wanted: `${NEEDS.join(", ")}, kind`,
      next: USAGE,
    });
  return NEEDS.filter((need) => names.includes(need));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(
    `${error instanceof UserError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exitCode = 1;
});
