import type { Kube } from "../../support/kube";

/** Name of the RoleBinding. */
const BINDING = "propagator";

/**
 * Lets the propagators of this repository checkpoint and restore pods of a namespace, as `kubectl create rolebinding`
 * does: their chart ships a ClusterRole for it. Others, Cedana's for example, bring rights of their own.
 * @param inNamespace where the propagator's release is; left out: wherever there is one
 */
export async function admitPropagators(kube: Kube, namespace: string, inNamespace?: string): Promise<void> {
  const configurations = await kube.configMaps("app.kubernetes.io/name=propagator", inNamespace);
  for (const [at, { data = {} }] of configurations.entries()) {
    const { PROPAGATOR_CLUSTER_ROLE: role = "", PROPAGATOR_SERVICE_ACCOUNT: account = "" } = data;
    const [place = "", name = ""] = account.split(":");
    if (role === "" || name === "") continue;
    await kube.create({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: at === 0 ? BINDING : `${BINDING}-${at}`, namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ kind: "ServiceAccount", name, namespace: place }],
    } as never);
  }
}
