import type { Circus } from "@jest/types";

/** A test that ended because the deployment lacks something is skipped, not failed; its name says what is missing. */
export function nameSkip(test: Circus.TestEntry): void {
  const reasons = test.errors.map((entry: unknown) => (Array.isArray(entry) ? (entry[0] as unknown) : entry));
  if (reasons.length === 0 || !reasons.every(isLacking)) return;
  test.errors = [];
  test.status = "skip";
  test.name += ` (skipped: ${(reasons[0] as Error).message})`;
}

/** By name: the error comes from the tests' own module registry. */
export function isLacking(error: unknown): boolean {
  return (error as Error | undefined)?.name === "Lacking";
}

/** What goes beyond the contract is asked of the reference alone. */
export function leaveOutReference(block: Circus.DescribeBlock, names = ""): void {
  for (const child of block.children) {
    const name = `${names} ${child.name}`;
    if (child.type === "describeBlock") leaveOutReference(child, name);
    else if (/@reference\b/.test(name)) {
      child.mode = "skip";
      child.name += " (skipped: beyond the contract, and this Bay is not the reference)";
    }
  }
}

/** The full name of a test or of a block. */
export function fullName(block: Circus.TestEntry | Circus.DescribeBlock | undefined): string {
  const names: string[] = [];
  for (let next: typeof block = block; next && next.name !== "ROOT_DESCRIBE_BLOCK"; next = next.parent)
    names.unshift(next.name);
  return names.join(" ") || "before or after all tests";
}
