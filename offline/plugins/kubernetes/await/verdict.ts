/** What can be said of an object that is waited for. */
import type { ValueMap } from "../../rpc/values";

/** A container whose last log lines explain a failure. */
export interface LogSource {
  namespace: string;
  pod: string;
  container: string;
  previous: boolean;
}

export type Verdict =
  | { state: "ready" }
  | {
      state: "waiting";
      /** Shown beside the resource. */
      message: string;
      /** Why it is not ready yet, for the error at the deadline. */
      details: string[];
    }
  | {
      /** Waiting does not help. */
      state: "hopeless";
      message: string;
      details: string[];
      /** Milliseconds for which it must stay so before it counts; default 0. */
      graceMs?: number;
      logs?: LogSource[];
    };

export const READY: Verdict = { state: "ready" };

/** A verdict that the object needs more time. */
export function waiting(message: string, details: string[] = []): Verdict {
  return { state: "waiting", message, details };
}

/** Other objects that a verdict depends on. */
export interface Related {
  apiVersion: string;
  kind: string;
  namespace: string;
  labelSelector?: string;
  name?: string;
}

/** How to wait for objects of one kind. */
export interface Awaiter {
  /** Milliseconds that are allowed when the program says nothing. */
  timeoutMs: number;
  /** Collections that are watched too, by a name of choice. */
  related?(live: ValueMap): Record<string, Related>;
  /** The verdict on what is seen now. Pure. */
  evaluate(live: ValueMap, related: Record<string, ValueMap[]>): Verdict;
}
