import { gunzipSync, gzipSync } from "node:zlib";

/** Label of Helm's records by which the registry-only plugin knows its releases again; it settles them by itself. */
export const OWNER_LABEL = "pulumi.com/urn";

/** Selects the Secrets in which Helm keeps its releases, all of them or one's. */
export function recordSelector(release?: string): string {
  return `owner=helm${release === undefined ? "" : `,name=${release}`}`;
}

/** A Secret of the API, as far as Helm uses it. */
export interface RecordSecret {
  metadata: { name: string; namespace: string; labels?: Record<string, string> };
  data?: { release?: string };
}

/** One revision of a release, as Helm recorded it. */
export interface HelmRecord {
  /** Name of the Secret that holds the record. */
  secret: string;
  name: string;
  namespace: string;
  revision: number;
  /**
   * Helm's word: `deployed`, `failed`, `superseded`, `uninstalling`, `uninstalled`, `pending-install`,
   * `pending-upgrade` or `pending-rollback`.
   */
  status: string;
  /** What Helm says of the revision, e.g. why it failed. */
  description: string;
  chart: { name: string; version: string; appVersion: string };
  /** The values that were given; without the chart's own. */
  values: Record<string, unknown>;
  /** All objects but hooks, as YAML documents. */
  manifest: string;
  /** Each hook's object as YAML. */
  hooks: string[];
  /** Labels of the Secret: Helm's own and those that were given. */
  labels: Record<string, string>;
}

interface Stored {
  name: string;
  namespace: string;
  version: number;
  info?: { status?: string; description?: string };
  chart?: { metadata?: { name?: string; version?: string; appVersion?: string } };
  config?: Record<string, unknown> | null;
  manifest?: string;
  hooks?: { manifest?: string }[] | null;
}

/**
 * What Helm keeps in such a Secret: JSON, packed by gzip, in base64
 * (https://helm.sh/docs/topics/advanced/#storage-backends).
 * @throws Error for a Secret that holds no release
 */
export function decodeRecord({ metadata, data }: RecordSecret): HelmRecord {
  if (!data?.release) throw new Error(`the Secret ${metadata.namespace}/${metadata.name} holds no release of Helm`);
  const stored = unpack(data.release);
  const { name = "", version = "", appVersion = "" } = stored.chart?.metadata ?? {};
  return {
    secret: metadata.name,
    name: stored.name,
    namespace: stored.namespace,
    revision: stored.version,
    status: stored.info?.status ?? "unknown",
    description: stored.info?.description ?? "",
    chart: { name, version, appVersion },
    values: stored.config ?? {},
    manifest: stored.manifest ?? "",
    hooks: (stored.hooks ?? []).map(({ manifest = "" }) => manifest),
    labels: metadata.labels ?? {},
  };
}

/** The data of such a Secret with another status of the revision. */
export function withStatus({ data }: RecordSecret, status: string): { release: string } {
  const stored = unpack(data?.release ?? "");
  const packed = gzipSync(JSON.stringify({ ...stored, info: { ...stored.info, status } })).toString("base64");
  return { release: Buffer.from(packed).toString("base64") };
}

function unpack(release: string): Stored {
  const packed = Buffer.from(Buffer.from(release, "base64").toString(), "base64");
  return JSON.parse((packed[0] === 0x1f ? gunzipSync(packed) : packed).toString()) as Stored;
}

/** Whether an operation of Helm on this revision is under way, or was when Helm was killed. */
export function isCutOff({ status }: Pick<HelmRecord, "status">): boolean {
  return status.startsWith("pending-") || status === "uninstalling";
}
