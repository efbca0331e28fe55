import type { StackOutputs } from "../../../infra/outputs";

/** What the main process hands to its workers: by environment, never by a file, as it holds secrets. */
export interface CheckpointSession {
  /** Why no test can say anything: each is then a skip that has this in its name. */
  lacking?: string;
  kubeconfig: string;
  /** Made for this run, and removed with all that is in it. */
  namespace: string;
  /** An image with bash and Python. */
  image: string;
  /** The stack under test; nothing where the environment names the propagator. */
  outputs?: StackOutputs;
}

const VARIABLE = "BAY_E2E_CHECKPOINT_SESSION";

export function publishSession(session: CheckpointSession): void {
  process.env[VARIABLE] = JSON.stringify(session);
}

export function withdrawSession(): void {
  Reflect.deleteProperty(process.env, VARIABLE);
}

/** @throws Error when no global set-up has run */
export function readSession(): CheckpointSession {
  const text = process.env[VARIABLE];
  if (!text) throw new Error("no session: the checkpoint project's global set-up has not run");
  return JSON.parse(text) as CheckpointSession;
}
