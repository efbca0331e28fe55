import { writeFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { configValues, KEYS_OF_BACKENDS, SECRET_KEYS } from "../infra/config";
import { BACKENDS } from "../infra/outputs";
import { ROOT } from "./paths";

/** The page that `npm run docs` writes; a test compares it with what is generated. */
export const CONFIGURATION_PAGE = join(ROOT, "docs", "configuration.md");

interface Described {
  type: string;
  description: string;
  default: unknown;
}
type Values = ReturnType<typeof configValues>[string];

const HEAD = `# Configuration

<!-- Made by \`npm run docs\` from Pulumi.yaml and infra/config.ts; a test compares. Change those, not this page. -->

A stack's configuration is \`stacks/Pulumi.STACK.yaml\`, or what \`pulumi config set KEY VALUE --stack STACK\` writes there:

\`\`\`
pulumi config set bayImage registry.example/bay:1.2 --stack k3s
pulumi config set apiKey --secret --stack k3s                     # asks for the value, and keeps it encrypted
pulumi config set --path 'imageSubstitutes["node:24"]' mirror.example/node:24 --stack k3s
\`\`\`

\`npm run up -- --stack mine --backend k3s\` makes a stack of your own with its file. What is wrong with a configuration is
listed whole, a key that does not exist with the nearest one that does (\`E_CONFIG\`); \`npm run doctor -- --stack STACK\` lists
the same without bringing anything up. In the table "this file" is \`Pulumi.yaml\`,
from whose folder relative paths start.

`;

/** The reference of all keys, as Markdown. */
export function configurationPage(): string {
  const described = (parse(readFileSync(join(ROOT, "Pulumi.yaml"), "utf8")) as { config: Record<string, Described> })
    .config;
  const values = configValues();
  const rows = Object.entries(described).map(
    ([key, entry]) =>
      `| ${[`\`${key}\``, takes(entry, values[key] ?? {}), shownDefault(entry.default), backendsOf(key), entry.description + secretNote(key)].map(cell).join(" | ")} |`,
  );
  return `${HEAD}| key | takes | default | backends | what it is |\n| --- | --- | --- | --- | --- |\n${rows.join("\n")}\n`;
}

/** The type, and where there are few values, or a least and a greatest, these. */
function takes({ type }: Described, values: Values): string {
  const branches = [values, ...(values.anyOf ?? [])] as Values[];
  const choices = branches
    .flatMap((branch) => branch.enum ?? (branch.const === undefined ? [] : [branch.const]))
    .filter((value) => value !== "");
  const range = branches.find(({ minimum, maximum }) => minimum !== undefined && maximum !== undefined);
  // A default beside a range, such as 0 for a free port, is no choice of its own: its description says what it does.
  if (range)
    return `${type}, ${choices.map((value) => `${JSON.stringify(value)} or `).join("")}${range.minimum} to ${range.maximum}`;
  if (branches.some((branch) => branch.type === "boolean")) choices.unshift(true, false);
  return choices.length > 0 ? choices.map((value) => `\`${String(value)}\``).join(", ") : type;
}

function shownDefault(value: unknown): string {
  return value === "" ? "" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function backendsOf(key: string): string {
  const some = KEYS_OF_BACKENDS[key] ?? BACKENDS;
  return some.length === BACKENDS.length ? "all" : some.join(", ");
}

function secretNote(key: string): string {
  return SECRET_KEYS.includes(key) ? " Never shown. In clear in a file that git has, `up` refuses it." : "";
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (require.main === module) writeFileSync(CONFIGURATION_PAGE, configurationPage());
