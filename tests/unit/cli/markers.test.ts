import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";
import { GROUPS, MARKERS } from "../../../cli/testing/markers";
import { ROOT } from "../../../cli/paths";

const FOLDER = join(ROOT, "tests", "e2e");

/** A call of describe, it or test: its title as it stands in the source, and whether it is at the top of the file. */
interface Call {
  what: string;
  title: string;
  top: boolean;
}

/**
 * Every describe, it and test of a file, with `.each` and others behind them too. @throws Error for a title that is no
 * plain text
 */
function callsOf(text: string): Call[] {
  const source = ts.createSourceFile("x.ts", text, ts.ScriptTarget.Latest, true);
  const calls: Call[] = [];
  const look = (node: ts.Node) => {
    const what = ts.isCallExpression(node) ? /^(describe|it|test)\b/.exec(node.expression.getText())?.[1] : undefined;
    // `it.each(table)` is the inner call, without a title.
    if (
      ts.isCallExpression(node) &&
      what !== undefined &&
      !(ts.isPropertyAccessExpression(node.expression) && node.expression.name.text === "each")
    ) {
      const [title] = node.arguments;
      if (!title || !ts.isStringLiteralLike(title))
        throw new Error(`a title that is not written out: ${node.getText().slice(0, 80)}`);
      calls.push({
        what,
        title: title.text,
        top: ts.isExpressionStatement(node.parent) && ts.isSourceFile(node.parent.parent),
      });
    }
    ts.forEachChild(node, look);
  };
  look(source);
  return calls;
}

const tagsOf = (title: string): string[] => [...title.matchAll(/(?:^|\s)@(\S+)/g)].map(([, tag]) => tag!);

const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));

describe.each(files)("tests/e2e/%s", (name) => {
  const calls = callsOf(readFileSync(join(FOLDER, name), "utf8"));

  test("has one group, its folder's name, in the title of each block at its top", () => {
    const top = calls.filter((call) => call.top);
    expect(top.map(({ what }) => what)).toEqual(top.map(() => "describe"));
    const groups = top.map(({ title }) => tagsOf(title).filter((tag) => tag in GROUPS));
    expect(groups.length).toBeGreaterThan(0);
    expect(groups).toEqual(groups.map(() => [dirname(name)]));
  });

  test("has its group nowhere else, and no marker that is not known", () => {
    const tags = calls.flatMap(({ title }) => tagsOf(title));
    expect(tags.filter((tag) => !(tag in MARKERS))).toEqual([]);
    expect(
      calls
        .filter(({ top }) => !top)
        .flatMap(({ title }) => tagsOf(title))
        .filter((tag) => tag in GROUPS),
    ).toEqual([]);
  });
});

test("a title that is made at run time is noticed, and so is a marker in a table's title", () => {
  expect(() => callsOf("describe(`x ${y}`, () => undefined);")).toThrow(/not written out/);
  expect(callsOf(`describe("a @core", () => { it.each([1])("b %i @slow", () => undefined); });`)).toEqual([
    { what: "describe", title: "a @core", top: true },
    { what: "it", title: "b %i @slow", top: false },
  ]);
});

test("docs/testing.md lists the markers", () => {
  const text = readFileSync(join(ROOT, "docs", "testing.md"), "utf8");
  const rows = [...text.matchAll(/^\| `@([a-z]+)` +\| (.*?) +\|$/gm)].map(([, marker, meaning]) => [marker, meaning]);
  expect(rows).toEqual(Object.entries(MARKERS));
});
