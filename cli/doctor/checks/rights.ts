import { chooseContext } from "../../../infra/backends/contexts";
import { DOCKER_DESKTOP_CONTEXTS } from "../../../infra/backends/local-contexts";
import { requireRights, rightsFor } from "../../../infra/backends/rights";
import { UserError } from "../../../infra/support/errors";
import { openKubeApi } from "../../../infra/support/kube-api";
import { ROOT } from "../../paths";
import { type CheckSpec, fail, ok } from "../check";

/** How many rights there are, or the error that an `up` would end with. */
export type RightsFact = { error: UserError } | { user: string; count: number };

/**
 * What the kubeconfig's user may do in a cluster that is there already, and whether its credentials can be had at all.
 */
export const rights: CheckSpec<RightsFact> = {
  name: "rights",
  backends: ["existing", "docker-desktop"],
  cost: "cheap",
  preflight: true,
  probe: async ({ settings, backend }) => {
    if (!settings) return undefined;
    try {
      const { user, kubectl, kubeconfig } = chooseContext(
        { settings, root: ROOT },
        backend === "docker-desktop" ? DOCKER_DESKTOP_CONTEXTS : [],
      );
      const api = await openKubeApi(kubeconfig);
      try {
        const needed = await rightsFor(api, settings);
        await requireRights(api, needed, { user, kubectl });
        return { user, count: needed.length };
      } finally {
        api.close();
      }
    } catch (error) {
      // A context that cannot be used, or does not answer, is the finding of another check.
      if (error instanceof UserError && (error.code === "E_RIGHTS" || error.seen.includes("].exec: ")))
        return { error };
      return undefined;
    }
  },
  judge: (fact) => {
    if ("error" in fact) return fail(fact.error.seen, fact.error.wanted, fact.error.next, fact.error.code);
    return ok(
      `user "${fact.user}" may do all ${fact.count} things that a stack does`,
      "rights to make a namespace and what is in it",
    );
  },
};
