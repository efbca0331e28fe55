import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { clusterName, ownerOf } from "../../infra/naming";
import { lookAtHost, type HostState, ROOT } from "./host";
import { npmRun, type Running } from "./runner";
import { onK3s, stackFile } from "./stack-file";

jest.setTimeout(400_000);

const NAME = "life-helm";
const NODE = clusterName(ownerOf(ROOT, NAME));
const NAMESPACE = "bay-e2e-test-checkpoint";
/** A pod of the release finds no node: Helm waits for it as long as a test needs. */
const STUCK = {
  checkpoint: true,
  checkpointTimeout: 120,
  checkpointValues: { nodeSelector: { "bay-e2e.dev/no": "where" } },
};
const QUICK = { checkpoint: true, checkpointTimeout: 60 };

const on = (command: string) => npmRun([command, "--", "--stack", NAME]);

const kubectl = (...words: string[]) =>
  execFileSync("docker", ["exec", NODE, "kubectl", "--namespace", NAMESPACE, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 20_000,
  });

/** Each revision of the release as `revision status`, by the labels of Helm's records. */
function revisions(): string[] {
  const format = 'jsonpath={range .items[*]}{.metadata.labels.version} {.metadata.labels.status}{"\\n"}{end}';
  try {
    return kubectl("get", "secrets", "--selector", "owner=helm,name=propagator", "--output", format)
      .split("\n")
      .filter(Boolean)
      .sort();
  } catch {
    return []; // there is no cluster yet
  }
}

/** What of `STUCK` a live object has. */
const nodeSelector = () =>
  kubectl("get", "deployments", "propagator", "--output", "jsonpath={.spec.template.spec.nodeSelector}");

/** Kills every process of an `up` at once while Helm works on a revision. */
async function killedWhile(revision: string): Promise<void> {
  const run = on("up");
  const deadline = Date.now() + 120_000;
  while (!revisions().includes(revision)) {
    if (Date.now() > deadline)
      throw new Error(
        `no revision "${revision}" within two minutes, only "${revisions().join(", ")}":\n${run.output()}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  run.killAll();
  await run.done;
  expect(revisions()).toContain(revision);
}

async function expectUp(run: Running, said: RegExp): Promise<void> {
  expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
  expect(run.output()).toMatch(said);
}

let before: HostState;
let file: string;
beforeAll(() => {
  file = stackFile(NAME, QUICK);
  before = lookAtHost();
});
afterAll(async () => {
  await on("down").done;
  rmSync(file, { force: true });
});

describe("a run that was killed while Helm", () => {
  onK3s("installed a release begins it anew at the next up", async () => {
    stackFile(NAME, STUCK);
    await killedWhile("1 pending-install");
    stackFile(NAME, QUICK);
    await expectUp(
      on("up"),
      /removing the Helm release bay-e2e-test-checkpoint\/propagator, which was cut off \(pending-install\)/,
    );
    expect(revisions()).toEqual(["1 deployed"]);
  });

  onK3s(
    "upgraded a release changes it to what is wanted now at the next up, with nothing of what was cut off",
    async () => {
      stackFile(NAME, STUCK);
      await killedWhile("2 pending-upgrade");
      stackFile(NAME, { ...QUICK, checkpointLogLevel: "debug" });
      await expectUp(on("up"), /a run was cut off/);
      expect([revisions().at(-1), nodeSelector()]).toEqual(["4 deployed", ""]);
    },
  );

  onK3s("upgraded a release that the official plugin made does the same", async () => {
    stackFile(NAME, STUCK);
    await killedWhile("5 pending-upgrade");
    // The official plugin leaves no label, and refuses a release that is pending.
    kubectl("label", "secrets", "--selector", "owner=helm,name=propagator", "pulumi.com/urn-");
    stackFile(NAME, QUICK);
    await expectUp(on("up"), /going on from revision 5 of the Helm release .* which was cut off \(pending-upgrade\)/);
    expect([revisions().at(-1), nodeSelector()]).toEqual(["6 deployed", ""]);
  });

  onK3s("upgraded a release is taken down with nothing left", async () => {
    stackFile(NAME, STUCK);
    await killedWhile("7 pending-upgrade");
    stackFile(NAME, QUICK);
    const down = on("down");
    expect([await down.done, down.output()]).toEqual([0, expect.stringMatching(/Nothing of stack/)]);
    expect(lookAtHost()).toEqual(before);
  });
});
