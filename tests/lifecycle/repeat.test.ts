import { execFileSync } from "node:child_process";
import { npmRun } from "./runner";
import { ROOT } from "./host";
import { STACK } from "./stack-file";
import { clusterName, ownerOf } from "../../infra/naming";

const CLUSTER = clusterName(ownerOf(ROOT, STACK));

// Each test brings the whole stack up and takes it down again.
jest.setTimeout(300_000);

afterAll(async () => {
  await npmRun(["down", "--", "--stack", STACK]).done;
});

/** The environment that `npm run -s env` prints, as a shell would take it in. */
function environment(): NodeJS.ProcessEnv {
  const text = execFileSync("bash", ["-c", 'eval "$(npm run -s env -- --stack "$0")" && env -0', STACK], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, CI: "true" },
  });
  return Object.fromEntries(
    text
      .split("\0")
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

function pulumi(env: NodeJS.ProcessEnv, ...argv: string[]): string {
  return execFileSync("pulumi", [...argv, "--non-interactive"], { cwd: ROOT, env, encoding: "utf8" });
}

/** What of an exported state is read here. */
interface Exported {
  deployment: { resources: { type: string; outputs: { metadata: { uid: string } } }[] };
}

/** Id of the node's container while it runs. */
function nodeContainer(): string {
  return execFileSync(
    "docker",
    ["ps", "--no-trunc", "--filter", `name=^${CLUSTER}(-control-plane)?$`, "--format", "{{.ID}}"],
    { encoding: "utf8" },
  ).trim();
}

describe("a stack that is up", () => {
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    const up = npmRun(["up", "--", "--stack", STACK]);
    expect([await up.done, up.output()]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    env = environment();
    pulumi(env, "stack", "select", STACK);
  });

  test("is not changed by a second up", () => {
    expect(pulumi(env, "up", "--yes", "--expect-no-changes")).toMatch(/unchanged/);
  });

  test("keeps its secrets out of what is stored and shown in clear", () => {
    const secret = JSON.parse(pulumi(env, "stack", "output", "--json", "--show-secrets")) as {
      apiKey: string;
      kubeconfig: string;
    };
    const stored = pulumi(env, "stack", "export") + pulumi(env, "stack", "output", "--json");
    const clientKey = /client-key-data: (\S+)/.exec(secret.kubeconfig)![1]!;
    for (const value of [secret.apiKey, clientKey]) {
      expect(stored).not.toContain(value);
      expect(stored).not.toContain(Buffer.from(value).toString("base64"));
    }
  });

  test("whose node was stopped goes on with its data at the next up", () => {
    const container = nodeContainer();
    execFileSync("docker", ["stop", "--time", "1", container]);
    const uid = () =>
      (JSON.parse(pulumi(env, "stack", "export")) as Exported).deployment.resources.find(
        ({ type }) => type === "kubernetes:core/v1:Pod",
      )!.outputs.metadata.uid;
    const before = uid();
    pulumi(env, "up", "--yes");
    expect(nodeContainer()).toBe(container);
    expect(pulumi(env, "up", "--yes", "--expect-no-changes", "--refresh")).toMatch(/unchanged/);
    expect(uid()).toBe(before);
  });

  test("whose node was lost is seen by a refresh and made again by up", () => {
    execFileSync("docker", ["rm", "--force", nodeContainer()]);
    expect(pulumi(env, "refresh", "--yes")).toMatch(/deleted/);
    pulumi(env, "up", "--yes");
    const outputs = JSON.parse(pulumi(env, "stack", "output", "--json")) as { pod: string };
    expect(outputs.pod).toBe("bay");
  });
});
