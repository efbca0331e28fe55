import type { StackOutputs } from "../../infra/outputs";
import { saysReady } from "../../infra/support/conditions";
import { openKubeApi } from "../../infra/support/kube-api";
import { choose, type Wish } from "../stack/choose";
import { type KnownStack, knownStacks } from "../stack/known-stacks";
import { describeLeftovers, leftoversOf } from "../clean-up/leftovers";
import { outputsIfUp, prepare } from "../session";
import { toolsPrepared } from "../tools/setup";
import { stateEnvironment } from "../stack/state";
import { table } from "../table";

/** Lists the stacks of this checkout, then what is known of one of them. */
export async function statusCommand(wish: Wish): Promise<number> {
  const known = await knownStacks();
  process.stdout.write(`${overview(known)}\n`);
  const up = known.filter(({ condition }) => condition === "up");
  if (wish.stack === undefined && wish.backend === undefined && up.length > 1) {
    process.stdout.write(`\n${up.length} stacks are up. One of them: npm run status -- --stack ${up[0]!.name}\n`);
    return 0;
  }
  const { stack } = await choose(wish, "look");
  // Without tools nothing can be up, and looking must not make them.
  if (toolsPrepared()) await prepare();
  else Object.assign(process.env, stateEnvironment());
  process.stdout.write(
    `\n${await details(
      stack,
      known.find(({ name }) => name === stack),
    )}\n`,
  );
  const found = await leftoversOf(stack);
  if (found.length > 0) process.stdout.write(`On this host:\n${describeLeftovers(found)}\n`);
  return 0;
}

/** All stacks, one a line. */
export function overview(known: readonly KnownStack[], width?: number): string {
  if (known.length === 0) return "This checkout has no stack.";
  const rows = known.map(({ name, condition, backend, cluster, namespace, since }) => [
    name,
    condition,
    backend ?? "",
    cluster ?? "",
    namespace ?? "",
    since ? since.replace(/:\d\d(\.\d+)?Z$/, "Z").replace("T", " ") : "",
  ]);
  return table(
    [
      { title: "stack" },
      { title: "state" },
      { title: "backend" },
      { title: "cluster" },
      { title: "namespace" },
      { title: "up since" },
    ],
    rows,
    width,
  );
}

async function details(stack: string, known: KnownStack | undefined): Promise<string> {
  const outputs = known?.condition === "not up" || !toolsPrepared() ? undefined : await outputsIfUp(stack);
  if (!outputs)
    return known?.condition === "interrupted"
      ? `Stack ${stack} was interrupted: part of it is there. Go on with: npm run up -- --stack ${stack}   (or: npm run down -- --stack ${stack})`
      : `Stack ${stack} is not up.`;
  const { cluster, images } = outputs;
  return [
    `Stack ${stack} is ${known?.condition === "interrupted" ? "up in part, an operation was interrupted" : "up"}: ${cluster.name}, ${cluster.distribution}, ${cluster.runtime}`,
    `  Bay:   pod ${outputs.pod} in ${outputs.namespace}, ${await podNow(outputs)}`,
    `         ${images.bay.reference}`,
    `  Ship:  ${images.ship.reference}`,
  ].join("\n");
}

interface Pod {
  status: { phase: string; conditions?: { type: string; status: string }[] };
}

/** What the cluster itself says of Bay's pod: the state only knows how it was at the last up. */
async function podNow({ kubeconfig, namespace, pod }: StackOutputs): Promise<string> {
  try {
    const api = await openKubeApi(kubeconfig);
    try {
      const found = await api.get<Pod>(`/api/v1/namespaces/${namespace}/pods/${pod}`);
      if (!found) return "GONE: the cluster has no such pod";
      const ready = saysReady(found.status);
      return `${found.status.phase}, ${ready ? "ready" : "NOT ready"}`;
    } finally {
      api.close();
    }
  } catch (error) {
    return `the cluster DOES NOT ANSWER: ${(error as Error).message}`;
  }
}
