import { parseAllDocuments } from "yaml";
import { LABELS } from "../../infra/naming";
import {
  decodeRecord,
  type HelmRecord,
  isCutOff,
  OWNER_LABEL,
  type RecordSecret,
  recordSelector,
  withStatus,
} from "../../infra/support/helm-record";
import { type ClusterAccess, openCluster } from "./access";
import { type ObjectAddress, objectPath } from "./object-path";
import type { Tell } from "../progress";
import type { StackState } from "../stack/stack-state";

const RELEASE_TYPE = "kubernetes:helm.sh/v3:Release";

/** By these annotations Helm knows what is a release's. */
const RELEASE_NAME = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE = "meta.helm.sh/release-namespace";

/** Whether a state has a release, or was about to. */
export function hasReleases(state: StackState | undefined): boolean {
  return releasesOf(state).length > 0;
}

/**
 * Puts right the stack's releases on which Helm was killed, and which Helm then refuses to touch. A first installation
 * is removed with all that it made. A cut-off upgrade is taken for the newest that is deployed, so that the next one
 * removes what it had brought; the registry-only plugin, whose releases carry its label, rolls it back instead. It
 * takes no helm: Helm's records tell all. A cluster that does not answer is left alone: it is gone, or the next step
 * says so.
 */
export async function settleReleases(kubeconfig: string, state: StackState | undefined, tell: Tell): Promise<void> {
  const cluster = await openCluster(kubeconfig);
  try {
    if (
      !(await cluster.get("/version").then(
        () => true,
        () => false,
      ))
    )
      return;
    for (const release of releasesOf(state))
      if (await isOwn(cluster, release, state)) await settle(cluster, release, tell);
  } finally {
    cluster.close();
  }
}

/**
 * Whether a release's namespace carries the label that the stack's state gave it: another release may have the same
 * names.
 */
async function isOwn(
  cluster: ClusterAccess,
  { namespace }: PlannedRelease,
  state: StackState | undefined,
): Promise<boolean> {
  const declared = [...(state?.resources ?? []), ...(state?.pending ?? []).map(({ resource }) => resource)]
    .filter(({ type }) => type === "kubernetes:core/v1:Namespace")
    .map(({ inputs }) => inputs?.["metadata"] as { name?: string; labels?: Record<string, string> } | undefined)
    .find((metadata) => metadata?.name === namespace);
  const live = await cluster.get<{ metadata: { labels?: Record<string, string> } }>(`/api/v1/namespaces/${namespace}`);
  const owner = declared?.labels?.[LABELS.owner];
  return owner !== undefined && live?.metadata.labels?.[LABELS.owner] === owner;
}

async function settle(cluster: ClusterAccess, { name, namespace, known }: PlannedRelease, tell: Tell): Promise<void> {
  const secrets = await secretsOf(cluster, namespace, name);
  const records = secrets.map(decodeRecord);
  const last = records.at(-1);
  // One whose creation was cut off after Helm was done stands in no state, and the next `up` would run into it.
  if (!last || (known && !isCutOff(last))) return;
  // What a way back would have restored stands in an earlier revision; the one that changed things is the last other
  // one.
  const changed = [...secrets].reverse().find((secret) => decodeRecord(secret).status !== "pending-rollback");
  if (!known || last.status === "uninstalling" || records.length === 1 || !changed) {
    tell(`removing the Helm release ${namespace}/${name}, which was cut off (${last.status})`);
    for (const record of records) await removeObjects(cluster, record, () => true);
    for (const record of records) await cluster.remove(secretPath(record));
  } else if (!records.some(({ labels }) => OWNER_LABEL in labels)) {
    tell(
      `going on from revision ${decodeRecord(changed).revision} of the Helm release ${namespace}/${name}, which was cut off (${last.status})`,
    );
    for (const record of records.filter(({ status }) => status === "pending-rollback"))
      await cluster.remove(secretPath(record));
    for (const secret of secrets.filter((each) => decodeRecord(each).status === "deployed"))
      await setStatus(cluster, secret, "superseded");
    await setStatus(cluster, changed, "deployed");
  }
}

function setStatus(cluster: ClusterAccess, secret: RecordSecret, status: string): Promise<void> {
  return cluster.merge(secretPath(decodeRecord(secret)), {
    metadata: { labels: { status } },
    data: withStatus(secret, status),
  });
}

/** Removes what the releases of a namespace made outside of it, before the namespace goes with all that is in it. */
export async function removeOutsideOf(cluster: ClusterAccess, namespace: string): Promise<void> {
  for (const record of (await secretsOf(cluster, namespace)).map(decodeRecord))
    await removeObjects(cluster, record, (path) => !path.includes(`/namespaces/${namespace}/`));
}

interface Found {
  metadata: { uid: string; annotations?: Record<string, string> };
}

/** What carries the release's annotations, and the hooks in its namespace, which carry none. */
async function removeObjects(
  cluster: ClusterAccess,
  { name, namespace, manifest, hooks }: HelmRecord,
  wanted: (path: string) => boolean,
): Promise<void> {
  for (const address of [manifest, ...hooks].flatMap(objectsIn)) {
    const path = await objectPath(cluster.get, address, namespace);
    if (!path || !wanted(path)) continue;
    const found = await cluster.get<Found>(path);
    const annotations = found?.metadata.annotations ?? {};
    const own = annotations[RELEASE_NAME] === name && annotations[RELEASE_NAMESPACE] === namespace;
    const hook = "helm.sh/hook" in annotations && path.includes(`/namespaces/${namespace}/`);
    if (found && (own || hook))
      await cluster.remove(path, { propagationPolicy: "Background", preconditions: { uid: found.metadata.uid } });
  }
}

function objectsIn(manifest: string): ObjectAddress[] {
  return parseAllDocuments(manifest)
    .map((document) => document.toJS() as ObjectAddress | null)
    .filter((object): object is ObjectAddress => Boolean(object?.apiVersion && object.kind));
}

/** Helm's records of one release, or of all in a namespace, oldest first. */
async function secretsOf(cluster: ClusterAccess, namespace: string, name?: string): Promise<RecordSecret[]> {
  const list = await cluster.get<{ items: RecordSecret[] }>(
    `/api/v1/namespaces/${namespace}/secrets?labelSelector=${encodeURIComponent(recordSelector(name))}`,
  );
  return (list?.items ?? []).sort((a, b) => decodeRecord(a).revision - decodeRecord(b).revision);
}

function secretPath({ namespace, secret }: HelmRecord): string {
  return `/api/v1/namespaces/${namespace}/secrets/${secret}`;
}

interface PlannedRelease {
  name: string;
  namespace: string;
  known: boolean;
}

/** Releases by the state: those that it knows, and those whose creation was cut off. */
function releasesOf(state: StackState | undefined): PlannedRelease[] {
  const place = (inputs: Record<string, unknown> | undefined, known: boolean) => ({
    name: String(inputs?.["name"]),
    namespace: String(inputs?.["namespace"]),
    known,
  });
  const resources = (state?.resources ?? []).filter(({ type }) => type === RELEASE_TYPE);
  const begun = (state?.pending ?? []).filter(
    ({ type, resource }) => type === "creating" && resource.type === RELEASE_TYPE,
  );
  return [
    ...resources.map(({ inputs }) => place(inputs, true)),
    ...begun.map(({ resource }) => place(resource.inputs, false)),
  ];
}
