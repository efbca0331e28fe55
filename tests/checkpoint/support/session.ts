import type { StackOutputs } from "../../../infra/outputs";
import { handover } from "../../support/handover";

/** What the main process hands to its workers. */
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

export const {
  publish: publishSession,
  withdraw: withdrawSession,
  read: readSession,
} = handover<CheckpointSession>("BAY_E2E_CHECKPOINT_SESSION", "checkpoint");
