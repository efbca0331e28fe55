import { LABELS, RUN_ANNOTATION } from "../../../infra/naming";
import type { StackOutputs } from "../../../infra/outputs";
import { Kube } from "../../../tests/support/kube";
import { uniqueName } from "../../../tests/support/names";
import { admitPropagators } from "../../../tests/checkpoint/support/access";
import { notYet, waitFor } from "../../../tests/support/wait";
import { UserError } from "../../../infra/support/errors";
import { onInterrupt } from "../../interrupt";
import { processMark, underMark } from "../../clean-up/marks";
import { kubectlFor } from "../../cluster/kubectl";
import { openCluster } from "../../cluster/access";
import { namespaceNow, removeNamespaces } from "../../cluster/namespaces";
import { ROOT } from "../../paths";
import { openStackTarget } from "../../propagator/target";
import { outputsOf, prepare } from "../../session";
import { benchFolder, store } from "../figures";
import { type Bench, type Sample, takeSample } from "./sample";
import { SIZES } from "./workload";

/** What is aimed at, in milliseconds, for the sizes in their order; for a quiet host. */
const AIMS: Record<string, string> = {
  "checkpoint: call to ready": "500 (10 MB)",
  "    of it: processes stand still": "150 (10 MB)",
  "restore: create to Ready": "700 (10 MB), 3000 (500 MB)",
};

/**
 * Times checkpoints and restores of processes of several sizes on a stack that is up, against cold starts of the same
 * processes in the same run, and says what the time is made of. Figures are no tests: nothing here passes or fails by
 * them.
 * @throws UserError E_STACK_NOT_UP, E_PROPAGATOR_TARGET, E_INTERRUPTED
 */
export async function benchCheckpoint(stack: string, rounds: number): Promise<number> {
  await prepare();
  const outputs = await outputsOf(stack);
  const interrupt = onInterrupt(
    "stopping the benchmark, then removing its pods",
    () => "Left at once. Remove the rest with: npm run sweep",
  );
  const samples = new Map<string, Sample[]>(SIZES.map(({ name }) => [name, []]));
  try {
    await underMark(
      stack,
      "bench",
      "test",
      () =>
        withBench(stack, outputs, interrupt.signal, async (bench) => {
          for (let round = 1; round <= rounds; round += 1) {
            for (const size of SIZES) {
              process.stderr.write(`Round ${round} of ${rounds}, ${size.name}\n`);
              samples.get(size.name)!.push(await takeSample(bench, size));
            }
          }
        }),
      { exclusive: false },
    );
  } catch (error) {
    if (!interrupt.received) throw error;
    throw new UserError("E_INTERRUPTED", {
      seen: interrupt.received,
      wanted: "the end of the benchmark",
      next: "npm run bench -- --checkpoint",
      cause: error,
    });
  } finally {
    interrupt.release();
  }
  await store(
    benchFolder(),
    { unit: "ms, MB where the name says so", rounds, samples: Object.fromEntries(samples) },
    ["figure, ms: median (least to most)", ...samples.keys(), "aim"],
    rowsOf(samples),
  );
  return 0;
}

/** A namespace and a way to the propagator for as long as the work goes on. */
async function withBench(
  stack: string,
  outputs: StackOutputs,
  signal: AbortSignal,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  const { kubeconfig, images, backend, cluster } = outputs;
  const namespace = uniqueName("bench-checkpoint");
  const kube = new Kube(kubeconfig);
  const target = await openStackTarget(stack, outputs);
  try {
    await kube.create({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: {
        name: namespace,
        labels: { "pod-security.kubernetes.io/enforce": "privileged", [LABELS.tests]: "bench" },
        annotations: { [LABELS.checkout]: ROOT, [RUN_ANNOTATION]: processMark() },
      },
    });
    await waitFor(
      `the account of namespace ${namespace}`,
      async () =>
        (await kube.read({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } })) !==
          undefined || notYet("it is not made yet"),
      { deadline: 30_000, interval: 50 },
    );
    await admitPropagators(kube, namespace, outputs.checkpoint.namespace);
    const node = { k3s: cluster.name, kind: `${cluster.name}-control-plane` }[backend as string];
    await work({
      kube,
      client: target.client,
      clusterId: target.clusterId ?? "",
      namespace,
      image: images.ship.reference,
      node,
      signal,
    });
  } finally {
    await target.close();
    const api = await openCluster(kubeconfig);
    const made = await namespaceNow(api, namespace).finally(() => {
      api.close();
    });
    if (made) await removeNamespaces(kubeconfig, [made], { kubectl: kubectlFor(stack) });
  }
}

/** One row a figure, one column a size. */
function rowsOf(samples: ReadonlyMap<string, Sample[]>): string[][] {
  const names = [...new Set([...samples.values()].flatMap((all) => all.flatMap((sample) => Object.keys(sample))))];
  return names.map((name) => [
    name,
    ...[...samples.values()].map((all) => spread(all.flatMap((sample) => sample[name] ?? []))),
    AIMS[name] ?? "",
  ]);
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return "";
  const sorted = [...values].sort((a, b) => a - b);
  const digits = sorted.at(-1)! < 20 ? 2 : 0;
  const [least, median, most] = [sorted[0]!, sorted[Math.floor((sorted.length - 1) / 2)]!, sorted.at(-1)!].map(
    (value) => value.toFixed(digits),
  );
  return sorted.length === 1 ? median! : `${median} (${least} to ${most})`;
}
