import type { Circus } from "@jest/types";

/** What a value becomes in a title that cannot show it: a function, an object, or an argument that is missing. */
const NO_NAME = /\bundefined\b|\[(?:object|Function)\b/;

/** Returns whether a title shows a value that has no text of its own, so that it does not tell what is tested. */
export function isUntold(title: string): boolean {
  return NO_NAME.test(title);
}

/**
 * Makes sure that each title of a file tells what is tested.
 * @throws Error with the titles that do not; Jest then fails the file before its first test
 */
export function requireTitles(block: Circus.DescribeBlock): void {
  const untold = titlesIn(block).filter(isUntold);
  if (untold.length > 0)
    throw new Error(
      `these titles show a value that has no text; give each row of the table a name of its own:\n  ${untold.join("\n  ")}`,
    );
}

function titlesIn(block: Circus.DescribeBlock): string[] {
  return block.children.flatMap((child) =>
    child.type === "describeBlock" ? [child.name, ...titlesIn(child)] : [child.name],
  );
}
