import type { V1Pod } from "@kubernetes/client-node";
import type { Kube } from "./kube";
import { lacks } from "./lacking";
import { uniqueName } from "./names";
import { notYet, waitFor, WaitError } from "./wait";

/** Where a connection is tried: a host and a TCP port. */
export type Target = readonly [host: string, port: number];

/**
 * What became of an attempt: `silent` is what a policy makes of it, `refused` says that the way is open and nobody
 * listens.
 */
export type Reached = "open" | "refused" | "silent" | `error: ${string}`;

/** Milliseconds that an engine may take to act on a new policy, and a pod to start on a busy host. */
const ENGINE_ACTS_WITHIN = 15_000;
const POD_STARTS_WITHIN = 90_000;
/** Port of `listener`. */
export const LISTENER_PORT = 8099;

/** Python that tries all targets at once and prints what became of each, as JSON; a silent one takes three seconds. */
export function probe(targets: Record<string, Target>): string {
  return `
import json, socket
from concurrent.futures import ThreadPoolExecutor
def attempt(target):
    try:
        socket.create_connection(tuple(target), timeout=3).close()
        return "open"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"
    except OSError as error:
        return f"error: {error}"
targets = json.loads(${JSON.stringify(JSON.stringify(targets))})
with ThreadPoolExecutor(max(1, len(targets))) as pool:
    print(json.dumps(dict(zip(targets, pool.map(attempt, targets.values())))))`;
}

/** A pod with Python whose labels no policy of ours selects: what it cannot reach says nothing about a sandbox. */
export class ControlPod {
  private constructor(
    private readonly kube: Kube,
    readonly namespace: string,
    readonly name: string,
    readonly address: string,
  ) {}

  /**
   * Starts one that listens at `LISTENER_PORT` and at port 53; the owner removes it.
   * @param image with Python
   * @param program Python that it runs besides
   */
  static async start(
    kube: Kube,
    owner: Owner,
    {
      namespace,
      image,
      labels = {},
      program = "",
    }: { namespace: string; image: string; labels?: Record<string, string>; program?: string },
  ): Promise<ControlPod> {
    const name = uniqueName("control");
    owner.add(`pod ${name}`, () => kube.deletePod(namespace, name, 0));
    const listen = `import socket, threading\n${program}\nfor port in (53, ${LISTENER_PORT}):\n    server = socket.create_server(("", port))\n    threading.Thread(target=lambda server=server: [server.accept() for _ in iter(int, 1)]).start()`;
    await kube.createPod(namespace, podOf(name, image, labels, listen));
    const pod = await waitFor(
      `pod ${name}`,
      async () => {
        const found = await kube.pod(namespace, name);
        const ready = found?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
        return ready && found?.status?.podIP
          ? found
          : notYet(
              `it is ${found?.status?.phase ?? "not there"}: ${JSON.stringify(found?.status?.containerStatuses?.[0]?.state ?? {})}`,
            );
      },
      { deadline: POD_STARTS_WITHIN },
    );
    return new ControlPod(kube, namespace, name, pod.status!.podIP!);
  }

  /** What it reaches. */
  async reach<Name extends string>(targets: Record<Name, Target>): Promise<Record<Name, Reached>> {
    return JSON.parse(await this.python(probe(targets))) as Record<Name, Reached>;
  }

  python(code: string): Promise<string> {
    return this.kube.exec(this.namespace, this.name, "control", ["python3", "-c", code]);
  }
}

interface Owner {
  add(name: string, cleanup: () => Promise<void>): void;
}

/**
 * The only place that finds out whether anything in the cluster enforces policies. Ends the test as a named skip where
 * nothing does.
 */
export async function requireEngine(kube: Kube, owner: Owner, from: ControlPod, image: string): Promise<void> {
  const marker = uniqueName("denied");
  const victim = await ControlPod.start(kube, owner, {
    namespace: from.namespace,
    image,
    labels: { "bay-e2e.dev/denied": marker },
  });
  const target: Record<"victim", Target> = { victim: [victim.address, LISTENER_PORT] };
  const before = await from.reach(target);
  if (before.victim !== "open") throw new Error(`a pod that nothing denies is not reached: ${before.victim}`);
  owner.add(`network policy ${marker}`, () => kube.deleteNetworkPolicy(from.namespace, marker));
  await kube.createNetworkPolicy(from.namespace, {
    metadata: { name: marker },
    spec: { podSelector: { matchLabels: { "bay-e2e.dev/denied": marker } }, policyTypes: ["Ingress"] },
  });
  try {
    await waitFor(
      "the policy to act",
      async () => (await from.reach(target)).victim !== "open" || notYet("still reached"),
      { deadline: ENGINE_ACTS_WITHIN, interval: 500 },
    );
  } catch (error) {
    if (error instanceof WaitError) lacks("anything that enforces NetworkPolicy");
    throw error;
  }
}

function podOf(name: string, image: string, labels: Record<string, string>, program: string): V1Pod {
  return {
    metadata: { name, labels: { "bay-e2e.dev/test": "network", ...labels } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "control",
          image,
          command: ["python3", "-u", "-c", program],
          readinessProbe: { tcpSocket: { port: LISTENER_PORT }, periodSeconds: 1 },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
          resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "128Mi" } },
        },
      ],
    },
  };
}
