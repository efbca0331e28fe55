import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { GROUPS } from "../../cli/testing/markers";
import { ROOT } from "../../cli/paths";

/** How many promises each group of Bay's contract has, section 8. */
const PROMISES = 164;
const FOLDER = join(ROOT, "tests/e2e");
const ID =
  /(?<=["` ,])(?:AUTH|LIFE|CARGO|CONC|TTL|HIST|IDEM|ENV|VER|INJ|SKILL|BRSK|BRBC|FILE|XFER|CGC|IGC|ISO|CRASH|RACE|CAP|PATH|SH|TOOL|AGT|BRW|INT|LONG|MEGA|PROJ|SCR|SRV)-\d+\b/g;

const files = new Map(
  readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => [name, readFileSync(join(FOLDER, name), "utf8")]),
);
const rows = [
  ...readFileSync(join(ROOT, "docs/coverage.md"), "utf8").matchAll(
    /^\| ([A-Z]+-\d+) +\| ([^|]+) \| ([^|]+) \| ([^|]+) \| (serial|parallel) +\|$/gm,
  ),
].map(([, id, , where, , phase]) => ({
  id: id!,
  where: [...where!.matchAll(/`([^`]+)`/g)].map(([, file]) => file!),
  phase: phase!,
}));

describe("docs/coverage.md", () => {
  test("has every promise once", () => {
    expect(rows).toHaveLength(PROMISES);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(PROMISES);
  });

  test.each(rows)("names the files with $id in a title, and their phase", ({ id, where, phase }) => {
    const found = [...files]
      .filter(([, text]) => [...text.matchAll(ID)].some(([seen]) => seen === id))
      .map(([name]) => name)
      .sort();
    expect(where).toEqual(found);
    expect(found.some((name) => files.get(name)!.includes("@serial")) ? "serial" : "parallel").toBe(phase);
    for (const name of found) expect(Object.keys(GROUPS)).toContain(dirname(name));
  });

  test("leaves out no promise that a test names", () => {
    const named = new Set([...files.values()].flatMap((text) => [...text.matchAll(ID)].map(([id]) => id)));
    expect([...named].filter((id) => !rows.some((row) => row.id === id))).toEqual([]);
  });
});
