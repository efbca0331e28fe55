import { stringify } from "yaml";

/** An event of a cluster, from a client library or from plain JSON. */
export interface KubeEvent {
  metadata: { creationTimestamp?: Date | string };
  involvedObject: { kind?: string; name?: string };
  type?: string;
  reason?: string;
  message?: string;
  count?: number;
  lastTimestamp?: Date | string | null;
  eventTime?: Date | string | null;
}

/** An object of a cluster, as far as every kind has it. */
export interface KubeObject {
  kind?: string;
  metadata?: { name?: string; namespace?: string; managedFields?: unknown };
  status?: object;
}

/** Events as `kubectl get events` shows them, oldest first, each a line. */
export function eventLines(events: readonly KubeEvent[]): string {
  const time = (event: KubeEvent): string =>
    new Date(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? 0).toISOString();
  return events
    .map((event) => ({ at: time(event), event }))
    .sort((a, b) => a.at.localeCompare(b.at))
    .map(
      ({ at, event }) =>
        `${at} ${event.type} ${event.reason} ${event.involvedObject.kind}/${event.involvedObject.name}: ${event.message}${(event.count ?? 1) > 1 ? ` (${event.count} times)` : ""}\n`,
    )
    .join("");
}

/** What `kubectl describe` is read for: conditions, the object's own events, and all of it as YAML. */
export function describeObject(object: KubeObject, events: readonly KubeEvent[]): string {
  const { kind = "", metadata } = object;
  const own = events.filter(
    ({ involvedObject }) => involvedObject.name === metadata?.name && involvedObject.kind === kind,
  );
  const status = (object.status ?? {}) as {
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
  };
  const conditions = (status.conditions ?? []).map(({ type, status: value, reason, message }) =>
    `  ${type}=${value} ${[reason, message].filter(Boolean).join(": ")}`.trimEnd(),
  );
  return [
    `${kind} ${metadata?.namespace ? `${metadata.namespace}/` : ""}${metadata?.name ?? ""}`,
    "",
    "conditions:",
    ...(conditions.length > 0 ? conditions : ["  none"]),
    "",
    "events:",
    own.length > 0 ? eventLines(own).trimEnd().replace(/^/gm, "  ") : "  none",
    "",
    // Who set which field is noise here.
    stringify({ ...object, metadata: { ...metadata, managedFields: undefined } }),
  ].join("\n");
}
