import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import type { V1Pod } from "@kubernetes/client-node";
import { stringify } from "yaml";
import type { SECRET_OUTPUTS, StackOutputs } from "../../infra/outputs";
import { eventLines, maskOf } from "./evidence-text";
import { type Kube, kubeProblem } from "./kube";
import { folderName } from "./names";
import { runFolder, writeArtifact } from "./run-folder";

/** Milliseconds that gathering evidence may take; what is not there by then is left out. */
const DEADLINE = 30_000;
/** Failures of one process whose evidence is saved in full: when everything fails, more of the same tells nothing. */
const IN_FULL = 10;
let failures = 0;
/** File of the run's folder in which the main process keeps the forward's status. */
export const FORWARD_FILE = "forward.json";

type Write = (path: string, content: string | object) => void;

/**
 * Saves what the cluster shows while a failure is fresh, in `failures/<test>/` of the run's folder: the error, events,
 * every object of the namespace as YAML, the logs of all its pods (Bay's among them), the forward's status. `more` has
 * further files by their names, each by what gives its content. Never throws: what could not be had is said in
 * `incomplete.txt`.
 */
export async function saveFailure(
  kube: Kube,
  outputs: Pick<StackOutputs, "namespace" | (typeof SECRET_OUTPUTS)[number]>,
  testName: string,
  error: unknown,
  more: Record<string, () => Promise<string>> = {},
): Promise<void> {
  const folder = join("failures", folderName(testName));
  const mask = maskOf(outputs);
  const write: Write = (path, content) =>
    writeArtifact(join(folder, path), typeof content === "string" ? mask(content) : mask(stringify(content)));
  const missing: string[] = [];
  const part = (what: string, work: Promise<void>): Promise<void> =>
    work.catch((problem: unknown) => {
      missing.push(`${what}: ${kubeProblem(problem)}`);
    });
  write("error.txt", `${testName}\n\n${textOf(error)}\n`);
  copyForward(folder);
  failures += 1;
  if (failures > IN_FULL)
    return write("incomplete.txt", `${IN_FULL} failures before this one have the cluster's state\n`);
  const { namespace } = outputs;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      missing.push(`not all was there after ${DEADLINE / 1000} s`);
      resolve();
    }, DEADLINE);
  });
  await Promise.race([
    late,
    Promise.all([
      part(
        "events",
        kube.events(namespace).then((events) => write("events.txt", eventLines(events))),
      ),
      part(
        "objects",
        kube.objects(namespace).then((objects) => writeObjects(objects, write)),
      ),
      ...Object.entries(more).map(([file, content]) =>
        part(
          file,
          content().then((text) => write(file, text)),
        ),
      ),
      part(
        "logs",
        kube.pods(namespace).then((pods) => writeLogs(kube, pods, write)),
      ),
    ]),
  ]);
  clearTimeout(timer);
  if (missing.length > 0) write("incomplete.txt", `${missing.join("\n")}\n`);
}

function textOf(error: unknown): string {
  const found = Array.isArray(error) ? (error[0] as unknown) : error;
  return found instanceof Error || (typeof found === "object" && found !== null && "stack" in found)
    ? String(found.stack)
    : String(found);
}

function copyForward(folder: string): void {
  const source = join(runFolder(), FORWARD_FILE);
  if (existsSync(source)) copyFileSync(source, join(runFolder(), folder, FORWARD_FILE));
}

function writeObjects(objects: Record<string, object[]>, write: Write): void {
  for (const [kind, items] of Object.entries(objects)) {
    for (const item of items as { metadata?: { name?: string; managedFields?: unknown } }[]) {
      // Who set which field is noise here.
      const metadata = { ...item.metadata, managedFields: undefined };
      write(join("objects", kind, `${metadata.name}.yaml`), { ...item, metadata });
    }
  }
}

async function writeLogs(kube: Kube, pods: readonly V1Pod[], write: Write): Promise<void> {
  const runs = pods.flatMap((pod) =>
    (pod.status?.containerStatuses ?? []).flatMap((status) => [
      { pod, container: status.name, previous: false },
      ...(status.restartCount > 0 ? [{ pod, container: status.name, previous: true }] : []),
    ]),
  );
  await Promise.all(
    runs.map(async ({ pod, container, previous }) => {
      const name = pod.metadata!.name!;
      const log = await kube
        .log(pod.metadata!.namespace!, name, { container, previous, tailLines: 2_000 })
        .catch(kubeProblem);
      write(join("logs", name, `${container}${previous ? ".previous" : ""}.log`), log);
    }),
  );
}
