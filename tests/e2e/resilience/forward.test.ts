import { connect } from "node:net";
import { BayClient, expectStatus } from "../../support/bay-client";
import { breakableProxy, type BreakableProxy } from "../../support/breakable-proxy";
import { uniqueName } from "../../support/names";
import { outside } from "../../support/outside";
import type { Forward, ForwardOptions } from "../../support/port-forward";
import { cluster, perTest, stack } from "../../support/suite";
import { notYet, waitFor } from "../../support/wait";

const mine = perTest();
const { kubeconfig, namespace, pod, port } = stack;

/** A forward of the test's own, to Bay unless told otherwise. */
async function open(options: Partial<ForwardOptions> = {}): Promise<Forward> {
  const forward = await outside().openForward({ kubeconfig, namespace, pod, port, checkEvery: 200, ...options });
  mine.add("forward", () => forward.close());
  return forward;
}

async function proxy(): Promise<BreakableProxy> {
  const made = await breakableProxy(kubeconfig);
  mine.add("proxy", () => made.close());
  return made;
}

function client(forward: Forward): BayClient {
  const made = new BayClient(forward.url);
  mine.add("client", () => Promise.resolve(made.close()));
  return made;
}

const becomes = (forward: Forward, state: string): Promise<unknown> =>
  waitFor(
    `forward ${state}`,
    () => {
      const status = forward.status();
      return status.state === state || notYet(`it is ${status.state}: ${status.why}`);
    },
    { deadline: 30_000, interval: 20 },
  );

describe("port-forward @resilience", () => {
  it("listens on 127.0.0.1 alone and carries calls", async () => {
    const forward = await open();
    expect(forward.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(expectStatus(await client(forward).health(), 200).status).toBe("ok");
    expect(forward.status()).toMatchObject({ state: "ready", reconnects: 0, connections: { total: 1 } });
  });

  it("reconnects when its connections break, and counts it", async () => {
    const way = await proxy();
    const forward = await open({ kubeconfig: way.kubeconfig });
    const bay = client(forward);
    expectStatus(await bay.health(), 200);
    way.cut();
    await becomes(forward, "lost");
    expect(forward.status().why).toMatch(/API/);
    way.mend();
    await becomes(forward, "ready");
    expectStatus(await bay.health(), 200);
    expect(forward.reconnects).toBe(1);
  });

  it("holds a call that comes while it is lost, and carries it once it is back", async () => {
    const way = await proxy();
    const forward = await open({ kubeconfig: way.kubeconfig });
    way.cut();
    await becomes(forward, "lost");
    const held = client(forward).health();
    way.mend();
    expectStatus(await held, 200);
    expect(forward.reconnects).toBe(1);
  });

  it("refuses a call with the reason when it is lost for longer than it may hold", async () => {
    const way = await proxy();
    const forward = await open({ kubeconfig: way.kubeconfig, holdFor: 300 });
    way.cut();
    await becomes(forward, "lost");
    await expect(client(forward).health()).rejects.toThrow(/GET \/health did not reach Bay: E_FORWARD: .*API/);
  });

  it("follows its pod when it is replaced by another of the same name", async () => {
    const name = uniqueName("followed");
    const kube = cluster.kube;
    await kube.createPod(namespace, shipPod(name));
    mine.add(`pod ${name}`, () => kube.deletePod(namespace, name, 0));
    const forward = await open({ pod: name, port: 8123 });
    await kube.deletePod(namespace, name, 0);
    await becomes(forward, "lost");
    await waitFor(
      "removal of the first pod",
      async () => (await kube.pod(namespace, name)) === undefined || notYet("still there"),
      { deadline: 60_000 },
    );
    await kube.createPod(namespace, shipPod(name));
    await becomes(forward, "ready");
    expect(expectStatus(await client(forward).health(), 200).status).toBe("healthy");
    expect(forward.reconnects).toBe(1);
  });

  it("says at its deadline that its pod is missing", async () => {
    await expect(open({ pod: "no-such-pod", readyWithin: 5_000 })).rejects.toThrow(
      /E_FORWARD[\s\S]*seen: +pod no-such-pod is missing/,
    );
  });

  it("says at its deadline what the health path answered", async () => {
    await expect(open({ healthPath: "/no-such-path", readyWithin: 5_000 })).rejects.toThrow(
      /seen: +GET \/no-such-path answered 404/,
    );
  });

  it("says at its deadline that nothing listens on the port", async () => {
    await expect(open({ port: 9, readyWithin: 5_000 })).rejects.toThrow(/seen: +GET \/health failed: .*(refused|9)/);
  });

  it("gives up at once, with exit code and log, when its pod has crashed", async () => {
    const name = uniqueName("crashed");
    await cluster.kube.createPod(namespace, shipPod(name, ["sh", "-c", "echo the last words; exit 3"]));
    mine.add(`pod ${name}`, () => cluster.kube.deletePod(namespace, name, 0));
    await expect(open({ pod: name, port: 8123, readyWithin: 100_000 })).rejects.toThrow(
      /exit code 3[\s\S]*the last words/,
    );
  });

  it("leaves no listener and no connection behind when it is closed", async () => {
    const forward = await open();
    const bay = client(forward);
    expectStatus(await bay.health(), 200);
    await forward.close();
    expect(forward.status()).toMatchObject({ state: "closed", connections: { open: 0 } });
    const refused = await new Promise<string | undefined>((resolve) => {
      const socket = connect(Number(new URL(forward.url).port), "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve("connected");
      });
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    expect(refused).toBe("ECONNREFUSED");
  });
});

function shipPod(name: string, command?: string[]): Parameters<typeof cluster.kube.createPod>[1] {
  return {
    metadata: { name },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
      containers: [
        {
          name: "ship",
          image: stack.images.ship.reference,
          imagePullPolicy: "IfNotPresent",
          ...(command ? { command } : {}),
          volumeMounts: [{ name: "workspace", mountPath: "/workspace" }],
        },
      ],
      volumes: [{ name: "workspace", emptyDir: {} }],
    },
  };
}
