import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(__dirname, "../..");
const rows = readFileSync(join(ROOT, "docs/parity.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| (?!---|the old script)/.test(line));

describe("docs/parity.md", () => {
  test("has a row for each behaviour of the old script, each with a test", () => {
    expect(rows.length).toBeGreaterThan(25);
    // A file without a title would be looked into for nothing at all.
    for (const row of rows) expect(row).toMatch(/`tests\/[\w./-]+\.test\.ts` "[^"]/);
    expect(rows.filter((row) => /`tests\/[\w./-]+\.test\.ts`(?! "[^"])/.test(row))).toEqual([]);
  });

  test.each(
    rows.flatMap((row) =>
      [...row.matchAll(/`(tests\/[\w./-]+\.test\.ts)` "([^"]+)"/g)].map((match) => [match[1]!, match[2]!]),
    ),
  )("names a test that is there: %s %j", (file, title) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
    expect(readFileSync(join(ROOT, file), "utf8")).toContain(title);
  });
});
