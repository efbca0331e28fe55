import type { PropagatorClient } from "../../propagator/client";
import { FAILED_STATES } from "../../propagator/types";
import { waitForRestore } from "../../propagator/wait";
import type { Kube } from "../../../tests/support/kube";
import { uniqueName } from "../../../tests/support/names";
import { notYet, waitFor } from "../../../tests/support/wait";
import { podTimes, type PodTimes } from "../pod-times";
import { nodeSteps } from "./steps";
import { PORT, SAMPLE_LABEL, type Size, warmServer } from "./workload";

/** What a sample is taken with. */
export interface Bench {
  kube: Kube;
  client: PropagatorClient;
  clusterId: string;
  namespace: string;
  /** An image with Python. */
  image: string;
  /** Container of this host that is the node, where it is one. */
  node: string | undefined;
  signal: AbortSignal;
}

/** Figures of one sample by their names: milliseconds, or megabytes where the name says so. */
export type Sample = Record<string, number>;

/** Milliseconds until a step is given up; long, for a host that other work keeps busy. */
const GIVEN_UP = 120_000;
/** Milliseconds between two looks: what is measured is seldom less than a hundred. */
const LOOK = 10;

/**
 * One cold start, checkpoint, deletion and restore of a process, each timed as a client sees it.
 * @throws Error when what was restored is not what was dumped
 */
export async function takeSample(bench: Bench, size: Size): Promise<Sample> {
  const name = uniqueName(`bench-${size.name}`);
  const begun = performance.now();
  const cold = await started(bench, name, () =>
    bench.kube.createPod(bench.namespace, warmServer(bench.image, size, name)).then(() => name),
  );
  const pod = (await bench.kube.pod(bench.namespace, name))!;
  const resident =
    (Number(
      (
        await bench.kube.exec(bench.namespace, name, "server", ["awk", "/VmRSS/ { print $2 }", "/proc/1/status"])
      ).trim(),
    ) *
      1024) /
    1e6;
  const made = await checkpoint(bench, { uid: pod.metadata!.uid!, name });
  await gone(bench, name);
  const asked = performance.now();
  const warm = await started(bench, name, () => restore(bench, made.action));
  if (warm.answer !== cold.answer)
    throw new Error(`the pod that was restored from ${name} answers ${warm.answer}, and ${cold.answer} was dumped`);
  const restored = (await bench.kube.pod(bench.namespace, warm.pod))!;
  const { dump, restore: parts } = await nodeSteps(bench.node, made.checkpoint, restored.metadata!.uid!);
  await gone(bench, warm.pod);
  await bench.client.deprecateCheckpoint(made.checkpoint);
  return {
    "resident memory, MB": resident,
    ...made.figures,
    ...prefixed("    of it: ", {
      "the look before, which stops nothing": dump["look"],
      "runc and CRIU, the stop among it": dump["runc"],
      "sha256 of all files": dump["record"],
    }),
    "archive, MB": made.bytes / 1e6,
    "archive, MB for each MB of memory": made.bytes / 1e6 / resident,
    ...restoreFigures(asked, warm, parts),
    "cold start: create to Ready": cold.times.ready - cold.times.created,
    "cold start: create to first answer": cold.answered - begun,
    "cold start / restore, first answers": (cold.answered - begun) / (warm.answered - asked),
  };
}

interface Checkpointed {
  checkpoint: string;
  action: string;
  bytes: number;
  figures: Sample;
}

/** From the call until a client that looks all the time is told that the checkpoint is ready. */
async function checkpoint(
  { client, clusterId, namespace, signal }: Bench,
  { uid, name }: { uid: string; name: string },
): Promise<Checkpointed> {
  const begun = performance.now();
  const action = await client.checkpointPod({ pod_id: uid, pod_name: name, namespace, cluster_id: clusterId });
  const accepted = performance.now();
  await waitFor(
    `checkpoint ${action}`,
    async () => {
      const { status, details } = await client.checkpointStatus(action);
      if (FAILED_STATES.includes(status)) throw new Error(`checkpoint ${action} of ${name} failed: ${details}`);
      return status === "ready" || notYet(`it is ${status}`);
    },
    { deadline: GIVEN_UP, interval: LOOK, signal },
  );
  const ready = performance.now();
  const { checkpoint_id: id, checkpoint_info: info } = await client.action(action);
  const {
    size,
    freeze_microseconds: freeze,
    dump_microseconds: dump,
  } = info as { size: number; freeze_microseconds: number; dump_microseconds: number };
  return {
    checkpoint: id!,
    action,
    bytes: size,
    figures: {
      "checkpoint: call to ready": ready - begun,
      "  of it: the call is checked and answered": accepted - begun,
      "  of it: runc-cr dump": dump / 1000,
      "    of it: processes stand still": freeze / 1000,
    },
  };
}

/** Asks for a restore. @returns the name of the pod that it makes */
async function restore({ client, clusterId, signal }: Bench, action: string): Promise<string> {
  const started = await client.restorePod({ action_id: action, cluster_id: clusterId });
  const { details } = await waitForRestore(client, started, {
    deadline: GIVEN_UP,
    interval: LOOK,
    longest: LOOK,
    signal,
  });
  return (details as { restored_pod: { name: string } }).restored_pod.name;
}

interface Started {
  pod: string;
  times: PodTimes;
  answered: number;
  answer: string;
}

/** Follows a pod from before it is made until it is Ready, and asks its server all the while. */
async function started(
  { kube, namespace, signal }: Bench,
  sample: string,
  make: () => Promise<string>,
): Promise<Started> {
  const watch = await podTimes(kube, {
    namespace,
    selector: `${SAMPLE_LABEL}=${sample}`,
    last: "ready",
    deadline: GIVEN_UP,
  });
  const failed = new AbortController();
  try {
    const asking = firstAnswer(kube, namespace, sample, AbortSignal.any([signal, failed.signal]));
    const [pod, { at, answer }] = await Promise.all([make(), asking]);
    return { pod, times: await watch.end(), answered: at, answer };
  } finally {
    failed.abort();
    watch.stop();
  }
}

/** By the API server's proxy, which is there in every cluster. */
function firstAnswer(
  kube: Kube,
  namespace: string,
  sample: string,
  signal: AbortSignal,
): Promise<{ at: number; answer: string }> {
  let name: string | undefined;
  return waitFor(
    `an answer of ${sample}`,
    async () => {
      name ??= (await kube.pods(namespace, `${SAMPLE_LABEL}=${sample}`))[0]?.metadata?.name;
      if (name === undefined) return notYet("there is no pod");
      const answer = await kube
        .answerOf(namespace, name, PORT)
        .catch((error: unknown) => notYet((error as Error).message));
      return typeof answer === "string" ? { at: performance.now(), answer } : answer;
    },
    { deadline: GIVEN_UP, interval: LOOK * 2, signal },
  );
}

function restoreFigures(asked: number, { times, answered }: Started, parts: Record<string, number>): Sample {
  const { created, sandbox, started, ready } = times;
  return {
    "restore: call to Ready": ready - asked,
    "restore: create to Ready": ready - created,
    "  of it: pod sandbox": sandbox - created,
    "  of it: container restored": started - sandbox,
    ...prefixed("    of it: ", {
      "every file compared with its sha256": parts["verify"],
      "files unpacked": parts["unpack"],
      "runc, CRIU": parts["runc"],
    }),
    "  of it: first probe, and word of it": ready - started,
    "restore: call to first answer": answered - asked,
  };
}

async function gone({ kube, namespace, signal }: Bench, name: string): Promise<void> {
  await kube.deletePod(namespace, name);
  await waitFor(
    `the end of ${name}`,
    async () => (await kube.pod(namespace, name)) === undefined || notYet("it is still there"),
    { deadline: GIVEN_UP, interval: 100, signal },
  );
}

/** Without those that nobody knows. */
function prefixed(prefix: string, figures: Record<string, number | undefined>): Sample {
  return Object.fromEntries(
    Object.entries(figures).flatMap(([name, value]) => (value === undefined ? [] : [[`${prefix}${name}`, value]])),
  );
}
