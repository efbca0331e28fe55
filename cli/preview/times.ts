import { LONGEST } from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { SECONDS } from "../options/amounts";

/**
 * Seconds of a duration as the user wrote it: `90s`, `30m`, `4h`, `2d`.
 * @throws UserError E_USAGE for what is none, for zero, and for more than thirty days
 */
export function durationOf(option: string, text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text.trim()) ?? [];
  const seconds = count === undefined ? NaN : Number(count) * SECONDS[unit as keyof typeof SECONDS];
  if (seconds >= 1 && seconds <= LONGEST) return seconds;
  throw new UserError("E_USAGE", {
    seen: `${option} ${text}`,
    wanted: `a time from 1s to ${LONGEST / 86_400}d, with s, m, h or d`,
    next: `${option} 4h${seconds > LONGEST ? "   (one that is to stay: npm run preview -- keep NAME)" : ""}`,
  });
}

/** A duration for people, in its two largest units: `3 h 12 min`, `2 d 4 h`, `45 s`. */
export function spanText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = (
    [
      ["d", 86_400],
      ["h", 3600],
      ["min", 60],
      ["s", 1],
    ] as const
  ).map(([unit, size], index, all) => {
    const above = index === 0 ? Infinity : all[index - 1]![1];
    return [Math.floor((whole % above) / size), unit] as const;
  });
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** Now, ISO 8601 in whole seconds, as labels hold it. */
export function isoNow(now = Date.now()): string {
  return new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
}

/** The instant so many seconds after another, likewise. */
export function isoAfter(seconds: number, now = Date.now()): string {
  return isoNow(now + seconds * 1000);
}
