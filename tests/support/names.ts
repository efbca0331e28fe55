import { randomBytes } from "node:crypto";

/** Longest name that Kubernetes takes for a label value or a DNS label. */
export const LONGEST_NAME = 63;

/**
 * A name that no other test, worker or run uses: legal as a DNS label, a label value and an `Idempotency-Key`.
 * A long prefix is cut so that the random part always fits.
 * @param prefix says whose name it is; anything but letters, digits and dashes becomes a dash
 */
export function uniqueName(prefix: string): string {
  const random = randomBytes(6).toString("hex");
  const clean = prefix
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+/, "");
  const head = clean.slice(0, LONGEST_NAME - random.length - 1).replace(/-+$/, "");
  return `${head === "" ? "t" : head}-${random}`;
}

/** A test's full name as the name of a folder: readable, without separators, at most 100 characters. */
export function folderName(testName: string): string {
  const clean = testName.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
  return clean === "" ? "unnamed" : clean.slice(0, 100).replace(/-$/, "");
}
