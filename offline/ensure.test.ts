import { existsSync } from "node:fs";
import { join } from "node:path";
import { tryRun } from "../infra/support/exec";
import { substitutes } from "./images";
import { OFFICIAL_IMAGES, VERSIONS } from "./versions";

jest.setTimeout(120_000);

const main = (...argv: string[]) =>
  tryRun([process.execPath, "--import", "tsx", join(__dirname, "main.ts"), ...argv], { timeout: 3_600_000 });

describe("the command line", () => {
  it.each([
    ["an unknown command", ["nonsense"], "nonsense"],
    ["no command", [], "no command"],
    ["an unknown need", ["ensure", "--need", "pulumi,moon"], "moon"],
  ])("refuses %s and says what it knows", async (_, argv, seen) => {
    const result = await main(...argv);
    expect(result).toMatchObject({ exitCode: 1, stdout: "" });
    expect(result.stderr).toMatch(/^E_USAGE/);
    expect(result.stderr).toContain(seen);
  });

  it("does nothing and prints nothing but JSON when nothing is needed", async () => {
    const result = await main("ensure", "--need", "", "--json");
    expect(JSON.parse(result.stdout)).toMatchObject({ env: {}, notes: [] });
  });
});

const prepared = existsSync(
  join(
    process.env["BAY_E2E_CACHE"] ||
      join(process.env["XDG_CACHE_HOME"] || join(process.env["HOME"] ?? "", ".cache"), "bay-e2e"),
    "pulumi",
    "checkouts",
  ),
);
const suite = prepared ? describe : describe.skip;

suite(
  `the Pulumi CLI that the fallback installs${prepared ? "" : " (skipped: not made on this host; node --import tsx offline/main.ts ensure)"}`,
  () => {
    it("is found in the environment that ensure prints, with its plugins, and is of the pinned version", async () => {
      const { env, notes } = JSON.parse((await main("ensure", "--need", "pulumi", "--json")).stdout) as {
        env: Record<string, string>;
        notes: string[];
      };
      const inIt = {
        PATH: `${env["PATH_PREPEND"]}:${process.env["PATH"]}`,
        PULUMI_HOME: env["PULUMI_HOME"],
        PULUMI_SKIP_UPDATE_CHECK: "true",
      };
      expect((await tryRun(["pulumi", "version"], { env: inIt })).stdout).toBe(`v${VERSIONS.pulumi}`);
      const plugins = JSON.parse((await tryRun(["pulumi", "plugin", "ls", "--json"], { env: inIt })).stdout) as {
        name: string;
        version: string;
      }[];
      expect(Object.fromEntries(plugins.map((plugin) => [plugin.name, plugin.version]))).toEqual(VERSIONS.plugins);
      expect(notes.some((note) => note.includes("Pulumi CLI"))).toBe(true);
    }, 120_000);
  },
);

it("every official image has a substitute, and its tag names its recipe", () => {
  expect(Object.keys(substitutes()).sort()).toEqual(Object.values(OFFICIAL_IMAGES).sort());
  for (const tag of Object.values(substitutes()))
    expect(tag).toMatch(/^bay-e2e\/[a-z-]+:v?\d+\.\d+\.\d+-[0-9a-f]{12}$/);
});
