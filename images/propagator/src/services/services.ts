import { Checkpointing } from "./checkpointing";
import { Clusters } from "./clusters";
import type { Context } from "./context";
import { Removals } from "./removals";
import { Restoring } from "./restoring";

export interface Services {
  context: Context;
  clusters: Clusters;
  checkpointing: Checkpointing;
  restoring: Restoring;
  removals: Removals;
}

export function makeServices(context: Context): Services {
  const removals = new Removals(context);
  const clusters = new Clusters(context, removals);
  return {
    context,
    clusters,
    removals,
    checkpointing: new Checkpointing(context, clusters, removals),
    restoring: new Restoring(context, clusters),
  };
}

/**
 * Goes on with what an earlier start had begun. Nothing is done twice: a dump and a restored pod have had their names
 * from the beginning, and an agent that is asked again joins the dump that runs or gives the one that was made.
 * @returns how many actions there were
 */
export function resume({ context: { records }, checkpointing, restoring }: Services): number {
  const actions = records.runningActions();
  for (const action of actions) (action.type === "checkpoint_pod" ? checkpointing : restoring).resume(action);
  return actions.length;
}
