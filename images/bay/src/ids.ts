import { randomUUID } from "node:crypto";

/** Prefixes of ids, as clients see them. */
export type IdPrefix = "sandbox" | "ws" | "sess" | "exec" | "sc" | "se" | "sr" | "blob";

/** A new id: the prefix and 12 lowercase hexadecimal digits. */
export function newId(prefix: IdPrefix): string {
  return `${prefix}-${randomUUID().replaceAll("-", "").slice(0, 12)}`;
}

/** Now, in milliseconds since 1970 with a fraction. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** The latest time that Bay shows, and keeps: the end of the year 9999. */
export const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59);

/** The time `seconds` after another one; never later than `LATEST`, whatever the number. */
export function timeAfter(ms: number, seconds: number): number {
  return Math.min(LATEST, ms + seconds * 1000);
}

/**
 * Naive UTC time with six digits of fraction, which are left out when they are zero: `2026-01-02T03:04:05.123456`.
 * A number that is no date is shown as the nearest one, so that a broken record can be shown.
 */
export function isoTime(ms: number): string {
  const known = Number.isNaN(ms) ? 0 : Math.min(LATEST, Math.max(0, ms));
  const micros = Math.round(known * 1000);
  const fraction = micros % 1_000_000;
  const seconds = new Date((micros - fraction) / 1000).toISOString().slice(0, 19);
  return fraction === 0 ? seconds : `${seconds}.${String(fraction).padStart(6, "0")}`;
}
