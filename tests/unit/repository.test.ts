import { execFileSync } from "node:child_process";
import { parse } from "yaml";
import { ROOT } from "../../cli/paths";

/** A form for issues, as far as it is looked at. */
interface Form {
  name: string;
  description: string;
  body: { type: string; id?: string }[];
}

const git = (...args: string[]) => execFileSync("git", args, { cwd: ROOT, encoding: "utf8", maxBuffer: 64 << 20 });
const tracked = git("ls-files").split("\n").filter(Boolean);

// What is staged counts, not what lies in the folder: a stack that is up has its salt in its file, and trial stacks
// have theirs.
describe("the repository", () => {
  test("has one file for each stack, none of them with a salt", () => {
    const stacks = tracked.filter((file) => /^stacks\/.*\.yaml$/.test(file));
    expect(stacks).toEqual(["docker-desktop", "existing", "k3s", "kind"].map((name) => `stacks/Pulumi.${name}.yaml`));
    for (const file of stacks) expect(git("show", `:${file}`)).not.toContain("encryptionsalt");
  });

  test("says in its license what package.json says", () => {
    expect(JSON.parse(git("show", ":package.json"))).toMatchObject({ license: "Apache-2.0" });
    expect(git("show", ":LICENSE")).toMatch(
      /Apache License\s+Version 2\.0, January 2004[\s\S]*END OF TERMS AND CONDITIONS/,
    );
  });

  test("asks for reports by forms that GitHub can read", () => {
    for (const name of ["bug", "feature"]) {
      const form = parse(git("show", `:.github/ISSUE_TEMPLATE/${name}.yml`)) as Form;
      expect([form.name, form.description].every((text) => text !== "")).toBe(true);
      const fields = form.body.filter(({ type }) => type !== "markdown").map(({ id }) => id);
      expect(new Set(fields).size).toBe(fields.length);
      expect(fields.every((id) => /^[\w-]+$/.test(id ?? ""))).toBe(true);
    }
    expect(git("show", ":.github/ISSUE_TEMPLATE/bug.yml")).toMatch(
      /npm run doctor -- --json[\s\S]*[Ee]vidence archive/,
    );
  });

  test("has nothing at its top but what the architecture names", () => {
    const top = new Set(
      tracked.map((file) => file.split("/")[0]!).filter((name) => !name.startsWith(".") && !name.endsWith(".md")),
    );
    const known = [
      "LICENSE",
      "NOTICE",
      "Pulumi.yaml",
      "charts",
      "cli",
      "docs",
      "eslint.config.mjs",
      "examples",
      "images",
      "infra",
      "jest.config.ts",
      "offline",
      "package-lock.json",
      "package.json",
      "renovate.json",
      "stacks",
      "tests",
      "tsconfig.json",
    ];
    expect([...top].filter((name) => !known.includes(name))).toEqual([]);
  });
});
