import { appendFileSync, copyFileSync, existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { kubeconfigFile, ownerOf } from "../../infra/naming";
import type { StackOutputs } from "../../infra/outputs";
import { tryRun } from "../../infra/support/exec";
import { maskerOf } from "../../infra/support/secrets";
import { type ClusterAccess, kubeconfigOf, openCluster } from "../cluster/access";
import { examine } from "../doctor/run";
import { subjectOf } from "../doctor/subject";
import { gatherCluster } from "./cluster";
import { archive, EvidenceFolder } from "./files";
import { gatherHost, gatherNodes } from "./host";
import { allSecrets } from "./known-secrets";
import { namespacesIn } from "../cluster/namespaces";
import { ROOT } from "../paths";
import { stackFilePath } from "../stack/stack-file";
import { stateInClear, type StackState } from "../stack/stack-state";

/** Milliseconds that all of it may take; what is not there by then is said to be missing. */
const DEADLINE = 45_000;

export interface EvidenceRequest {
  stack: string;
  /** The run's folder. */
  folder: string;
  outputs?: StackOutputs | undefined;
  /** What ended the run. */
  error?: unknown;
  /** Milliseconds; default 45 000. */
  deadline?: number;
  /** Ends the gathering: what is there by then is kept. */
  signal?: AbortSignal;
}

/** What was saved of a failure. */
export interface Evidence {
  folder: string;
  /** The same as one `.tar.gz`; the folder where it could not be packed. */
  archive: string;
  /** What could not be had, a line each. */
  missing: readonly string[];
}

/** File of the run's folder with all that Pulumi said. */
export const PULUMI_LOG = "pulumi.log";

/**
 * Saves what a failed run shows, before anything is cleaned up: cluster, nodes, Pulumi, versions, configuration.
 * Works with a cluster that is half up or dead and without Docker; secrets are masked. Never throws.
 */
export async function collectEvidence({
  stack,
  folder,
  outputs,
  error,
  deadline = DEADLINE,
  signal: stop,
}: EvidenceRequest): Promise<Evidence> {
  const controller = new AbortController();
  const { signal } = controller;
  const into = new EvidenceFolder(
    join(folder, "evidence"),
    maskerOf(outputs ? [outputs.apiKey, outputs.kubeconfig] : []),
  );
  const file = join(folder, "evidence.tar.gz");
  const work = gather({ stack, folder, outputs, error }, into, signal);
  const missing = await closeAfter(into, work, deadline, stop);
  controller.abort();
  try {
    await archive(into.folder, file);
    return { folder: into.folder, archive: file, missing };
  } catch (problem) {
    const line = `archive: ${String(problem)}`;
    appendFileSync(join(into.folder, "incomplete.txt"), `${line}\n`, { mode: 0o600 });
    return { folder: into.folder, archive: into.folder, missing: [...missing, line] };
  }
}

/**
 * Waits for the work, the deadline or the signal, whichever comes first, and closes the folder.
 * @param deadline milliseconds
 * @returns what is missing, as `incomplete.txt` lists it
 */
export async function closeAfter(
  into: EvidenceFolder,
  work: Promise<void>,
  deadline: number,
  stop?: AbortSignal,
): Promise<string[]> {
  let cut: (why: string) => void = () => undefined;
  const late = new Promise<void>((resolve) => {
    cut = (why) => {
      into.miss(`not all was there ${why}`);
      resolve();
    };
  });
  const timer = setTimeout(() => {
    cut(`after ${deadline / 1000} s`);
  }, deadline);
  const stopped = (): void => {
    cut("when a signal ended it");
  };
  stop?.addEventListener("abort", stopped);
  if (stop?.aborted) stopped();
  await Promise.race([into.part("evidence", () => work), late]);
  clearTimeout(timer);
  stop?.removeEventListener("abort", stopped);
  return into.close();
}

async function gather(
  { stack, folder, outputs, error }: Omit<EvidenceRequest, "deadline" | "signal">,
  into: EvidenceFolder,
  signal: AbortSignal,
): Promise<void> {
  const owner = ownerOf(ROOT, stack);
  const state = await stateInClear(stack, signal);
  if (!state) into.miss("state: Pulumi does not know the stack, or its passphrase is not the right one");
  const kubeconfig = outputs?.kubeconfig ?? (await kubeconfigOf(stack, state, signal));
  const secrets = await allSecrets(stack, { state, outputs, kubeconfig }, signal);
  into.maskWith(maskerOf(secrets));
  into.write("error.txt", `${error instanceof Error ? (error.stack ?? error.message) : String(error ?? "")}\n`);
  await Promise.all([
    gatherHost(into, signal),
    gatherNodes(owner, into, signal),
    gatherPulumi(stack, state, into, signal),
    into.part("doctor", async () => {
      const rows = await examine(await subjectOf(stack));
      into.write(
        "host/doctor.json",
        JSON.stringify(
          rows.map(({ name, status, found, needed, fix }) => ({ name, status, found, needed, fix })),
          null,
          2,
        ),
      );
    }),
    into.part("cluster", async () => {
      if (kubeconfig === undefined)
        throw new Error(`no kubeconfig in outputs, state, ${relative(ROOT, kubeconfigFile(ROOT, stack))} or a node`);
      const cluster = await openCluster(kubeconfig, signal);
      try {
        const namespaces = await namespacesIn(cluster, owner).then((found) => found.map(({ name }) => name));
        into.maskWith(maskerOf([...secrets, ...(await clusterSecrets(cluster, namespaces))]));
        await gatherCluster(cluster, namespaces, into);
      } finally {
        cluster.close();
      }
    }),
  ]);
  keepPulumiLog(folder, into);
}

async function gatherPulumi(
  stack: string,
  state: StackState | undefined,
  into: EvidenceFolder,
  signal: AbortSignal,
): Promise<void> {
  const lines = (state?.resources ?? []).map(({ type, urn, id }) =>
    `${type} ${urn.split("::").at(-1)} ${id ?? ""}`.trimEnd(),
  );
  const cutOff = (state?.pending ?? []).map(({ type, resource }) => `${type}: ${resource.urn}`);
  into.write(
    "pulumi/resources.txt",
    `${lines.join("\n")}\n\noperations that were cut off:\n${cutOff.join("\n") || "none"}\n`,
  );
  const file = stackFilePath(stack);
  if (existsSync(file)) into.write("pulumi/stack-file.yaml", readFileSync(file, "utf8"));
  await Promise.all(
    (
      [
        ["config", ["config"]],
        ["outputs", ["stack", "output"]],
      ] as const
    ).map(([name, words]) =>
      into.part(`pulumi ${name}`, async () => {
        // Without --show-secrets Pulumi masks them itself.
        const { exitCode, stdout, stderr } = await tryRun(
          ["pulumi", ...words, "--json", "--stack", stack, "--non-interactive"],
          { cwd: ROOT, timeout: 15_000, signal },
        );
        if (exitCode !== 0) throw new Error(stderr.trim().split("\n").at(-1));
        into.write(`pulumi/${name}.json`, stdout);
      }),
    ),
  );
}

/** The log goes into the evidence as it is now, and masked by all that is known also stays where it is. */
function keepPulumiLog(folder: string, into: EvidenceFolder): void {
  const log = join(folder, PULUMI_LOG);
  if (!existsSync(log)) return;
  into.write(`pulumi/${PULUMI_LOG}`, readFileSync(log, "utf8"));
  const masked = join(into.folder, "pulumi", PULUMI_LOG);
  if (existsSync(masked)) copyFileSync(masked, log);
}

/** What the namespaces' Secrets hold: nobody else may know it where the state cannot be read. */
async function clusterSecrets(cluster: ClusterAccess, namespaces: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    namespaces.map((namespace) =>
      cluster
        .get<{ items: { data?: Record<string, string> }[] }>(`/api/v1/namespaces/${namespace}/secrets`)
        .catch(() => undefined),
    ),
  );
  return lists.flatMap((list) => (list?.items ?? []).flatMap(({ data = {} }) => Object.values(data)));
}
