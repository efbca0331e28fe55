import { UserError } from "../../infra/support/errors";

/** Seconds of each unit of time that options take. */
export const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/**
 * A duration such as `90s`, `10m`, `2h` or `1d` in seconds.
 * @throws UserError E_USAGE
 */
export function secondsOf(
  text: string,
  asked: { option: string; next: string } = { option: "--since", next: "npm run logs -- --since 10m" },
): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (count === undefined || Number(count) === 0)
    throw new UserError("E_USAGE", {
      seen: `${asked.option} ${text}`,
      wanted: "a number above 0 with s, m, h or d",
      next: asked.next,
    });
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
}

/** @throws UserError E_USAGE */
export function lineCountOf(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new UserError("E_USAGE", {
    seen: `--tail ${text}`,
    wanted: "a number of lines from 1 on",
    next: "npm run logs -- --tail 200",
  });
}
