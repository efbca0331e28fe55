import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CONFIGURATION_PAGE, configurationPage } from "../../../cli/configuration-page";
import { ROOT } from "../../../cli/paths";
import { CONFIG_KEYS, KEYS_OF_BACKENDS } from "../../../infra/config";

const page = configurationPage();
const row = (key: string) => page.split("\n").find((line) => line.startsWith(`| \`${key}\` |`))!;

describe("docs/configuration.md", () => {
  test("is what npm run docs would write", () => {
    const prettier = join(ROOT, "node_modules/.bin/prettier");
    const formatted = execFileSync(prettier, ["--stdin-filepath", CONFIGURATION_PAGE], {
      input: page,
      encoding: "utf8",
    });
    expect(readFileSync(CONFIGURATION_PAGE, "utf8")).toBe(formatted);
  });

  test.each([
    ["bayPort", "| integer, 1 to 65535 | `8114` | all |"],
    ["k3sApiPort", "| integer, 0 or 1 to 65535 | `0` | k3s |"],
    ["backend", "| `kind`, `docker-desktop`, `existing`, `k3s` |  | all |"],
    ["checkpoint", "| `true`, `false`, `auto` | `auto` | all |"],
    ["kubeContext", "| string |  | existing, docker-desktop |"],
  ])("says of %s: %s", (key, cells) => {
    expect(row(key)).toContain(cells);
  });

  test("names secrets as such", () => {
    expect(row("apiKey")).toContain("Never shown.");
  });
});

// Whole words of a backend's files, so that the table of keys cannot outlive what it tells of.
const sources = new Map(
  readdirSync(join(ROOT, "infra"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && name !== "config.ts")
    .map((name) => [name, readFileSync(join(ROOT, "infra", name), "utf8")]),
);

test.each(Object.keys(KEYS_OF_BACKENDS))("%s is a key, and only backends read it", (key) => {
  expect(CONFIG_KEYS).toContain(key);
  const readers = [...sources]
    .filter(([, text]) => new RegExp(`\\bsettings\\.${key}\\b|[{ ]${key}\\b[^}]*\\}: Settings`).test(text))
    .map(([name]) => name);
  expect(readers.length).toBeGreaterThan(0);
  expect(readers.filter((name) => !name.startsWith("backends/"))).toEqual([]);
});
