import type { StackOutputs } from "../../infra/outputs";
import { handover } from "./handover";

/** What the main process hands to its workers. */
export interface E2ESession {
  outputs: StackOutputs;
  /** Where Bay answers: the port-forward that the whole run shares. */
  url: string;
  /** Whether Bay is this repository's reference, which promises more than the contract. */
  reference: boolean;
}

export const {
  publish: publishSession,
  withdraw: withdrawSession,
  read: readSession,
} = handover<E2ESession>("BAY_E2E_SESSION", "e2e");
