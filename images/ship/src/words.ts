/** A command line that cannot be split: a quote or a backslash without its end. */
export class WordsError extends Error {}

/** One piece of a word: plain text, an escaped character, or quoted text. */
const PIECE = /[^\s'"\\]+|\\([^])|'([^']*)'|"((?:[^"\\]|\\[^])*)"/y;

/** Splits a command line into words by a shell's quoting rules, expanding nothing. @throws WordsError */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < line.length;) {
    const space = /\s+/y;
    space.lastIndex = at;
    if (space.test(line)) {
      at = space.lastIndex;
      continue;
    }
    let word = "";
    for (PIECE.lastIndex = at; at < line.length && !/\s/.test(line[at]!); at = PIECE.lastIndex) {
      const found = PIECE.exec(line);
      if (!found)
        throw new WordsError(
          `the command has no closing quotation or ends with a backslash (from character ${at + 1})`,
        );
      const [piece, escaped, single, double] = found;
      word += escaped ?? single ?? double?.replace(/\\([\\"$`])/g, "$1") ?? piece;
    }
    words.push(word);
  }
  return words;
}
