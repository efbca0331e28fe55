import { execa } from "execa";
import type { StackOutputs } from "../../../infra/outputs";
import type { Kube } from "../../support/kube";
import { nodeContainer } from "./node";
import { openPropagator } from "./propagator";

/** Milliseconds for one command on a node. */
const COMMAND = 15_000;
/** What runc and CRIU wrote on the node: of restores that failed, and of the dumps in the store. */
const CRIU_LOGS =
  'for log in /var/lib/runc-cr/.logs/*/*.log /var/lib/runc-cr/*/dump.log /var/lib/runc-cr/*/checkpoint/dump.log; do [ -f "$log" ] && echo "== $log" && tail -n 60 "$log"; done; true';

/**
 * What is kept of a failure beside the pods of the tests: the propagator's lists and logs, the node's logs and CRIU's.
 */
export function partsOf(kube: Kube, outputs: StackOutputs | undefined): Record<string, () => Promise<string>> {
  const container = nodeContainer(outputs);
  const onNode =
    (...argv: string[]) =>
    async () =>
      (await execa("docker", argv, { all: true, reject: false, timeout: COMMAND, stdin: "ignore" })).all ?? "";
  return {
    "propagator/checkpoints.json": () => listed(outputs, "checkpoints"),
    "propagator/actions.json": () => listed(outputs, "actions"),
    ...(outputs ? { "propagator/logs.txt": () => logsOf(kube, outputs.checkpoint.namespace) } : {}),
    ...(container === undefined
      ? {}
      : {
          "node/node.log": onNode("logs", "--tail", "400", container),
          "node/check.json": onNode("exec", container, "runc-cr", "check"),
          "node/criu.log": onNode("exec", container, "sh", "-c", CRIU_LOGS),
        }),
  };
}

async function listed(outputs: StackOutputs | undefined, what: "checkpoints" | "actions"): Promise<string> {
  const { client, close } = await openPropagator(outputs);
  try {
    return JSON.stringify(await client[what](), null, 2);
  } finally {
    await close();
  }
}

async function logsOf(kube: Kube, namespace: string): Promise<string> {
  const pods = await kube.pods(namespace);
  const logs = pods.map(
    async ({ metadata }) => `== ${metadata!.name}\n${await kube.log(namespace, metadata!.name!, { tailLines: 500 })}`,
  );
  return (await Promise.all(logs)).join("\n");
}
