import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../cli/paths";

interface CustomManager {
  description: string;
  managerFilePatterns: string[];
  matchStrings: string[];
}
const { customManagers } = JSON.parse(readFileSync(join(ROOT, "renovate.json"), "utf8")) as {
  customManagers: CustomManager[];
};
const tracked = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" }).split("\n").filter(Boolean);
const expression = (pattern: string) => new RegExp(pattern.slice(1, -1));

describe("Renovate finds", () => {
  test.each(customManagers.map((manager) => [manager.description, manager] as const))("%s", (_, manager) => {
    const files = manager.managerFilePatterns.map((pattern) => {
      const found = tracked.filter((file) => expression(pattern).test(file));
      expect([pattern, found]).toEqual([pattern, [expect.any(String)]]);
      return readFileSync(join(ROOT, found[0]!), "utf8");
    });
    for (const text of manager.matchStrings) {
      const values = files.flatMap((file) => [...file.matchAll(new RegExp(text, "g"))].map(({ groups }) => groups));
      expect([text, values]).toEqual([
        text,
        expect.arrayContaining([expect.objectContaining({ currentValue: expect.any(String) as string })]),
      ]);
    }
    for (const [index, file] of files.entries())
      expect([
        manager.managerFilePatterns[index],
        manager.matchStrings.some((text) => new RegExp(text).test(file)),
      ]).toEqual([manager.managerFilePatterns[index], true]);
  });

  test("each Go program that a script runs", () => {
    const scripts = readFileSync(join(ROOT, "package.json"), "utf8");
    const [{ matchStrings }] = customManagers.filter(({ description }) => description.includes("go run")) as [
      CustomManager,
    ];
    const found = [...scripts.matchAll(new RegExp(matchStrings[0]!, "g"))].map(({ groups }) => groups!["depName"]);
    expect(found).toHaveLength(scripts.split("go run ").length - 1);
    expect(found).toEqual(["mvdan.cc/sh/v3", "github.com/rhysd/actionlint"]);
  });
});
