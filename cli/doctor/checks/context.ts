import { resolve } from "node:path";
import { chooseContext } from "../../../infra/backends/contexts";
import { DOCKER_DESKTOP_CONTEXTS } from "../../../infra/backends/local-contexts";
import { UserError } from "../../../infra/support/errors";
import { ROOT } from "../../paths";
import { findContext } from "../../probe/kubeconfig";
import { reach } from "../../probe/server";
import { type CheckSpec, fail, ok } from "../check";

/** The context that the backend would use, or the error that it would end with. */
export type ContextFact =
  { error: UserError } | { name: string; server: string; kubectl: string; reachable: boolean; answer: string };

/** A cluster that is there already: its context, and whether the API server answers. */
export const context: CheckSpec<ContextFact> = {
  name: "context",
  backends: ["existing", "docker-desktop"],
  cost: "cheap",
  preflight: true,
  probe: async ({ settings, backend, env }) => {
    if (!settings) return undefined;
    try {
      const { name, server, kubectl } = chooseContext(
        { settings, root: ROOT },
        backend === "docker-desktop" ? DOCKER_DESKTOP_CONTEXTS : [],
      );
      const found = findContext(env, {
        context: name,
        ...(settings.kubeconfig === "" ? {} : { file: resolve(ROOT, settings.kubeconfig) }),
      }).context;
      return { name, server, kubectl, ...(await reach(found?.cluster ?? { server })) };
    } catch (error) {
      if (error instanceof UserError) return { error };
      throw error;
    }
  },
  judge: (fact) => {
    if ("error" in fact) return fail(fact.error.seen, fact.error.wanted, fact.error.next, fact.error.code);
    const [found, needed] = [`${fact.name} at ${fact.server}: ${fact.answer}`, "an API server that answers"];
    return fact.reachable ? ok(found, needed) : fail(found, needed, `${fact.kubectl} version`, "E_CLUSTER_UNREACHABLE");
  },
};
