import { UserError } from "../../infra/support/errors";
import type { Interrupt } from "../interrupt";
import type { TestOptions } from "../testing/test-options";

/** What ends the tests: the user, or the time that they were given. */
export interface Limit {
  signal: AbortSignal;
  /** @throws UserError E_TESTS_LATE when it was the time */
  throwIfLate(): void;
}

/** Begins to count now. Without `--limit` only the user ends the tests. */
export function limitOf(
  { limit }: Pick<TestOptions, "limit">,
  interrupt: Pick<Interrupt, "signal" | "received">,
): Limit {
  if (limit === undefined) return { signal: interrupt.signal, throwIfLate: () => undefined };
  const late = AbortSignal.timeout(limit * 1000);
  const signal = AbortSignal.any([interrupt.signal, late]);
  return {
    signal,
    throwIfLate: () => {
      if (signal.reason !== late.reason || !late.aborted || interrupt.received) return;
      throw new UserError("E_TESTS_LATE", {
        seen: `tests still running after ${limit} s, which were then ended`,
        wanted: "the end of all tests within --limit",
        next: `a higher --limit, or fewer tests: npm run e2e -- --limit ${Math.ceil(limit / 30)}m`,
      });
    },
  };
}
