/** Reads what stands at a path of the API; nothing where the server says 404. */
export type Get = <T>(path: string) => Promise<T | undefined>;

/** One thing that keeps a namespace from going. */
export interface Hold {
  /** What it is and why it holds the namespace, in words. */
  what: string;
  /** Command that helps, with what to know before it is used. */
  next: string;
  /** Whether it passes by itself: a pod within its grace period, content that is being deleted. */
  passing: boolean;
}

/** What was found of a namespace that is being deleted. */
export interface Holds {
  /** The most telling first; empty when the namespace is gone. */
  holds: Hold[];
  /** The same as one line for people. */
  text: string;
  /** The command for the first of them. */
  next: string;
}

interface Metadata {
  name: string;
  deletionTimestamp?: string;
  finalizers?: string[] | null;
}
interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}
interface Namespace {
  metadata: Metadata;
  spec?: { finalizers?: string[] | null };
  status?: { conditions?: Condition[] | null };
}
interface KubeObject {
  metadata: Metadata;
  spec?: PodSpec;
}
interface PodSpec {
  nodeName?: string;
  volumes?: { persistentVolumeClaim?: { claimName: string } }[] | null;
}
interface ApiService {
  metadata: Metadata;
  spec: { service?: { namespace: string; name: string } | null };
  status?: { conditions?: Condition[] | null };
}
interface Resource {
  path: string;
  name: string;
}

/** Objects of one kind that are looked at; a namespace with more of them says enough by these. */
const MOST = 20;
/** Holds that one line names. */
const SHOWN = 4;

/**
 * Finds out what keeps a namespace that is being deleted: an API that does not answer, a finalizer that nobody takes
 * away, a pod whose node is gone, a claim that a pod uses, a webhook that refuses. Looks only.
 * @param kubectl the words that begin a command, with the kubeconfig and the context that lead to the cluster
 */
export async function holdsOf(get: Get, name: string, kubectl: string): Promise<Holds> {
  const namespace = await get<Namespace>(`/api/v1/namespaces/${name}`);
  if (!namespace) return { holds: [], text: "it is gone", next: "" };
  const conditions = (namespace.status?.conditions ?? []).filter(({ status }) => status === "True");
  const told = { get, name, kubectl, conditions };
  const [apis, content] = await Promise.all([brokenApis(told), contentOf(told)]);
  const holds = [...apis, ...refusals(told), ...ownFinalizers(namespace, told), ...content];
  if (holds.length === 0) holds.push(unseen(namespace, told));
  holds.sort((a, b) => Number(a.passing) - Number(b.passing));
  const more = holds.length > SHOWN ? `; and ${holds.length - SHOWN} more` : "";
  return {
    holds,
    text:
      holds
        .slice(0, SHOWN)
        .map(({ what }) => what)
        .join("; ") + more,
    next: holds[0]!.next,
  };
}

interface Told {
  get: Get;
  name: string;
  kubectl: string;
  conditions: Condition[];
}

function condition({ conditions }: Told, type: string): Condition | undefined {
  return conditions.find((each) => each.type === type);
}

// --- APIs that do not answer -------------------------------------------------------------------------------

/** Until every API has answered the namespace's controller does not know what is in it. */
async function brokenApis(told: Told): Promise<Hold[]> {
  const failure =
    condition(told, "NamespaceDeletionDiscoveryFailure") ??
    condition(told, "NamespaceDeletionGroupVersionParsingFailure");
  const services =
    (await quiet(told.get<{ items: ApiService[] }>("/apis/apiregistration.k8s.io/v1/apiservices")))?.items ?? [];
  const dead = services.flatMap(({ metadata, spec, status }) => {
    const available = status?.conditions?.find(({ type }) => type === "Available");
    return available?.status === "False"
      ? [
          {
            name: metadata.name,
            service: spec.service,
            reason: `${available.reason ?? ""}: ${available.message ?? ""}`,
          },
        ]
      : [];
  });
  if (!failure && dead.length === 0) return [];
  const held = failure
    ? `, so what is in the namespace cannot be listed (${failure.type})`
    : ", so what is in the namespace cannot be listed";
  if (dead.length === 0)
    return [
      { what: `${failure!.type}: ${failure!.message ?? ""}`, next: `${told.kubectl} get apiservices`, passing: false },
    ];
  return dead.map(({ name, service, reason }): Hold => ({
    what: `the API ${name}${service ? `, served by ${service.namespace}/${service.name},` : ""} does not answer${held}: ${reason}`,
    next: `${told.kubectl} delete apiservice ${name}   (if what serves it is gone for good; else mend it: ${told.kubectl} describe apiservice ${name})`,
    passing: false,
  }));
}

/** Deletions that the API server refuses, an admission webhook for example. */
function refusals(told: Told): Hold[] {
  const failure = condition(told, "NamespaceDeletionContentFailure");
  if (!failure) return [];
  const webhook = /webhook "([^"]+)"/.exec(failure.message ?? "")?.[1];
  return [
    {
      what: `its content cannot be deleted (${failure.type}): ${failure.message ?? ""}`,
      passing: false,
      next:
        webhook === undefined
          ? `${told.kubectl} describe namespace ${told.name}`
          : `${told.kubectl} get validatingwebhookconfigurations,mutatingwebhookconfigurations   (that of ${webhook} refuses)`,
    },
  ];
}

/** Finalizers of the namespace itself. `kubernetes` is its controller's, and the last to go. */
function ownFinalizers({ metadata, spec }: Namespace, { name, kubectl }: Told): Hold[] {
  const others = [...(metadata.finalizers ?? []), ...(spec?.finalizers ?? []).filter((each) => each !== "kubernetes")];
  return others.map((finalizer): Hold => ({
    what: `the namespace itself has the finalizer ${finalizer}`,
    next: `${kubectl} get namespace ${name} --output yaml   (what set ${finalizer} must take it away)`,
    passing: false,
  }));
}

// --- what is left in it ------------------------------------------------------------------------------------

async function contentOf(told: Told): Promise<Hold[]> {
  const resources = await remaining(told);
  const found = await Promise.all(
    resources.map(async (resource) => {
      const list = await quiet(told.get<{ items?: KubeObject[] }>(`${resource.path}?limit=${MOST}`));
      return (list?.items ?? []).map((object) => ({ resource, object }));
    }),
  );
  const objects = found.flat();
  const pods = objects
    .filter(({ resource }) => resource.path === `/api/v1/namespaces/${told.name}/pods`)
    .map(({ object }) => object);
  return (await Promise.all(objects.map(({ resource, object }) => holdOf(resource, object, pods, told)))).flat();
}

/** The kinds of which the controller says that something is left; before it has looked, all kinds. */
async function remaining(told: Told): Promise<Resource[]> {
  const message = condition(told, "NamespaceContentRemaining")?.message ?? "";
  const named = [...message.matchAll(/([a-z0-9-]+)\.([a-z0-9.-]*) has \d+ resource instances/g)].map(
    ([, resource = "", group = ""]) => ({ resource, group }),
  );
  if (named.length === 0) return allKinds(told);
  const kinds = await Promise.all(
    named.map(async ({ resource, group }) => {
      const version = group === "" ? "/api/v1" : await preferred(told.get, group);
      return version === undefined
        ? []
        : [
            {
              path: `${version}/namespaces/${told.name}/${resource}`,
              name: group === "" ? resource : `${resource}.${group}`,
            },
          ];
    }),
  );
  return kinds.flat();
}

async function preferred(get: Get, group: string): Promise<string | undefined> {
  const found = await quiet(get<{ preferredVersion?: { groupVersion: string } }>(`/apis/${group}`));
  return found?.preferredVersion && `/apis/${found.preferredVersion.groupVersion}`;
}

interface Group {
  name: string;
  preferredVersion?: { groupVersion: string };
}
interface ApiResource {
  name: string;
  namespaced: boolean;
  verbs: string[];
}

async function allKinds({ get, name }: Told): Promise<Resource[]> {
  const groups = (await quiet(get<{ groups: Group[] }>("/apis")))?.groups ?? [];
  const versions = [
    "/api/v1",
    ...groups.flatMap(({ preferredVersion }) => (preferredVersion ? [`/apis/${preferredVersion.groupVersion}`] : [])),
  ];
  const lists = await Promise.all(
    versions.map(async (version) => {
      const known = (await quiet(get<{ resources: ApiResource[] }>(version)))?.resources ?? [];
      const group = version === "/api/v1" ? "" : `.${version.split("/")[2]!}`;
      return known
        .filter(
          ({ name: kind, namespaced, verbs }) =>
            namespaced && !kind.includes("/") && verbs.includes("list") && verbs.includes("delete"),
        )
        .map(({ name: kind }): Resource => ({
          path: `${version}/namespaces/${name}/${kind}`,
          name: `${kind}${group}`,
        }));
    }),
  );
  // Events come and go while a namespace ends, and hold nothing.
  return lists.flat().filter(({ name: kind }) => !kind.startsWith("events"));
}

async function holdOf(
  resource: Resource,
  object: KubeObject,
  pods: readonly KubeObject[],
  told: Told,
): Promise<Hold[]> {
  const { name, deletionTimestamp, finalizers } = object.metadata;
  const shown = `${resource.name} ${name}`;
  const users =
    resource.name === "persistentvolumeclaims" && finalizers?.includes(CLAIM_IN_USE)
      ? pods.filter(({ spec }) => mounts(spec, name))
      : [];
  if (users.length > 0) {
    return [
      {
        what: `${shown} is used by pod ${users.map(({ metadata }) => metadata.name).join(", ")} (finalizer ${CLAIM_IN_USE})`,
        next: `${told.kubectl} --namespace ${told.name} describe pod ${users[0]!.metadata.name}`,
        passing: true,
      },
    ];
  }
  const held = (finalizers ?? []).filter((finalizer) => !PASSING.includes(finalizer));
  if (held.length > 0) {
    const patch = `'{"metadata":{"finalizers":null}}'`;
    return held.map((finalizer): Hold => ({
      what: `${shown} has the finalizer ${finalizer}, which ${deletionTimestamp ? "what set it has not taken away" : "keeps it"}`,
      passing: false,
      next: `${told.kubectl} --namespace ${told.name} patch ${resource.name} ${name} --type=merge --patch ${patch}   (if what set ${finalizer} is gone for good)`,
    }));
  }
  if (resource.name === "pods") return [await podHold(object, told)];
  return deletionTimestamp
    ? [
        {
          what: `${shown} is being deleted`,
          next: `${told.kubectl} --namespace ${told.name} get ${resource.name} ${name} --output yaml`,
          passing: true,
        },
      ]
    : [];
}

const CLAIM_IN_USE = "kubernetes.io/pvc-protection";
/** Finalizers that Kubernetes itself takes away as soon as it can. */
const PASSING = [CLAIM_IN_USE, "foregroundDeletion", "orphan"];

function mounts(spec: PodSpec | undefined, claim: string): boolean {
  return spec?.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === claim) ?? false;
}

async function podHold(
  { metadata: { name, deletionTimestamp }, spec }: KubeObject,
  { get, name: namespace, kubectl }: Told,
): Promise<Hold> {
  const describe = `${kubectl} --namespace ${namespace} describe pod ${name}`;
  if (!deletionTimestamp) return { what: `pods ${name} is not being deleted yet`, next: describe, passing: true };
  const left = Math.ceil((Date.parse(deletionTimestamp) - Date.now()) / 1000);
  if (left > 0) return { what: `pods ${name} has ${left} s left to end by itself`, next: describe, passing: true };
  const node = spec?.nodeName ?? "";
  const lost = node === "" ? undefined : await lostNode(get, node);
  if (lost === undefined)
    return {
      what: `pods ${name} is past its time, and the kubelet of node ${node} has not ended it yet`,
      next: describe,
      passing: true,
    };
  return {
    what: `pods ${name} waits for its node ${node}, which ${lost}`,
    passing: false,
    next: `${kubectl} --namespace ${namespace} delete pod ${name} --force --grace-period=0   (if node ${node} is gone for good)`,
  };
}

async function lostNode(get: Get, node: string): Promise<string | undefined> {
  try {
    const found = await get<{ status?: { conditions?: Condition[] } }>(`/api/v1/nodes/${node}`);
    if (!found) return "the cluster does not have any more";
    const ready = found.status?.conditions?.find(({ type }) => type === "Ready");
    return ready?.status === "True" ? undefined : `is not ready: ${ready?.message ?? "no condition"}`;
  } catch {
    return undefined; // This account may not look at nodes.
  }
}

/** Nothing holds it, as far as this account can see. */
function unseen({ metadata: { deletionTimestamp }, status }: Namespace, { name, kubectl }: Told): Hold {
  const next = `${kubectl} describe namespace ${name}`;
  if (!deletionTimestamp) return { what: "nobody has asked for its deletion", next, passing: false };
  const seconds = Math.round((Date.now() - Date.parse(deletionTimestamp)) / 1000);
  if ((status?.conditions ?? []).length > 0 || seconds < 15)
    return { what: "its controller is at it, and names nothing that is left", next, passing: true };
  return {
    what: `its controller has not looked at it for ${seconds} s: kube-controller-manager may not run`,
    next: `${kubectl} --namespace kube-system get pods`,
    passing: false,
  };
}

/** What this account may not see, or what does not answer, tells nothing. */
async function quiet<T>(answer: Promise<T | undefined>): Promise<T | undefined> {
  return answer.catch(() => undefined);
}
