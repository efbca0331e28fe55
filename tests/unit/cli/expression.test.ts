import fc from "fast-check";
import {
  compile,
  type Condition,
  type Expression,
  ExpressionError,
  literally,
  parseExpression,
  somewhere,
  termsOf,
} from "../../../cli/testing/expression";

/** Whether a name fulfils an expression of substrings, by the compiled pattern. */
function holds(text: string, name: string): boolean {
  const condition = compile(parseExpression(text), (term) => somewhere(literally(term)));
  return typeof condition === "boolean" ? condition : new RegExp(`^${condition}`, "i").test(name);
}

describe("an expression", () => {
  test.each([
    ["files", "two files", true],
    ["files", "two pods", false],
    ["FILES", "two files", true],
    ["not files", "two pods", true],
    ["not not files", "two files", true],
    ["two and files", "files, two of them", true],
    ["two and files", "two pods", false],
    ["pods or files", "two pods", true],
    ["pods or files", "claims", false],
    ["a or b and c", "a", true],
    ["a or b and c", "b", false],
    ["(a or b) and c", "a", false],
    ["(a or b) and c", "c b", true],
    ["not a and b", "b", true],
    ["not (a and b)", "a", true],
    ["not(a or b)", "c", true],
    ["not (a or b)", "b", false],
    [`"two files"`, "two files", true],
    [`"two files"`, "files two", false],
    ["'it and not'", "it and not", true],
    ["android", "android", true],
    ["LIFE-1", "LIFE-1 x", true],
    ["a.c", "abc", false],
    ["a.c", "a.c", true],
    ["[x](", "", "error"],
    ["409", "gives 409 conflict", true],
    ["a/b|c", "a/b|c", true],
    ["two and files", "files\ntwo", true],
  ])("%j on %j is %j", (text, name, expected) => {
    if (expected === "error") expect(() => holds(text, name)).toThrow(ExpressionError);
    else expect(holds(text, name)).toBe(expected);
  });

  test.each([
    ["", 1, `expected a word, "not" or "(", not the end`],
    ["   ", 1, `expected a word, "not" or "(", not the end`],
    ["a and", 6, `expected a word, "not" or "(", not the end`],
    ["and a", 1, `expected a word, "not" or "(", not "and"`],
    ["a b", 3, `expected "and", "or" or the end, not "b"`],
    ["(a or b", 8, `expected ")", not the end`],
    ["a)", 2, `expected "and", "or" or the end, not ")"`],
    ["a or  'b", 7, "a quote that is not closed"],
    ["a or ''", 6, "a quoted text that is empty"],
    ["not", 4, `expected a word, "not" or "(", not the end`],
  ])("%j is refused at column %i", (text, column, message) => {
    const error = (() => {
      try {
        return parseExpression(text);
      } catch (thrown) {
        return thrown;
      }
    })() as ExpressionError;
    expect([error.column, error.message]).toEqual([column, `${message} at column ${column}`]);
    expect(error.pointer.split("\n")[1]).toBe(`${" ".repeat(column - 1)}^`);
  });

  test("knows its terms and where they stand", () => {
    expect(termsOf(parseExpression("a and (not 'b c' or d)"))).toMatchObject([
      { text: "a", column: 1 },
      { text: "b c", column: 12 },
      { text: "d", column: 21 },
    ]);
  });

  test("compiles to a pattern that says what the expression says, and to a constant only where it must be", () => {
    const term = fc.constantFrom("a", "b", "c").map((text): Expression => ({ kind: "term", text, column: 1 }));
    const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 4 },
        term,
        fc.record({ kind: fc.constant("not" as const), of: tie("expression") }),
        fc.record({
          kind: fc.constantFrom("and" as const, "or" as const),
          left: tie("expression"),
          right: tie("expression"),
        }),
      ),
    }));
    fc.assert(
      fc.property(
        expression,
        fc.subarray(["a", "b", "c"]),
        fc.dictionary(fc.constantFrom("a", "b", "c"), fc.boolean()),
        (tree, present, known) => {
          const condition: Condition = compile(tree, (text) => known[text] ?? somewhere(text));
          const found =
            typeof condition === "boolean" ? condition : new RegExp(`^${condition}`).test(present.join(" "));
          expect(found).toBe(truth(tree, (text) => known[text] ?? present.includes(text)));
        },
      ),
    );
  });
});

/** The meaning of an expression, said once more and plainly. */
function truth(tree: Expression, term: (text: string) => boolean): boolean {
  if (tree.kind === "term") return term(tree.text);
  if (tree.kind === "not") return !truth(tree.of, term);
  return tree.kind === "and"
    ? truth(tree.left, term) && truth(tree.right, term)
    : truth(tree.left, term) || truth(tree.right, term);
}
