import { basename } from "node:path";
import { UserError } from "../../infra/support/errors";
import { nearest } from "../../infra/support/nearest";
import {
  both,
  compile,
  type Condition,
  type Expression,
  ExpressionError,
  literally,
  not,
  parseExpression,
  somewhere,
  termsOf,
} from "./expression";
import { MARKERS } from "./markers";
import type { TestFile } from "./test-files";

/** Which tests are meant; without `k` and `m` all of them. */
export interface Selection {
  /** Words of a test's full name or of its file's name. */
  k?: Expression;
  /** Markers. */
  m?: Expression;
}

/** A share of the tests that runs by itself: those without the marker `serial`, or those with it. */
export type Share = "parallel" | "serial";

/**
 * Reads what stands behind `-k` and `-m`.
 * @throws UserError E_USAGE with the place in the expression, or with the marker that was probably meant
 */
export function readSelection(words: { k?: string; m?: string }): Selection {
  const selection: Selection = {};
  if (words.k !== undefined) selection.k = read("-k", words.k);
  if (words.m !== undefined) selection.m = markersOnly(words.m, read("-m", words.m));
  return selection;
}

/** Whether a selection leaves anything out. */
export function selects(selection: Selection): boolean {
  return selection.k !== undefined || selection.m !== undefined;
}

/** What the full name of a test of this file must fulfil: lookaheads, or a constant where the name does not matter. */
export function conditionOf(selection: Selection, file: Pick<TestFile, "path" | "tags">, share?: Share): Condition {
  const name = basename(file.path, ".test.ts").toLowerCase();
  const word = (text: string): Condition => name.includes(text.toLowerCase()) || somewhere(literally(text));
  const tagged = (marker: string): Condition =>
    file.tags.has(marker) && somewhere(`(?:^|\\s)@${literally(marker)}(?!\\S)`);
  const marked = (marker: string): Condition => (marker === "serial" && share ? share === "serial" : tagged(marker));
  const wanted = both(
    selection.k ? compile(selection.k, word) : true,
    selection.m ? compile(selection.m, marked) : true,
  );
  if (share === undefined) return wanted;
  return both(wanted, share === "serial" ? tagged("serial") : not(tagged("serial")));
}

/** Whether a test's full name fulfils the condition of its file. Letters' case does not matter. */
export function fulfils(condition: Condition, fullName: string): boolean {
  return typeof condition === "boolean" ? condition : patternOf(condition).test(fullName);
}

/** The condition as a regular expression's source, to be used without regard to case. */
export function sourceOf(condition: Condition): string {
  return typeof condition === "boolean" ? (condition ? "^" : "(?!)") : `^${condition}`;
}

function patternOf(condition: Condition): RegExp {
  return new RegExp(sourceOf(condition), "i");
}

function read(flag: string, text: string): Expression {
  try {
    return parseExpression(text);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new UserError("E_USAGE", {
      seen: `${flag}: ${error.message}`,
      wanted: "words with and, or, not and parentheses",
      next: `npm test -- --list ${flag} "files and not slow"`,
      detail: error.pointer,
      cause: error,
    });
  }
}

/** Takes `@serial` for `serial`, and nothing that is no marker. */
function markersOnly(text: string, expression: Expression): Expression {
  const known = Object.keys(MARKERS);
  for (const term of termsOf(expression)) {
    const name = term.text.replace(/^@/, "").toLowerCase();
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new UserError("E_USAGE", {
      seen: `-m: no marker is called "${term.text}"${near ? `, did you mean ${near}?` : ""} (column ${term.column})`,
      wanted: `one of ${known.join(", ")}`,
      next: near ? `npm test -- --list -m "${text.replace(term.text, near)}"` : `npm test -- --list -k "${term.text}"`,
    });
  }
  return renamed(expression);
}

function renamed(expression: Expression): Expression {
  if (expression.kind === "term") return { ...expression, text: expression.text.replace(/^@/, "").toLowerCase() };
  if (expression.kind === "not") return { kind: "not", of: renamed(expression.of) };
  return { ...expression, left: renamed(expression.left), right: renamed(expression.right) };
}
