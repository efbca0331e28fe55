import { placesOfNodes } from "../../infra/backends/host-nodes";
import type { StackOutputs } from "../../infra/outputs";
import { ownerOf } from "../../infra/naming";
import type { KubeList } from "../../infra/support/kube-api";
import { UserError } from "../../infra/support/errors";
import { nearest } from "../../infra/support/nearest";
import { openCluster } from "../cluster/access";
import { thingsOf } from "../clean-up/docker-things";
import { onInterrupt } from "../interrupt";
import { nodeSources } from "../logs/nodes";
import { type LoggedPod, podSources } from "../logs/pods";
import { type LogOptions, type LogSource, readAll } from "../logs/source";
import { lineCountOf, secondsOf } from "../options/amounts";
import { ROOT } from "../paths";
import { outputsIfUp, prepare } from "../session";
import { hasNodeContainers } from "../stack/stack-settings";
import { toolsPrepared } from "../tools/setup";

export interface LogsOptions {
  stack: string;
  follow: boolean;
  previous: boolean;
  /** As the user wrote it: `10m`. */
  since?: string;
  /** As the user wrote it. */
  tail: string;
}

/** What can be asked for beside a pod's name. */
const GROUPS = ["bay", "ship", "propagator", "node", "all"] as const;
type Group = (typeof GROUPS)[number];

/** Label of the pods that Bay makes for sessions. */
const SESSION_LABEL = "bay.managed";

/**
 * Prints logs of a stack's pods and nodes.
 * @param what one of the groups, or a pod's name
 * @throws UserError E_USAGE, E_STACK_NOT_UP
 */
export async function logs(what: string, options: LogsOptions): Promise<number> {
  const { follow, previous } = options;
  const seconds = options.since === undefined ? undefined : secondsOf(options.since);
  const amount: LogOptions = {
    follow,
    previous,
    tail: lineCountOf(options.tail),
    ...(seconds === undefined ? {} : { since: seconds }),
  };
  const outputs = await requireOutputs(options.stack);
  const sources = await sourcesOf(what, options.stack, outputs);
  if (sources.length === 0) process.stderr.write(`${what}: nothing there that has a log\n`);
  const interrupt = onInterrupt("end of the logs", () => "Left at once.");
  // Whoever read this has gone: `npm run logs | head`.
  const gone = new AbortController();
  process.stdout.on("error", () => {
    gone.abort();
  });
  const failed = await readAll(
    sources,
    amount,
    {
      line: (text) => {
        process.stdout.write(`${text}\n`);
      },
      problem: (text) => {
        process.stderr.write(`${text}\n`);
      },
    },
    AbortSignal.any([interrupt.signal, gone.signal]),
  );
  interrupt.release();
  if (interrupt.received) return 130;
  return sources.length > 0 && failed === sources.length ? 1 : 0;
}

async function requireOutputs(stack: string): Promise<StackOutputs> {
  const outputs = toolsPrepared() ? await prepare().then(() => outputsIfUp(stack)) : undefined;
  if (outputs) return outputs;
  throw new UserError("E_STACK_NOT_UP", {
    seen: `no outputs of ${stack}`,
    wanted: "a stack that is up",
    next: `npm run up -- --stack ${stack}   (stacks: npm run status)`,
  });
}

async function sourcesOf(what: string, stack: string, outputs: StackOutputs): Promise<LogSource[]> {
  const { kubeconfig, namespace } = outputs;
  const cluster = await openCluster(kubeconfig);
  try {
    const places = [...new Set([namespace, outputs.checkpoint.namespace])].filter((place) => place !== "");
    const lists = await Promise.all(
      places.map((place) => cluster.get<KubeList<LoggedPod>>(`/api/v1/namespaces/${place}/pods`)),
    );
    const pods = choosePods(
      what,
      lists.flatMap((list) => list?.items ?? []),
      outputs,
    );
    const nodes = what === "node" || what === "all" ? await nodeContainers(stack, kubeconfig) : [];
    return [
      ...pods.flatMap((pod) => podSources(kubeconfig, pod.metadata.namespace ?? namespace, pod)),
      ...(await Promise.all(nodes.map(nodeSources))).flat(),
    ];
  } finally {
    cluster.close();
  }
}

/**
 * The stack's own node containers, by their label; where it made none, those of this host that are nodes of its
 * cluster.
 */
async function nodeContainers(stack: string, kubeconfig: string): Promise<string[]> {
  const things = await thingsOf(ownerOf(ROOT, stack), { optional: !hasNodeContainers(stack) });
  const own = things.filter(({ kind }) => kind === "container").map(({ name }) => name);
  return own.length > 0 ? own.sort() : (await placesOfNodes(kubeconfig)).containers;
}

/**
 * The pods that a word means: a group's, or the one of that name.
 * @throws UserError E_USAGE that names those that there are
 */
export function choosePods(
  what: string,
  pods: readonly LoggedPod[],
  { pod, namespace, checkpoint }: Pick<StackOutputs, "pod" | "namespace"> & { checkpoint: { namespace: string } },
): LoggedPod[] {
  const groups: Record<Group, (candidate: LoggedPod) => boolean> = {
    bay: ({ metadata }) => metadata.name === pod,
    ship: ({ metadata }) => metadata.labels?.[SESSION_LABEL] === "true",
    propagator: ({ metadata }) => metadata.namespace === checkpoint.namespace,
    node: () => false,
    all: () => true,
  };
  const named = pods.filter(({ metadata }) => metadata.name === what);
  const group = GROUPS.find((name) => name === what);
  if (group) return pods.filter(groups[group]);
  if (named.length > 0) return named;
  const names = pods.map(({ metadata }) => metadata.name);
  const near = nearest(what, [...GROUPS, ...names]);
  throw new UserError("E_USAGE", {
    seen: `no pod ${what} in ${namespace}`,
    wanted: `${GROUPS.join(", ")}, or one of ${names.join(", ") || "no pods at all"}`,
    next: `npm run logs -- ${near ?? "all"}`,
  });
}
