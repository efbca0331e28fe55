import type { StackOutputs } from "../../infra/outputs";

/** What the main process hands to its workers: by environment, never by a file, as it holds secrets. */
export interface E2ESession {
  outputs: StackOutputs;
  /** Where Bay answers: the port-forward that the whole run shares. */
  url: string;
  /** Whether Bay is this repository's reference, which promises more than the contract. */
  reference: boolean;
}

const VARIABLE = "BAY_E2E_SESSION";

export function publishSession(session: E2ESession): void {
  process.env[VARIABLE] = JSON.stringify(session);
}

export function withdrawSession(): void {
  Reflect.deleteProperty(process.env, VARIABLE);
}

/** @throws Error when no global set-up has run */
export function readSession(): E2ESession {
  const text = process.env[VARIABLE];
  if (!text) throw new Error("no session: the e2e project's global set-up has not run");
  return JSON.parse(text) as E2ESession;
}
