import { execFileSync } from "node:child_process";
import { ROOT } from "../../cli/paths";

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

  test("has nothing at its top but what the architecture names", () => {
    const top = new Set(
      tracked.map((file) => file.split("/")[0]!).filter((name) => !name.startsWith(".") && !name.endsWith(".md")),
    );
    const known = [
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
      "stacks",
      "tests",
      "tsconfig.json",
    ];
    expect([...top].filter((name) => !known.includes(name))).toEqual([]);
  });
});
