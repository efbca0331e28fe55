/** A condition of pytest's grammar: words and quoted texts, `not`, `and`, `or`, parentheses. */
export type Expression =
  | { kind: "term"; text: string; column: number }
  | { kind: "not"; of: Expression }
  | { kind: "and" | "or"; left: Expression; right: Expression };

/** What is wrong with an expression, and where. */
export class ExpressionError extends Error {
  /** @param column of the first character that cannot be, counted from 1 */
  constructor(
    message: string,
    readonly text: string,
    readonly column: number,
  ) {
    super(`${message} at column ${column}`);
    this.name = "ExpressionError";
  }

  /** The expression with a mark under the place. */
  get pointer(): string {
    return `${this.text}\n${" ".repeat(this.column - 1)}^`;
  }
}

/** A regular expression's source of lookaheads alone, which fits at the start of a text; or what it always gives. */
export type Condition = string | boolean;

/**
 * Reads an expression; `not` binds closer than `and`, `and` closer than `or`.
 * @throws ExpressionError
 */
export function parseExpression(text: string): Expression {
  return new Parser(text).whole();
}

/** All terms of an expression, from left to right. */
export function termsOf(expression: Expression): { text: string; column: number }[] {
  if (expression.kind === "term") return [expression];
  return expression.kind === "not"
    ? termsOf(expression.of)
    : [...termsOf(expression.left), ...termsOf(expression.right)];
}

/** Compiles an expression to lookaheads. @param term the condition of one term's text */
export function compile(expression: Expression, term: (text: string) => Condition): Condition {
  switch (expression.kind) {
    case "term":
      return term(expression.text);
    case "not":
      return not(compile(expression.of, term));
    case "and":
      return both(compile(expression.left, term), compile(expression.right, term));
    case "or":
      return not(both(not(compile(expression.left, term)), not(compile(expression.right, term))));
  }
}

/** The condition that both hold. */
export function both(left: Condition, right: Condition): Condition {
  if (left === false || right === false) return false;
  if (left === true) return right;
  return right === true ? left : left + right;
}

/** The condition that the other does not hold. */
export function not(condition: Condition): Condition {
  return typeof condition === "boolean" ? !condition : `(?!${condition})`;
}

/** The condition that a text matches `source` anywhere. */
export function somewhere(source: string): Condition {
  return `(?=[\\s\\S]*?${source})`;
}

/** The text as a regular expression that matches just it. */
export function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

interface Token {
  kind: "and" | "or" | "not" | "(" | ")" | "term" | "end";
  text: string;
  column: number;
}

class Parser {
  readonly #tokens: Token[];
  #next = 0;

  constructor(readonly text: string) {
    this.#tokens = tokensOf(text);
  }

  whole(): Expression {
    const expression = this.#either();
    if (this.#peek().kind !== "end") this.#fail(`expected "and", "or" or the end`);
    return expression;
  }

  #either(): Expression {
    let left = this.#all();
    while (this.#take("or")) left = { kind: "or", left, right: this.#all() };
    return left;
  }

  #all(): Expression {
    let left = this.#one();
    while (this.#take("and")) left = { kind: "and", left, right: this.#one() };
    return left;
  }

  #one(): Expression {
    if (this.#take("not")) return { kind: "not", of: this.#one() };
    if (this.#take("(")) {
      const inner = this.#either();
      if (!this.#take(")")) this.#fail(`expected ")"`);
      return inner;
    }
    const { text, column } = this.#peek();
    if (!this.#take("term")) this.#fail(`expected a word, "not" or "("`);
    return { kind: "term", text, column };
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }

  #take(kind: Token["kind"]): boolean {
    if (this.#peek().kind !== kind) return false;
    this.#next += 1;
    return true;
  }

  #fail(expected: string): never {
    const { kind, text, column } = this.#peek();
    throw new ExpressionError(`${expected}, not ${kind === "end" ? "the end" : `"${text}"`}`, this.text, column);
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:(?<sign>[()])|(?<quote>["'])(?<quoted>.*?)\k<quote>|(?<open>["'])|(?<word>[^\s()"']+))/gy;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const { sign, quoted, open, word } = match.groups!;
    const column = match.index + /^\s*/.exec(match[0])![0].length + 1;
    if (open !== undefined) throw new ExpressionError("a quote that is not closed", text, column);
    if (quoted === "") throw new ExpressionError("a quoted text that is empty", text, column);
    if (sign !== undefined) tokens.push({ kind: sign as "(" | ")", text: sign, column });
    else if (quoted !== undefined) tokens.push({ kind: "term", text: quoted, column });
    else tokens.push({ kind: word === "and" || word === "or" || word === "not" ? word : "term", text: word!, column });
  }
  return [...tokens, { kind: "end", text: "", column: text.trimEnd().length + 1 }];
}
