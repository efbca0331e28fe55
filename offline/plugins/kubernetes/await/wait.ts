/** The wait itself: watches the object and what it depends on until a verdict stands. */
import type { ValueMap } from "../../rpc/values";
import type { ApiClient } from "../client";
import { follow } from "../follow";
import { gvkOf, nameOf } from "../objects";
import type { Discovery } from "../discovery";
import type { Awaiter, LogSource, Verdict } from "./verdict";

/** What is waited for. */
export interface WaitOptions {
  client: ApiClient;
  discovery: Discovery;
  /** The object as it was written. */
  object: ValueMap;
  awaiter: Awaiter;
  timeoutMs: number;
  signal: AbortSignal;
  /** Told whenever the reason for waiting changes. */
  onStatus(message: string): void;
}

/** The object exists but did not become ready. `details` are further lines for the user. */
export class AwaitError extends Error {
  constructor(
    message: string,
    readonly details: string[],
  ) {
    super(message);
    this.name = "AwaitError";
  }
}

/** Lines of a log that are shown for a crash. */
const LOG_LINES = 10;

/** @throws AwaitError when the object cannot become ready, is deleted, or the time is over; its details say why. */
export async function waitUntilReady(options: WaitOptions): Promise<void> {
  const name = nameOf(options.object);
  const failure = await watchVerdicts(options);
  if (!failure) return;
  const logs = await Promise.all((failure.logs ?? []).map((source) => lastLines(options.client, source)));
  throw new AwaitError(
    failure.reason === "deadline" ? `'${name}' timed out waiting to be Ready` : failure.message,
    [...failure.details, ...logs.flat()].filter((line, index, lines) => lines.indexOf(line) === index),
  );
}

/** The verdict at this moment, without waiting. */
export async function verdictNow({
  client,
  discovery,
  object,
  awaiter,
}: Pick<WaitOptions, "client" | "discovery" | "object" | "awaiter">): Promise<Verdict> {
  const seen: Record<string, ValueMap[]> = {};
  for (const [key, { path, fieldSelector, labelSelector }] of await sources(discovery, object, awaiter)) {
    if (key === SELF) continue;
    const list = await client.request({ path, query: { fieldSelector, labelSelector } });
    seen[key] = (list.items ?? []) as ValueMap[];
  }
  return awaiter.evaluate(object, seen);
}

interface Failure {
  reason: "deadline" | "hopeless" | "deleted" | "cancelled" | "refused";
  message: string;
  details: string[];
  logs?: LogSource[];
}

const SELF = "";

async function watchVerdicts({
  client,
  discovery,
  object,
  awaiter,
  timeoutMs,
  signal,
  onStatus,
}: WaitOptions): Promise<Failure | undefined> {
  const followed = await sources(discovery, object, awaiter);
  const stop = new AbortController();
  const name = nameOf(object);
  let grace: NodeJS.Timeout | undefined;
  let latest: Verdict = { state: "waiting", message: "", details: [] };
  try {
    return await new Promise<Failure | undefined>((resolve, reject) => {
      const seen = new Map<string, ValueMap[]>();
      const fail = (reason: Failure["reason"], message: string): void => {
        resolve({
          reason,
          message,
          details: latest.state === "ready" ? [] : latest.details,
          ...(latest.state === "hopeless" ? { logs: latest.logs } : {}),
        });
      };
      const judge = (): void => {
        if (seen.size < followed.length) return;
        const live = seen.get(SELF)?.[0];
        if (!live) {
          fail("deleted", `'${name}' was deleted while it was waited for`);
          return;
        }
        const before = latest;
        latest = awaiter.evaluate(live, Object.fromEntries(seen));
        if (latest.state === "ready") {
          resolve(undefined);
          return;
        }
        if (before.state === "ready" || before.message !== latest.message) onStatus(latest.message);
        if (latest.state !== "hopeless") {
          clearTimeout(grace);
          grace = undefined;
          return;
        }
        const { message, graceMs = 0 } = latest;
        if (graceMs === 0) fail("hopeless", `'${name}' cannot become Ready: ${message}`);
        else
          grace ??= setTimeout(() => {
            fail("hopeless", `'${name}' cannot become Ready: ${message}`);
          }, graceMs);
      };
      const deadline = setTimeout(() => {
        fail("deadline", "");
      }, timeoutMs);
      stop.signal.addEventListener("abort", () => {
        clearTimeout(deadline);
      });
      const cancelled = (): void => {
        fail("cancelled", `waiting for '${name}' to be Ready was cancelled`);
      };
      if (signal.aborted) cancelled();
      signal.addEventListener("abort", cancelled, { signal: stop.signal });
      for (const [key, source] of followed) {
        follow({
          client,
          ...source,
          signal: stop.signal,
          onChange: (objects) => {
            seen.set(key, objects);
            judge();
          },
        }).catch(reject);
      }
    });
  } finally {
    clearTimeout(grace);
    stop.abort();
  }
}

interface Source {
  path: string;
  fieldSelector?: string;
  labelSelector?: string;
}

async function sources(discovery: Discovery, object: ValueMap, awaiter: Awaiter): Promise<[string, Source][]> {
  const related = Object.entries(awaiter.related?.(object) ?? {});
  const own: Source = { path: await discovery.collection(object), fieldSelector: `metadata.name=${nameOf(object)}` };
  const others = related.map(
    async ([key, { apiVersion, kind, namespace, labelSelector, name }]): Promise<[string, Source]> => [
      key,
      {
        path: await discovery.collectionOf(gvkOf({ apiVersion, kind }), namespace),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
      },
    ],
  );
  return [[SELF, own], ...(await Promise.all(others))];
}

/** The end of a container's log; what cannot be read is left out, the reason for the failure stands without it. */
async function lastLines(client: ApiClient, { namespace, pod, container, previous }: LogSource): Promise<string[]> {
  const read = (before: boolean): Promise<string> =>
    client.text({
      path: `/api/v1/namespaces/${namespace || "default"}/pods/${pod}/log`,
      query: { container, previous: before, tailLines: LOG_LINES },
      timeout: 5000,
    });
  const text = await read(previous)
    .catch(() => read(!previous))
    .catch(() => "");
  return text.trim() === ""
    ? []
    : [
        `last log lines of container ${container}:\n${text
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`)
          .join("\n")}`,
      ];
}
