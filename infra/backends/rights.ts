import { cedana } from "../components/checkpoint/cedana";
import { local } from "../components/checkpoint/local";
import { type CheckpointNode, nodesWithoutRuntime } from "../components/checkpoint/nodes";
import { checkpointMode, type Settings } from "../config";
import { previewIn } from "../preview";
import { UserError } from "../support/errors";
import { type KubeApi, type KubeList, KubeRefusal } from "../support/kube-api";

/** One thing that a user may be allowed to do. */
export interface Right {
  verb: string;
  /** API group; empty for the core one. */
  group: string;
  /** Resource, with its subresource after a slash. */
  resource: string;
  /** Nothing for what belongs to no namespace. */
  namespace?: string;
  /** Needed only because a ClusterRole gives it on: the verbs `escalate` and `bind` on ClusterRoles do too. */
  given?: true;
}

const WRITE = ["create", "delete", "get", "patch"];
const FOLLOW = [...WRITE, "list", "watch"];
/** Helm replaces objects too. */
const RELEASE = [...FOLLOW, "update"];
const RBAC = "rbac.authorization.k8s.io";

/**
 * Returns all that an `up`, the tests and a `down` do in a cluster of somebody else, by the program's own components.
 * @param checkpoints whether a propagator is installed too
 */
export function rightsNeeded(settings: Settings, checkpoints: boolean): Right[] {
  const { namespace } = settings;
  const preview = previewIn(settings) !== undefined;
  return distinct([
    ...each(FOLLOW, "", ["namespaces"]),
    ...each(["list"], "", ["nodes"]),
    ...each(["list"], "storage.k8s.io", ["storageclasses"]),
    // Also what Bay's own Role holds: nobody may give what they do not have.
    ...each(FOLLOW, "", ["pods", "persistentvolumeclaims"], namespace),
    ...each(["get"], "", ["pods/log"], namespace),
    ...each(["create", "get"], "", ["pods/portforward"], namespace),
    ...each(
      WRITE,
      "",
      ["configmaps", "secrets", "serviceaccounts", ...(preview ? ["limitranges", "resourcequotas"] : [])],
      namespace,
    ),
    ...each(WRITE, RBAC, ["roles", "rolebindings"], namespace),
    ...each(WRITE, "networking.k8s.io", ["networkpolicies"], namespace),
    // Where the API server is, for the policy that lets a preview's Bay reach it. Where the cluster's DNS is need not
    // be readable (`dns.ts`).
    ...(preview
      ? [
          ...each(["get"], "", ["services"], "default"),
          ...each(["list"], "discovery.k8s.io", ["endpointslices"], "default"),
        ]
      : []),
    ...(checkpoints ? releaseRights(settings) : []),
  ]);
}

function each(verbs: readonly string[], group: string, resources: readonly string[], place?: string): Right[] {
  return resources.flatMap((resource) =>
    verbs.map((verb) => ({ verb, group, resource, ...(place ? { namespace: place } : {}) })),
  );
}

function distinct(rights: readonly Right[]): Right[] {
  return [
    ...new Map(
      rights.map((right) => [JSON.stringify([right.verb, right.group, right.resource, right.namespace]), right]),
    ).values(),
  ];
}

/**
 * What the propagator's own chart lets it do, by a ClusterRole: nobody may give what they do not have. A test compares
 * it with the chart.
 */
export const PROPAGATOR_RULES = [
  { resource: "pods", verbs: ["get", "list", "watch", "create", "delete"] },
  { resource: "events", verbs: ["list"] },
] as const;

function releaseRights(settings: Settings): Right[] {
  const own = settings.cedanaToken === "";
  const place = settings.checkpointNamespace || (own ? local : cedana).namespace(settings);
  const makesRoles = (settings.checkpointValues["rbac"] as { create?: boolean } | undefined)?.create !== false;
  return [
    ...(own && makesRoles
      ? [
          ...PROPAGATOR_RULES.flatMap(({ resource, verbs }) =>
            each(verbs, "", [resource]).map((right): Right => ({ ...right, given: true })),
          ),
          // It is bound where the sandboxes are.
          ...each(RELEASE, RBAC, ["rolebindings"], settings.namespace),
        ]
      : []),
    ...each(RELEASE, RBAC, ["clusterroles", "clusterrolebindings"]),
    ...each(RELEASE, "node.k8s.io", ["runtimeclasses"]),
    ...each(
      RELEASE,
      "",
      ["configmaps", "persistentvolumeclaims", "pods", "secrets", "serviceaccounts", "services"],
      place,
    ),
    ...each(RELEASE, "apps", ["daemonsets", "deployments"], place),
    ...each(RELEASE, "batch", ["jobs"], place),
    ...each(RELEASE, RBAC, ["roles", "rolebindings"], place),
    ...each(RELEASE, "networking.k8s.io", ["networkpolicies"], place),
  ];
}

/** The same, once the nodes were asked whether they can checkpoint where the configuration leaves it to them. */
export async function rightsFor(api: KubeApi, settings: Settings): Promise<Right[]> {
  const mode = checkpointMode(settings);
  // Who may not list nodes is told so with the rest.
  const nodes =
    mode === "auto"
      ? ((await api.get<KubeList<CheckpointNode>>("/api/v1/nodes").catch(() => undefined))?.items ?? [])
      : [];
  return rightsNeeded(settings, mode === true || (nodes.length > 0 && nodesWithoutRuntime(nodes).length === 0));
}

/**
 * Asks the API server for every right at once, as `kubectl auth can-i` does.
 * @param user name in the kubeconfig, for messages
 * @throws UserError E_RIGHTS with all that are missing, or when the server does not accept the credentials
 */
export async function requireRights(
  api: KubeApi,
  needed: readonly Right[],
  { user, kubectl }: { user: string; kubectl: string },
): Promise<void> {
  const missing = await missingRights(api, needed).catch((error: unknown) => {
    if (!(error instanceof KubeRefusal) || ![401, 403].includes(error.status)) throw error;
    throw new UserError("E_RIGHTS", {
      seen: `the API server at ${api.server} does not accept user "${user}": ${error.message}`,
      wanted: "credentials that it accepts",
      next: `${kubectl} auth whoami`,
      cause: error,
    });
  });
  const [first] = missing;
  if (!first) return;
  throw new UserError("E_RIGHTS", {
    seen: `user "${user}" may not:\n${describeRights(missing)
      .map((line) => `          - ${line}`)
      .join("\n")}`,
    wanted: "these rights, by a Role or a ClusterRole and its binding",
    next: `${kubectl} auth can-i ${first.verb} ${first.resource}${first.group ? `.${first.group}` : ""}${first.namespace ? ` --namespace ${first.namespace}` : ""}`,
  });
}

/** Rights of one resource in one line: `create, patch secrets in namespace bay`. */
export function describeRights(rights: readonly Right[]): string[] {
  const places = new Map<string, string[]>();
  for (const { verb, group, resource, namespace } of rights) {
    const place = `${resource}${group ? `.${group}` : ""}${namespace ? ` in namespace ${namespace}` : ""}`;
    places.set(place, [...(places.get(place) ?? []), verb]);
  }
  return [...places].map(([place, verbs]) => `${verbs.join(", ")} ${place}`);
}

interface Rule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
}

/** One list of rules for each namespace settles nearly all; only what it does not hold is asked for by itself. */
export async function missingRights(api: KubeApi, needed: readonly Right[]): Promise<Right[]> {
  const namespaces = [...new Set(needed.map(({ namespace }) => namespace ?? "default"))];
  const rules = new Map(
    await Promise.all(
      namespaces.map(async (namespace) => {
        const review = await api.create<{ status?: { resourceRules?: Rule[] } }>(
          "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
          {
            apiVersion: "authorization.k8s.io/v1",
            kind: "SelfSubjectRulesReview",
            spec: { namespace },
          },
        );
        return [namespace, review.status?.resourceRules ?? []] as const;
      }),
    ),
  );
  // Only of rules that are not a namespace's own it is certain that they hold for what has none.
  const unsettled = needed.filter(
    (right) => right.namespace === undefined || !rules.get(right.namespace)!.some((rule) => holds(rule, right)),
  );
  const answers = await Promise.all(unsettled.map((right) => isAllowed(api, right)));
  const missing = unsettled.filter((_, index) => !answers[index]);
  if (!missing.some(({ given }) => given)) return missing;
  const mayGive = (
    await Promise.all(
      ["escalate", "bind"].map((verb) => isAllowed(api, { verb, group: RBAC, resource: "clusterroles" })),
    )
  ).every(Boolean);
  return missing.filter(({ given }) => !given || !mayGive);
}

function holds(
  { verbs, apiGroups = [], resources = [], resourceNames = [] }: Rule,
  { verb, group, resource }: Right,
): boolean {
  const has = (list: string[], entry: string) => list.includes("*") || list.includes(entry);
  return resourceNames.length === 0 && has(verbs, verb) && has(apiGroups, group) && has(resources, resource);
}

async function isAllowed(api: KubeApi, { verb, group, resource, namespace }: Right): Promise<boolean> {
  const [name, subresource] = resource.split("/");
  const review = await api.create<{ status?: { allowed?: boolean } }>(
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectAccessReview",
      spec: {
        resourceAttributes: {
          verb,
          group,
          resource: name,
          ...(subresource ? { subresource } : {}),
          ...(namespace ? { namespace } : {}),
        },
      },
    },
  );
  return review.status?.allowed === true;
}
