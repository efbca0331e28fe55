import { execFileSync } from "node:child_process";
import { CoreV1Api, KubeConfig, NetworkingV1Api, PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import { ROOT } from "./host";
import { npmRun } from "./runner";
import { STACK } from "./stack-file";

const NAMESPACE = "bay-e2e-test";

jest.setTimeout(300_000);

afterAll(async () => {
  await npmRun(["down", "--", "--stack", STACK]).done;
});

/** The exit code of a look for drift, and what it printed. */
async function drift(): Promise<[code: number, output: string]> {
  const look = npmRun(["drift", "--", "--stack", STACK]);
  return [await look.done, look.output()];
}

async function upOk(...words: string[]): Promise<void> {
  const up = npmRun(["up", "--", "--stack", STACK, ...words]);
  expect([await up.done, up.output()]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
}

/** A label that is somebody else's now, and an object that is gone. */
async function changeByHand(kubeconfig: string): Promise<void> {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  await config
    .makeApiClient(CoreV1Api)
    .patchNamespace(
      { name: NAMESPACE, body: { metadata: { labels: { "bay-e2e.dev/stack": "somebody" } } } },
      setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch),
    );
  await config.makeApiClient(NetworkingV1Api).deleteNamespacedNetworkPolicy({ name: "bay", namespace: NAMESPACE });
}

test("what was changed by hand is named, put back by up -- --refresh, and gone from the next look", async () => {
  await upOk();
  expect(await drift()).toEqual([0, expect.stringContaining(`Stack ${STACK} is as it was made.`)]);
  await changeByHand(
    execFileSync("npm", ["run", "-s", "kubeconfig", "--", "--stack", STACK], { cwd: ROOT, encoding: "utf8" }),
  );
  const [code, output] = await drift();
  expect(code).toBe(3);
  expect(output).toContain("Namespace bay-e2e-test: changed");
  expect(output).toContain(`metadata.labels["bay-e2e.dev/stack"]: wanted "${STACK}", found "somebody"`);
  expect(output).toContain("NetworkPolicy bay-e2e-test/bay: gone");
  await upOk("--refresh");
  expect((await drift())[0]).toBe(0);
});
