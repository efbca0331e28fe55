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

/** Naive UTC time with six digits of fraction, which are left out when they are zero: `2026-01-02T03:04:05.123456`. */
export function isoTime(ms: number): string {
  const micros = Math.round(ms * 1000);
  const fraction = ((micros % 1_000_000) + 1_000_000) % 1_000_000;
  const seconds = new Date((micros - fraction) / 1000).toISOString().slice(0, 19);
  return fraction === 0 ? seconds : `${seconds}.${String(fraction).padStart(6, "0")}`;
}
