import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FORMER_NAMES } from "../../infra/former-names";
import { ROOT } from "../lifecycle/host";
import { BayClient, expectStatus } from "../support/bay-client";
import { Kube } from "../support/kube";
import { openForward } from "../support/port-forward";
import { kubeconfigOf, npm, outputsOf, removeStack, stackFile, withStack } from "./support";
import { Pulumi } from "./pulumi";

// One k3s cluster for the whole file, in which each test has a stack of its own, as on a cluster that a team shares.
jest.setTimeout(600_000);

const STACK = "backends-platform";
const FOLDER = join(ROOT, "artifacts", "backends", "platform");
let kube: Kube;
let kubeconfig: string;

beforeAll(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  stackFile(STACK, { backend: "k3s", checkpoint: "false", namespace: "of-the-platform" });
  const { code, output } = await npm("up", "--", "--stack", STACK);
  expect([code, output]).toEqual([0, expect.stringMatching(/Bay is pod bay in namespace of-the-platform/)]);
  kubeconfig = await kubeconfigOf(STACK);
  kube = new Kube(readFileSync(kubeconfig, "utf8"));
});

afterAll(async () => {
  await removeStack(STACK);
});

/** A stack with a namespace of its name on the shared cluster, up while `work` runs. */
async function withTenant(
  name: string,
  work: (pulumi: Pulumi) => Promise<void>,
  config: Record<string, unknown> = { backend: "existing", kubeconfig, kubeContext: "default" },
): Promise<void> {
  await withStack(name, { ...config, namespace: name }, async (stack) => {
    const { code, output } = await npm("up", "--", "--stack", stack);
    expect([code, output]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    await work(Pulumi.of(stack));
  });
}

/** Work with a client of a Bay, through a port-forward of its own. */
async function withBay<T>(
  target: { namespace: string; pod: string; port: number; apiKey: string },
  work: (bay: BayClient) => Promise<T>,
): Promise<T> {
  const forward = await openForward({ kubeconfig: readFileSync(kubeconfig, "utf8"), ...target });
  const bay = new BayClient(forward.url, target.apiKey);
  try {
    return await work(bay);
  } finally {
    bay.close();
    await forward.close();
  }
}

describe("the example of two teams", () => {
  const project = join(ROOT, "examples", "two-teams");
  const inProject = (file: string, ...argv: string[]) =>
    execFileSync(file, argv, { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const namespaces = ["bay-blue", "bay-green"];
  let pulumi: Pulumi;

  beforeAll(async () => {
    const { images } = await outputsOf(STACK);
    inProject("npm", "install", "--no-audit", "--no-fund", "--loglevel=error");
    mkdirSync(join(FOLDER, "example"));
    pulumi = Pulumi.of(STACK).withBackend(join(FOLDER, "example"), project);
    pulumi.run("stack", "init", "trial");
    pulumi.feed(readFileSync(kubeconfig, "utf8"), "config", "set", "--secret", "kubeconfig");
    for (const name of ["bay", "ship"] as const) pulumi.run("config", "set", `${name}Image`, images[name].reference);
    pulumi.run("up", "--yes");
  });

  afterAll(() => {
    pulumi.run("destroy", "--yes", "--remove");
    rmSync(join(project, "Pulumi.trial.yaml"), { force: true });
  });

  test("has types that hold with the packages of its own", () => {
    inProject("npx", "tsc", "--noCheck", "false");
  });

  test("serves two Bays, each with its own key and its own sandboxes", async () => {
    const { bays, apiKeys } = JSON.parse(pulumi.run("stack", "output", "--json", "--show-secrets")) as {
      bays: Record<string, { namespace: string; pod: string; port: number }>;
      apiKeys: Record<string, string>;
    };
    expect(Object.values(bays).map(({ namespace }) => namespace)).toEqual(namespaces);
    const made = await Promise.all(
      Object.entries(bays).map(([team, target]) =>
        withBay({ ...target, apiKey: apiKeys[team]! }, async (bay) => {
          const { id } = expectStatus(await bay.createSandbox(), 201);
          expect(expectStatus(await bay.sandbox(id).python("6 * 7"), 200).output).toBe("42");
          expect((await kube.pods(target.namespace, "bay.managed=true")).length).toBe(1);
          const other = new BayClient(
            bay.url,
            Object.values(apiKeys).find((key) => key !== apiKeys[team]),
          );
          expect((await other.listSandboxes()).status).toBe(401);
          other.close();
          return id;
        }),
      ),
    );
    expect(new Set(made).size).toBe(2);
  });

  test("has the team's labels and its container, and is not changed by a second up", async () => {
    for (const [team, namespace] of [
      ["blue", "bay-blue"],
      ["green", "bay-green"],
    ] as const) {
      const pod = (await kube.pod(namespace, "bay"))!;
      expect(pod.metadata).toMatchObject({
        labels: { app: "bay", "example.com/team": team },
        annotations: { "example.com/contact": `${team}@example.com` },
      });
      expect(pod.spec?.containers.map(({ name }) => name)).toEqual(["bay", "watcher"]);
      expect(pod.status?.containerStatuses?.map(({ ready, restartCount }) => [ready, restartCount])).toEqual([
        [true, 0],
        [true, 0],
      ]);
      for (const [apiVersion, kind, name] of [
        ["v1", "ConfigMap", "bay-config"],
        ["v1", "Secret", "bay-api-key"],
        ["rbac.authorization.k8s.io/v1", "Role", "bay-role"],
      ] as const) {
        expect(await kube.read({ apiVersion, kind, metadata: { name, namespace } })).toMatchObject({
          metadata: { labels: { "example.com/team": team } },
        });
      }
    }
    pulumi.run("up", "--yes", "--expect-no-changes");
  });

  test("leaves nothing behind when it is destroyed, its sandboxes neither", async () => {
    pulumi.run("destroy", "--yes");
    for (const name of namespaces)
      expect(await kube.read({ apiVersion: "v1", kind: "Namespace", metadata: { name } })).toBeUndefined();
  });
});

describe("a stack on a shared cluster", () => {
  test("is not changed by a second up where the cluster is Docker Desktop's", async () => {
    await withTenant(
      "platform-desktop",
      (pulumi) => {
        pulumi.run("up", "--yes", "--stack", "platform-desktop", "--expect-no-changes");
        return Promise.resolve();
      },
      { backend: "docker-desktop", kubeconfig: await kubeconfigOf(STACK, "docker-desktop") },
    );
  });

  test("that was made under the former names of its resources goes on with what it has", async () => {
    await withTenant("platform-former", (pulumi) => {
      const state = pulumi.run("stack", "export", "--stack", "platform-former");
      const renamed = Object.entries(FORMER_NAMES).reduce(
        (text, [name, former]) =>
          text.replaceAll(new RegExp(`(\\$(?:kubernetes|docker):[^"]*::)${name}"`, "g"), `$1${former}"`),
        state,
      );
      expect(renamed).toMatch(/core\/v1:Pod::pod"/);
      pulumi.feed(renamed, "stack", "import", "--stack", "platform-former");
      expect(pulumi.plan("platform-former")).toEqual([]);
      pulumi.run("up", "--yes", "--stack", "platform-former", "--expect-no-changes");
      expect(pulumi.run("stack", "export", "--stack", "platform-former")).toMatch(/core\/v1:Pod::bay-pod"/);
      return Promise.resolve();
    });
  });

  test("is moved to another state backend by export and import, used from there and destroyed from there", async () => {
    await withTenant("platform-moved", async (here) => {
      const stack = "platform-moved";
      const { apiKey } = await outputsOf(stack);
      const file = join(FOLDER, "moved.json");
      here.run("stack", "export", "--stack", stack, "--file", file);
      mkdirSync(join(FOLDER, "moved"));
      const there = here.withBackend(join(FOLDER, "moved"));
      there.run("stack", "init", stack);
      there.run("stack", "import", "--stack", stack, "--file", file);
      expect(readFileSync(file, "utf8")).not.toContain(apiKey);
      there.run("up", "--yes", "--stack", stack, "--expect-no-changes");
      here.run("stack", "rm", "--stack", stack, "--force", "--yes", "--preserve-config");

      expect(there.run("stack", "output", "apiKey", "--show-secrets", "--stack", stack).trim()).toBe(apiKey);
      there.run("destroy", "--yes", "--stack", stack);
      expect(await kube.read({ apiVersion: "v1", kind: "Namespace", metadata: { name: stack } })).toBeUndefined();
      there.run("stack", "rm", "--stack", stack, "--yes", "--preserve-config");
    });
  });
});

describe("an upgrade of Bay", () => {
  const stack = "platform-upgrade";

  /** A build context with the reference Bay and a Dockerfile that ends otherwise: another image. */
  function contextOf(name: string, lines: string): string {
    const context = join(FOLDER, name);
    cpSync(join(ROOT, "images", "bay", "dist"), join(context, "dist"), { recursive: true });
    writeFileSync(
      join(context, "Dockerfile"),
      `${readFileSync(join(ROOT, "images", "bay", "Dockerfile"), "utf8")}\n${lines}\n`,
    );
    return context;
  }

  const uid = async () => (await kube.pod(stack, "bay"))?.metadata?.uid;

  test("by image or configuration keeps the sandboxes and replaces Bay alone; one that fails leaves the old one serving, and says so", async () => {
    await withTenant(stack, async (pulumi) => {
      const target = await outputsOf(stack);
      const up = () => npm("up", "--", "--stack", stack);
      const set = (key: string, value: string) => pulumi.run("config", "set", key, value, "--stack", stack);
      const kept = await withBay(target, async (bay) => {
        const { id } = expectStatus(await bay.createSandbox(), 201);
        expectStatus(await bay.sandbox(id).python("kept = 41"), 200);
        return id;
      });
      const expectServed = (reason: string) =>
        withBay(target, async (bay) => {
          expect([reason, expectStatus(await bay.sandbox(kept).python("kept + 1"), 200).output]).toEqual([
            reason,
            "42",
          ]);
        });

      set("bayContext", contextOf("newer", "LABEL newer=yes"));
      expect(pulumi.plan(stack)).toEqual(["replace bay-pod", "update images-bay"]);
      const first = await uid();
      expect(await up()).toMatchObject({ code: 0 });
      expect(await uid()).not.toBe(first);
      await expectServed("after a new image");

      set("podStartupTimeout", "90");
      expect(pulumi.plan(stack)).toEqual(["replace bay-config", "replace bay-pod"]);
      expect(await up()).toMatchObject({ code: 0 });
      await expectServed("after another configuration");

      const serving = await uid();
      set("bayContext", contextOf("broken", `CMD ["node", "-e", "console.log('no such luck'); process.exit(3)"]`));
      expect(await up()).toEqual({
        code: 2,
        output: expect.stringMatching(/E_BAY_UPGRADE[\s\S]*exit code 3[\s\S]*serves on[\s\S]*no such luck/) as string,
      });
      await expectServed("after an image that ends");
      set("bayContext", join(FOLDER, "newer"));
      set("bayPort", "9114");
      expect(await up()).toEqual({
        code: 2,
        output: expect.stringMatching(/E_BAY_UPGRADE[\s\S]*serves on[\s\S]*metrics_port/) as string,
      });
      await expectServed("after a configuration that Bay refuses");
      expect(await uid()).toBe(serving);
      // Nothing of a rehearsal is left.
      expect((await kube.pods(stack)).map(({ metadata }) => metadata?.name).sort()).toEqual([
        "bay",
        expect.stringMatching(/^bay-session-/),
      ]);
      expect(
        await kube.read({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "bay-rehearsal", namespace: stack } }),
      ).toBeUndefined();

      set("bayPort", "8114");
      expect(pulumi.plan(stack)).toEqual([]);
    });
  });
});
