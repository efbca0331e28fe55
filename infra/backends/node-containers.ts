import { inspectContainer, logsOf, startContainer, type ContainerState } from "../support/docker";
import { UserError } from "../support/errors";

/** A node that is a container of this host. */
export interface NodeContainer {
  /** Id or name. */
  container: string;
  /** What messages call it. */
  name: string;
}

/** A node that merely stopped, with its host or its Docker, has everything it needs to go on. */
export async function startIfStopped({ container }: NodeContainer): Promise<void> {
  const state = await inspectContainer(container);
  if (state && !state.running) await startContainer(container);
}

/**
 * State of a node's container, which must be running.
 * @throws UserError E_NODE_GONE when Docker does not know it, E_NODE_DIED with its last lines when it ended
 */
export async function requireRunning({ container, name }: NodeContainer): Promise<ContainerState> {
  const state = await inspectContainer(container);
  if (!state) {
    throw new UserError("E_NODE_GONE", {
      seen: `container ${name} (${container.slice(0, 12)}) is in the stack's state and not in Docker`,
      wanted: "the node's container",
      next: "pulumi refresh --yes && pulumi up --yes",
    });
  }
  if (!state.running) {
    throw new UserError("E_NODE_DIED", {
      seen: `container ${name} ended with exit code ${state.exitCode}`,
      wanted: "a running node",
      next: `docker rm --force --volumes ${name} && pulumi refresh --yes && pulumi up --yes`,
      detail: await logsOf(container),
    });
  }
  return state;
}
