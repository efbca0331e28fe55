import { describeObject, eventLines, type KubeEvent, type KubeObject } from "../../infra/support/kube-text";
import type { ClusterAccess } from "../cluster/access";
import type { EvidenceFolder } from "./files";

/** Lines of each container's log that are kept. */
const LINES = 5_000;
/** Pods of kube-system whose logs are kept, where a cluster is large. */
const SYSTEM_PODS = 60;

interface Pod extends KubeObject {
  metadata: { name: string; namespace: string };
  spec?: { nodeName?: string; containers?: { name: string }[]; initContainers?: { name: string }[] };
  status?: { phase?: string; containerStatuses?: ContainerStatus[]; initContainerStatuses?: ContainerStatus[] };
}
interface ContainerStatus {
  name: string;
  restartCount: number;
  ready: boolean;
  state?: ContainerState;
  lastState?: ContainerState;
}
type ContainerState = Record<string, { reason?: string; message?: string; exitCode?: number }>;
interface List<T> {
  items: T[];
  kind: string;
}
interface Resource {
  name: string;
  kind: string;
  namespaced: boolean;
  verbs: string[];
}

/**
 * What a cluster shows of a run: of its namespaces the events, every object and all logs; of kube-system the pods;
 * nodes and volumes.
 * @throws Error when the cluster does not answer
 */
export async function gatherCluster(
  cluster: ClusterAccess,
  namespaces: readonly string[],
  into: EvidenceFolder,
): Promise<void> {
  into.write("cluster/version.json", JSON.stringify(await cluster.get("/version"), null, 2));
  await Promise.all([
    ...namespaces.map((namespace) => gatherNamespace(cluster, namespace, into)),
    gatherSystem(cluster, into),
    ...["nodes", "persistentvolumes", "namespaces"].map((kind) =>
      into.part(kind, async () => {
        const { items, kind: listKind } = await list<KubeObject>(cluster, `/api/v1/${kind}`);
        for (const item of kind === "namespaces"
          ? items.filter(({ metadata }) => namespaces.includes(metadata?.name ?? ""))
          : items) {
          into.write(
            `cluster/${kind}/${item.metadata?.name}.txt`,
            describeObject({ kind: listKind.replace(/List$/, ""), ...item }, []),
          );
        }
      }),
    ),
  ]);
}

/** The state of a pod in one line, as `kubectl get pods` has it. */
export function podLine(pod: Pod): string {
  const containers = pod.status?.containerStatuses ?? [];
  const waiting = [...(pod.status?.initContainerStatuses ?? []), ...containers].flatMap(({ name, state }) =>
    Object.entries(state ?? {})
      .filter(([kind]) => kind !== "running")
      .map(([kind, facts]) => `${name} ${kind} ${facts.reason ?? ""} ${facts.message ?? ""}`.trim()),
  );
  const restarts = containers.reduce((sum, { restartCount }) => sum + restartCount, 0);
  return `${pod.metadata.name} ${pod.status?.phase ?? "unknown"} ready ${containers.filter(({ ready }) => ready).length}/${pod.spec?.containers?.length ?? 0} restarts ${restarts}${waiting.length > 0 ? ` (${waiting.join("; ")})` : ""} on ${pod.spec?.nodeName ?? "no node"}`;
}

async function gatherNamespace(cluster: ClusterAccess, namespace: string, into: EvidenceFolder): Promise<void> {
  const base = `cluster/${namespace}`;
  const events: KubeEvent[] = [];
  await into.part(`events of ${namespace}`, async () => {
    events.push(...(await list<KubeEvent>(cluster, `/api/v1/namespaces/${namespace}/events`)).items);
    into.write(`${base}/events.txt`, eventLines(events));
  });
  await Promise.all([
    into.part(`pods of ${namespace}`, async () => {
      const pods = (await list<Pod>(cluster, `/api/v1/namespaces/${namespace}/pods`)).items;
      into.write(`${base}/pods.txt`, pods.map((pod) => `${podLine(pod)}\n`).join(""));
      await gatherLogs(cluster, pods, base, into);
    }),
    into.part(`objects of ${namespace}`, () => gatherObjects(cluster, namespace, events, into)),
  ]);
}

/** Every object of every kind that the cluster has in a namespace; of Secrets only the names of their keys. */
async function gatherObjects(
  cluster: ClusterAccess,
  namespace: string,
  events: readonly KubeEvent[],
  into: EvidenceFolder,
): Promise<void> {
  const groups = await cluster.get<{ groups: { preferredVersion: { groupVersion: string } }[] }>("/apis");
  const bases = [
    "/api/v1",
    ...(groups?.groups ?? []).map(({ preferredVersion }) => `/apis/${preferredVersion.groupVersion}`),
  ].filter((path) => !path.includes("events.k8s.io"));
  await Promise.all(
    bases.map((base) =>
      into.part(`kinds of ${base}`, async () => {
        const known = await cluster.get<{ resources: Resource[] }>(base);
        const listed = (known?.resources ?? []).filter(
          ({ name, namespaced, verbs }) =>
            namespaced && verbs.includes("list") && !name.includes("/") && name !== "events",
        );
        await Promise.all(
          listed.map(({ name, kind }) =>
            into.part(`${name} of ${namespace}`, async () => {
              for (const item of (
                await list<KubeObject & { data?: object }>(cluster, `${base}/namespaces/${namespace}/${name}`)
              ).items) {
                const shown =
                  kind === "Secret"
                    ? {
                        ...item,
                        data: Object.fromEntries(Object.keys(item.data ?? {}).map((key) => [key, "[secret]"])),
                      }
                    : item;
                into.write(
                  `cluster/${namespace}/${name}/${item.metadata?.name}.txt`,
                  describeObject({ kind, ...shown }, events),
                );
              }
            }),
          ),
        );
      }),
    ),
  );
}

async function gatherSystem(cluster: ClusterAccess, into: EvidenceFolder): Promise<void> {
  await into.part("pods of kube-system", async () => {
    const [pods, events] = await Promise.all([
      list<Pod>(cluster, "/api/v1/namespaces/kube-system/pods"),
      list<KubeEvent>(cluster, "/api/v1/namespaces/kube-system/events"),
    ]);
    into.write("cluster/kube-system/pods.txt", pods.items.map((pod) => `${podLine(pod)}\n`).join(""));
    into.write("cluster/kube-system/events.txt", eventLines(events.items));
    for (const pod of pods.items)
      into.write(
        `cluster/kube-system/pods/${pod.metadata.name}.txt`,
        describeObject({ kind: "Pod", ...pod }, events.items),
      );
    await gatherLogs(cluster, pods.items.slice(0, SYSTEM_PODS), "cluster/kube-system", into);
  });
}

async function gatherLogs(
  cluster: ClusterAccess,
  pods: readonly Pod[],
  base: string,
  into: EvidenceFolder,
): Promise<void> {
  const runs = pods.flatMap((pod) =>
    [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].flatMap(
      ({ name, restartCount, state, lastState }) => [
        // One that waits to be started again has the log of its last run; one that never ran has none.
        ...(state?.["waiting"] && !lastState?.["terminated"] ? [] : [{ pod, container: name, previous: false }]),
        ...(restartCount > 0 ? [{ pod, container: name, previous: true }] : []),
      ],
    ),
  );
  await Promise.all(
    runs.map(({ pod: { metadata }, container, previous }) =>
      into.part(`log of ${metadata.name}/${container}${previous ? " before its restart" : ""}`, async () => {
        const log = await cluster.text(
          `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/log?container=${container}&tailLines=${LINES}&timestamps=true${previous ? "&previous=true" : ""}`,
        );
        into.write(`${base}/logs/${metadata.name}/${container}${previous ? ".previous" : ""}.log`, log);
      }),
    ),
  );
}

async function list<T>(cluster: ClusterAccess, path: string): Promise<List<T>> {
  return (await cluster.get<List<T>>(path)) ?? { items: [], kind: "" };
}
