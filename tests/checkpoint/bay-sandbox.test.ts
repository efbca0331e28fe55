import { BayClient, expectStatus } from "../support/bay-client";
import { lacks } from "../support/lacking";
import type { Forward } from "../support/port-forward";
import { Scope } from "../support/scope";
import { Pods } from "./support/pods";
import { outside, useRig } from "./support/rig";
import type { Pod } from "./support/workloads";

const PROFILE = "checkpoint-test";
const { rig } = useRig();
let forward: Forward | undefined;
let bay: BayClient | undefined;
let scope = new Scope();

beforeAll(async () => {
  const { outputs } = rig().session;
  if (!outputs?.profiles.some(({ id }) => id === PROFILE)) lacks(`a Bay with the profile ${PROFILE}`);
  const { kubeconfig, namespace, pod, port, apiKey } = outputs;
  forward = await outside().openForward({ kubeconfig, namespace, pod, port });
  bay = new BayClient(forward.url, apiKey);
});
afterAll(async () => {
  bay?.close();
  await forward?.close();
});
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.close());

describe("a sandbox of Bay", () => {
  test("keeps its Python variables and files through checkpoint, loss of its pod and restore, twice, and Bay finds it each time", async () => {
    const {
      client,
      clusterId,
      session: { outputs },
      pods: { kube },
    } = rig();
    const { namespace } = outputs!;
    const pods = new Pods(kube, namespace);
    const { id } = expectStatus(await bay!.createSandbox({ profile: PROFILE }), 201);
    const sandbox = bay!.sandbox(id);
    scope.add(`sandbox ${id}`, async () => expectStatus(await sandbox.delete(), 204));
    const run = async (code: string) => expectStatus(await sandbox.python(code), 200).output.trim();
    const secret = await run(
      "import secrets, os; secret = secrets.token_hex(16); count = 1; open('kept.txt', 'w').write(secret); print(secret)",
    );
    const born = await run("print(os.getpid())");
    for (const round of [1, 2]) {
      const [before] = await kube.pods(namespace, `bay.sandbox_id=${id}`);
      const { name, uid } = before!.metadata as { name: string; uid: string };
      const action = await client.checkpointPod({ pod_id: uid, pod_name: name, namespace, cluster_id: clusterId });
      const made = await rig().made(scope, action);
      await kube.deletePod(namespace, name);
      await pods.gone(name);
      const restored = await rig().restore(scope, made, { ...before, metadata: { name } } as unknown as Pod, pods);
      expect(await run("count += 1; print(secret, count, os.getpid(), open('kept.txt').read() == secret)")).toBe(
        `${secret} ${round + 1} ${born} True`,
      );
      expect((await kube.pods(namespace, `bay.sandbox_id=${id}`)).map(({ metadata }) => metadata!.name)).toEqual([
        restored.metadata.name,
      ]);
    }
    expect(expectStatus(await sandbox.get(), 200)).toMatchObject({ status: "ready" });
    expectStatus(await sandbox.delete(), 204);
    expect(await kube.pods(namespace, `bay.sandbox_id=${id}`)).toEqual([]);
  });
});
