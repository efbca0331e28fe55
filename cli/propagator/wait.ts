import { setTimeout as delay } from "node:timers/promises";
import type { PropagatorClient } from "./client";
import { PropagatorError } from "./errors";
import { type Action, type ActionType, DONE_STATES, FAILED_STATES } from "./types";

export interface PollOptions {
  /** Milliseconds until the wait gives up. Default 300 000. */
  deadline?: number;
  /** Milliseconds between the first two looks; each pause is half as long again as the last. Default 100. */
  interval?: number;
  /** Longest pause. Default 5 000. */
  longest?: number;
  /** Ends the wait when it fires. */
  signal?: AbortSignal;
}

/** An action that failed, or was not seen to end in time. */
export class ActionError extends Error {
  /** @param details what the propagator says of it */
  constructor(
    readonly actionId: string,
    readonly end: "failed" | "deadline",
    readonly lastState: string,
    readonly details: string,
    message: string,
  ) {
    super(message);
    this.name = "ActionError";
  }
}

/**
 * Waits until a checkpoint is ready to be restored. Where the status has no such action (404) the list of actions is
 * asked in the same round; other faults are waited out, but for a token that is refused.
 * @returns the checkpoint's id
 * @throws ActionError when it failed or the deadline passed, with the last state; PropagatorError 401 or 403
 */
export async function waitForCheckpoint(
  client: PropagatorClient,
  actionId: string,
  options: PollOptions = {},
): Promise<string> {
  await poll(`checkpoint ${actionId}`, actionId, () => checkpointState(client, actionId), options);
  const action = await findAction(client, actionId, "checkpoint_pod");
  if (action?.checkpoint_id) return action.checkpoint_id;
  throw new ActionError(
    actionId,
    "failed",
    action?.status ?? "none",
    "",
    `checkpoint ${actionId} ended, but its action names no checkpoint`,
  );
}

/**
 * Waits until a restore's action has ended well. Of Cedana's propagator this says that the pod was made; a local one
 * says so when the restored pod is Ready.
 * @throws as `waitForCheckpoint`
 */
export async function waitForRestore(
  client: PropagatorClient,
  actionId: string,
  options: PollOptions = {},
): Promise<Action> {
  let last: Action | undefined;
  await poll(
    `restore ${actionId}`,
    actionId,
    async () => {
      last = await findAction(client, actionId, "restore_pod");
      return stateOf(last);
    },
    options,
  );
  return last!;
}

interface State {
  state: string;
  details: string;
}

async function checkpointState(client: PropagatorClient, actionId: string): Promise<State> {
  try {
    const { status, details } = await client.checkpointStatus(actionId);
    return { state: status, details: details ?? "" };
  } catch (error) {
    if (!(error instanceof PropagatorError) || error.status !== 404) throw error;
    return stateOf(await findAction(client, actionId));
  }
}

/** The filter by type is the propagator's, by id ours: values of the type differ between versions. */
async function findAction(client: PropagatorClient, actionId: string, type?: ActionType): Promise<Action | undefined> {
  return (await client.actions(type ? { type } : {})).find(({ action_id }) => action_id === actionId);
}

function stateOf(action: Action | undefined): State {
  if (!action) return { state: "not in the list of actions", details: "" };
  const { details } = action;
  const error = typeof details === "object" && details !== null ? (details as { error?: unknown }).error : undefined;
  return {
    state: action.status ?? "none",
    details: typeof error === "string" ? error : error === undefined ? "" : JSON.stringify(error),
  };
}

async function poll(
  what: string,
  actionId: string,
  look: () => Promise<State>,
  { deadline = 300_000, interval = 100, longest = 5_000, signal }: PollOptions,
): Promise<void> {
  const end = Date.now() + deadline;
  let last: State = { state: "not seen yet", details: "" };
  for (let pause = interval; ; pause = Math.min(longest, pause * 1.5)) {
    try {
      last = await look();
    } catch (error) {
      if (!(error instanceof PropagatorError) || error.status === 401 || error.status === 403) throw error;
      last = { state: last.state, details: error.message };
    }
    if (DONE_STATES.includes(last.state)) return;
    const details = last.details === "" ? "" : `: ${last.details}`;
    if (FAILED_STATES.includes(last.state))
      throw new ActionError(
        actionId,
        "failed",
        last.state,
        last.details,
        `${what} failed with state ${last.state}${details}`,
      );
    if (Date.now() + pause > end)
      throw new ActionError(
        actionId,
        "deadline",
        last.state,
        last.details,
        `${what} did not end within ${deadline / 1000} s, its last state was ${last.state}${details}`,
      );
    await delay(pause, undefined, { signal });
  }
}
