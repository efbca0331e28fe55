import * as pulumi from "@pulumi/pulumi";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { BayEnvironment, rehearsed, type RehearsalArgs } from "../../../infra/components";
import { digestOf } from "../../../infra/components/bay-config";
import { bayPodSpec, CONFIG_DIGEST } from "../../../infra/components/bay-pod";
import { rehearse } from "../../../infra/components/rehearsal";

interface Pod {
  metadata: { name: string; uid?: string; labels?: object; annotations?: Record<string, string> };
  spec: {
    serviceAccountName?: string;
    securityContext?: object;
    containers: { name: string; image: string; securityContext?: object; env?: object[] }[];
    volumes?: object[];
  };
  status?: object;
}

/** An API server that keeps pods and configurations in memory, and gives each new pod the status `begun`. */
const objects = new Map<string, Pod>();
const tried: Pod[] = [];
const READY = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
let begun: object = READY;
let server: Server;

async function answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
  const path = request.url!.split("?")[0]!;
  if (request.method === "POST") {
    const object = JSON.parse(await text(request)) as Pod;
    if (path.endsWith("/pods")) tried.push(object);
    objects.set(`${path}/${object.metadata.name}`, { ...object, status: begun });
    return { status: 201, body: object };
  }
  const found = objects.get(path);
  if (request.method === "DELETE") objects.delete(path);
  return found ? { status: 200, body: found } : { status: 404, body: {} };
}

beforeAll(async () => {
  server = createServer((request, response) => {
    void answer(request).then(({ status, body }) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await pulumi.runtime.setMocks(
    {
      newResource: ({ name, inputs }) => ({ id: `${name}-id`, state: inputs as Record<string, unknown> }),
      call: () => ({}),
    },
    "others",
    "dev",
    false,
  );
});
afterAll(() => server.close());

beforeEach(() => {
  objects.clear();
  tried.length = 0;
  begun = READY;
});

const PODS = "/api/v1/namespaces/ns/pods";
const SECURED: RehearsalArgs["transform"] = {
  pod: ({ metadata, spec }) => {
    metadata.annotations["mesh/inject"] = "yes";
    spec.serviceAccountName = "powerful";
    spec.securityContext = { runAsUser: 4000, seccompProfile: { type: "RuntimeDefault" } };
    spec.containers[0]!.image = pulumi.output("mirror/bay:2");
    spec.containers[0]!.securityContext = { capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] } };
    spec.containers.push({ name: "proxy", image: "proxy:1" });
    spec.volumes.push({ name: "more", persistentVolumeClaim: { claimName: "precious" } });
  },
};

const kubeconfig = () =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } }],
    users: [{ name: "u", user: {} }],
  });

/** Runs what `rehearsed` returns to its end. */
function approve(more: Partial<RehearsalArgs> = {}, content = "new"): Promise<string> {
  const approving = rehearsed({ kubeconfig: kubeconfig(), namespace: "ns", image: "bay:1", ...more });
  return new Promise((resolve, reject) => {
    const approved = approving(pulumi.output(content)) as pulumi.Output<string> & { promise(): Promise<string> };
    approved.promise().then(resolve, reject);
  });
}

/** Bay's pod as the cluster has it, with the API server's order of fields. */
function serve(change: (pod: Pod) => void = () => undefined, content = "new"): void {
  const spec = bayPodSpec(
    { image: "bay:1" },
    {
      serviceAccount: "bay",
      pullSecrets: [],
      configMap: "bay-config",
      secret: "bay-api-key",
      sessionSecret: { name: "bay-session-key" },
      records: { persistentVolumeClaim: { claimName: "bay-data" } },
    },
  ) as unknown as Pod["spec"];
  const pod: Pod = {
    metadata: { name: "bay", uid: "u1", annotations: { [CONFIG_DIGEST]: digestOf(content) } },
    spec,
    status: READY,
  };
  change(pod);
  objects.set(`${PODS}/bay`, JSON.parse(JSON.stringify(pod)) as Pod);
}

const transformed = ({ spec }: Pod) => {
  spec.securityContext = { seccompProfile: { type: "RuntimeDefault" }, runAsUser: 4000 };
  spec.containers[0]!.image = "mirror/bay:2";
  spec.containers[0]!.securityContext = { capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } };
  spec.containers.push({ name: "proxy", image: "proxy:1" });
};

describe("a Bay is tried", () => {
  test.each([
    ["its image", ({ spec }: Pod) => void (spec.containers[0]!.image = "bay:0"), {}],
    ["its configuration", ({ metadata }: Pod) => void (metadata.annotations![CONFIG_DIGEST] = "old"), {}],
    ["its security", () => undefined, { security: "baseline" as const }],
    ["what is transformed", () => undefined, { transform: SECURED }],
    [
      "a transformed container's image",
      (pod: Pod) => {
        transformed(pod);
        pod.spec.containers[1]!.image = "proxy:0";
      },
      { transform: SECURED },
    ],
  ])("when %s changes", async (_, change, more) => {
    serve(change);
    expect(await approve(more)).toBe("new");
    expect(tried).toHaveLength(1);
    expect([...objects.keys()]).toEqual([`${PODS}/bay`]);
  });

  test.each([
    ["no Bay serves", () => undefined, {}],
    ["the serving one is not ready", () => serve((pod) => (pod.status = { phase: "Pending" }), "old"), {}],
    ["it is the serving one", () => serve(), {}],
    ["it is the serving one, transformed", () => serve(transformed), { transform: SECURED }],
    ["the cluster added a container", () => serve(({ spec }) => spec.containers.push({ name: "m", image: "m" })), {}],
  ])("not when %s", async (_, prepare, more) => {
    prepare();
    expect(await approve(more)).toBe("new");
    expect(tried).toEqual([]);
  });
});

describe("the trial of a transformed pod", () => {
  test("runs the transformed image, security and containers", async () => {
    serve();
    await approve({ transform: SECURED });
    expect(tried[0]!.metadata).toMatchObject({
      name: "bay-rehearsal",
      labels: { app: "bay-rehearsal" },
      annotations: { "mesh/inject": "yes" },
    });
    expect(tried[0]!.spec).toMatchObject({
      securityContext: { runAsUser: 4000 },
      containers: [
        { name: "bay", image: "mirror/bay:2", securityContext: { capabilities: { drop: ["ALL"] } } },
        { name: "proxy", image: "proxy:1" },
      ],
    });
  });

  test("has no account with rights, no claim, and the keys of the serving Bay", async () => {
    serve(({ spec }) => {
      spec.containers[0]!.env = [{ name: "BAY_API_KEY", valueFrom: { secretKeyRef: { name: "renamed" } } }];
    });
    await approve({ transform: SECURED });
    const { serviceAccountName, volumes, containers } = tried[0]!.spec;
    expect(serviceAccountName).toBe("default");
    expect(JSON.stringify(volumes)).not.toContain("persistentVolumeClaim");
    expect(volumes).toContainEqual({ name: "config", configMap: { name: "bay-rehearsal" } });
    expect(containers[0]!.env).toContainEqual({
      name: "BAY_API_KEY",
      valueFrom: { secretKeyRef: { name: "renamed", key: "api-key" } },
    });
  });

  test("refuses the new Bay when one of its containers ends, and leaves nothing", async () => {
    serve();
    begun = { phase: "Running", containerStatuses: [{}, { state: { terminated: { exitCode: 3 } } }] };
    const known = { namespace: "ns", image: "bay:2", pullSecrets: [], content: "new" };
    const containers = ["bay", "proxy"].map((name) => ({ name, image: `${name}:2` }));
    const trial = rehearse(kubeconfig(), known, { metadata: { name: "bay" }, spec: { containers } });
    await expect(trial).rejects.toMatchObject({
      code: "E_BAY_UPGRADE",
      seen: expect.stringContaining("exit code 3") as string,
    });
    expect([...objects.keys()]).toEqual([`${PODS}/bay`]);
  });
});

test("an environment's transformation of Bay reaches the trial", async () => {
  serve();
  new BayEnvironment("env", {
    namespace: "ns",
    bayImage: "bay:1",
    shipImage: "ship:1",
    kubeconfig: kubeconfig(),
    parts: { bay: { transform: SECURED! } },
  });
  await pulumi.runtime.disconnect();
  expect(tried.map(({ spec }) => spec.containers[0]!.image)).toEqual(["mirror/bay:2"]);
});
