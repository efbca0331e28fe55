import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { copyFileSync, rmSync } from "node:fs";
import { localStack } from "../../cli/stack/state";
import type { StackOutputs } from "../../infra/outputs";
import { clusterName, ownerOf } from "../../infra/naming";
import { ROOT } from "../lifecycle/host";
import { npmRun } from "../lifecycle/runner";
import { type Forward, openForward } from "../support/port-forward";
import { notYet, waitFor } from "../support/wait";
import { kubeconfigOf, npm, outputsOf, removeStack, stackFile, withTools } from "./support";

// A k3s cluster whose own propagator is taken away, and another one, that no stack knows, in its place.
jest.setTimeout(600_000);

const STACK = "backends-other";
const NODE = clusterName(ownerOf(ROOT, STACK));
const OTHER = { namespace: "somebody-elses", token: randomBytes(24).toString("hex"), clusterId: randomUUID() };

const kubectl = (...words: string[]) =>
  execFileSync("docker", ["exec", NODE, "kubectl", ...words], { encoding: "utf8", timeout: 120_000 }).trim();
const namespacesOfTests = () =>
  kubectl("get", "namespaces", "--output", "name")
    .split("\n")
    .filter((name) => name.includes("checkpoint-tests-"));

let outputs: StackOutputs;
let kubeconfig: string;

beforeAll(async () => {
  stackFile(STACK, { backend: "k3s", checkpoint: true });
  const { code, output } = await npm("up", "--", "--stack", STACK);
  expect([code, output]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
  outputs = await outputsOf(STACK);
  kubeconfig = await kubeconfigOf(STACK);
});
afterAll(() => removeStack(STACK));

test("tests that were killed leave a namespace, which a sweep finds and removes, and the stack that they used stays up", async () => {
  const run = npmRun(["test", "--", "--stack", STACK, "--suite", "checkpoint", "-k", "workflow"]);
  await waitFor("the namespace of the tests", () => namespacesOfTests().length > 0 || notYet("there is none"), {
    deadline: 120_000,
    interval: 500,
  });
  const busy = await npm("sweep", "--", "--stack", STACK);
  expect([busy.code, busy.output]).toEqual([0, expect.not.stringContaining("checkpoint-tests-")]);
  run.killAll();
  await run.done;
  const look = await npm("sweep", "--", "--stack", STACK);
  expect([look.code, look.output]).toEqual([
    2,
    expect.stringMatching(new RegExp(`stack ${STACK}: checkpoint-tests-.* was killed`)),
  ]);
  const swept = await npm("sweep", "--", "--stack", STACK, "--yes");
  expect([swept.code, swept.output]).toEqual([
    0,
    expect.stringMatching(
      new RegExp(`Nothing is left[\\s\\S]*stays, because it is up on purpose: ${STACK}\\. .*--all`),
    ),
  ]);
  expect(namespacesOfTests()).toEqual([]);
  expect(
    kubectl("get", "pods", "--namespace", outputs.namespace, outputs.pod, "--output", "jsonpath={.status.phase}"),
  ).toBe("Running");
});

describe("the suite of checkpoints against a propagator that no stack made", () => {
  let forward: Forward;
  // Of two stacks that are up a command without --stack would have to choose; this one needs neither.
  const stateOf = (stack: string) => localStack(stack)!.file;
  const twin = stateOf(`${STACK}-twin`);

  beforeAll(async () => {
    copyFileSync(stateOf(STACK), twin);
    const { namespace, release } = outputs.checkpoint;
    const image = kubectl(
      "get",
      "deployments",
      "--namespace",
      namespace,
      release,
      "--output",
      "jsonpath={.spec.template.spec.containers[0].image}",
    );
    const helm = (words: [string, ...string[]], input?: string) =>
      withTools(STACK, ["helm", ...words, "--kubeconfig", kubeconfig], input);
    // From now on the stack has none: what talked to it would get no answer.
    await helm(["uninstall", release, "--namespace", namespace, "--wait"]);
    kubectl("create", "namespace", OTHER.namespace);
    kubectl("label", "namespace", OTHER.namespace, "pod-security.kubernetes.io/enforce=privileged");
    const values = {
      config: { authToken: OTHER.token, clusterId: OTHER.clusterId, clusterName: "another" },
      image: {
        repository: image.replace(/:[^:/]+$/, ""),
        tag: image.slice(image.lastIndexOf(":") + 1),
        pullPolicy: "Never",
      },
      runtimeClass: { create: false },
    };
    await helm(
      [
        "install",
        "other",
        "charts/propagator",
        "--namespace",
        OTHER.namespace,
        "--values",
        "-",
        "--wait",
        "--timeout",
        "120s",
      ],
      JSON.stringify(values),
    );
    kubectl("rollout", "status", "daemonsets", "--namespace", OTHER.namespace, "--timeout", "60s");
    const pod = kubectl(
      "get",
      "pods",
      "--namespace",
      OTHER.namespace,
      "--selector",
      "app.kubernetes.io/component=server",
      "--output",
      "jsonpath={.items[0].metadata.name}",
    );
    forward = await openForward({
      kubeconfig: outputs.kubeconfig,
      namespace: OTHER.namespace,
      pod,
      port: 1324,
      healthPath: "/healthz",
    });
  });
  afterAll(async () => {
    rmSync(twin, { force: true });
    await forward.close();
  });

  const suite = async (words: string, environment: NodeJS.ProcessEnv = {}) => {
    const run = npmRun(["test", "--", "--suite", "checkpoint", "-k", words], {
      CEDANA_URL: `${forward.url}/v1`,
      CEDANA_AUTH_TOKEN: OTHER.token,
      CLUSTER_ID: OTHER.clusterId,
      KUBECONFIG: kubeconfig,
      CHECKPOINT_IMAGE: outputs.images.ship.reference,
      ...environment,
    });
    return { code: await run.done, output: run.output() };
  };
  const actions = async () =>
    (await (
      await fetch(`${forward.url}/v2/actions`, { headers: { Authorization: `Bearer ${OTHER.token}` } })
    ).json()) as { type: string; cluster_id: string; status: string }[];

  test("passes with its address, token and cluster in the environment, and it is the one that did the work", async () => {
    expect(await actions()).toEqual([]);
    const before = namespacesOfTests();
    const { code, output } = await suite("workflow or (workloads and not 256) or unknown");
    expect([code, output]).toEqual([0, expect.stringMatching(/tests +1[0-9] passed, 0 failed/)]);
    const done = await actions();
    expect(new Set(done.map(({ cluster_id }) => cluster_id))).toEqual(new Set([OTHER.clusterId]));
    expect(
      done.filter(({ type, status }) => type === "restore_pod" && status === "completed").length,
    ).toBeGreaterThanOrEqual(6);
    expect(namespacesOfTests()).toEqual(before);
  });

  test("fails with the token of the stack's own one, which is not there any more", async () => {
    const { code, output } = await suite("connectivity", { CEDANA_AUTH_TOKEN: outputs.propagatorToken });
    expect([code, output]).toEqual([1, expect.stringMatching(/401/)]);
  });
});
