import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PropagatorClient } from "../../cli/propagator/client";
import { findCluster, runcRoot } from "../../cli/propagator/environment";
import { lacks } from "../support/lacking";
import { commandOnHost } from "../checkpoint/support/node";
import { useRig } from "../checkpoint/support/rig";

const { rig } = useRig();

/** What a program says; ends the test as a named skip where this host does not have it. */
async function said(program: string, ...words: string[]): Promise<string> {
  const { missing, exitCode, stdout, stderr } = await commandOnHost(program, words);
  if (missing) lacks(`the program ${program} on this host`);
  expect({ program, exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ program, exitCode: 0, stderr: "" });
  return stdout;
}

describe("the environment of the requirements", () => {
  test("Required tools are available", async () => {
    const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
    expect(major > 20 || (major === 20 && minor >= 19)).toBe(true);
    expect(await said("helm", "version", "--short")).toMatch(/^v3\.\d+/);
    if (rig().session.outputs) {
      expect(await said("pulumi", "version")).toMatch(/^v?3\.\d+/);
      expect(await said("docker", "version", "--format", "{{.Server.Version}}")).toMatch(/\d+\.\d+/);
    }
  });

  test("k3s, or another Kubernetes, is there with every piece that checkpoints need", async () => {
    const nodes = await rig().pods.kube.nodes();
    expect(nodes.length).toBeGreaterThan(0);
    for (const { metadata, status } of nodes) {
      expect({ node: metadata!.name, ready: status?.conditions?.find(({ type }) => type === "Ready")?.status }).toEqual(
        { node: metadata!.name, ready: "True" },
      );
      expect(status?.nodeInfo?.containerRuntimeVersion).toMatch(/^containerd:\/\//);
    }
    const { node } = rig();
    const { exitCode, value } = await node.runcCr("check");
    expect({ exitCode, ok: value?.["ok"] }).toEqual({ exitCode: 0, ok: true });
  });

  test("The client loads and authenticates", async () => {
    const { client, clusterId, target } = rig();
    expect(await client.user()).toMatch(/\S/);
    expect(await findCluster(client)).toMatchObject({ source: "listed" });
    expect(await findCluster(client, clusterId)).toEqual({ id: clusterId, source: "given" });
    // Both forms of an address mean the same propagator.
    const versioned = new PropagatorClient({ ...target, url: `${target.url}/v1/`, api: "v1" });
    expect(await versioned.user()).toBe(await client.user());
    versioned.close();
  });

  test("The network leads to the propagator, and nothing else answers in its place", async () => {
    const { target } = rig();
    const answer = await fetch(`${target.url}/v2/user`, {
      headers: { Authorization: `Bearer ${target.token}` },
      signal: AbortSignal.timeout(10_000),
    });
    expect(answer.status).toBe(200);
    expect((await fetch(`${target.url}/v2/user`, { signal: AbortSignal.timeout(10_000) })).status).toBe(401);
    const nowhere = new PropagatorClient({ url: "http://127.0.0.1:9", token: "none" });
    await expect(nowhere.user()).rejects.toMatchObject({ status: 0 });
    nowhere.close();
  });

  test("Helm makes, checks and renders a chart", async () => {
    const folder = mkdtempSync(join(tmpdir(), "chart-"));
    await said("helm", "create", join(folder, "demo"));
    expect(readFileSync(join(folder, "demo", "Chart.yaml"), "utf8")).toMatch(/^name: demo$/m);
    expect(await said("helm", "lint", join(folder, "demo"))).toMatch(/1 chart\(s\) linted, 0 chart\(s\) failed/);
    expect(await said("helm", "template", "release", join(folder, "demo"))).toMatch(/kind: Deployment/);
    expect(existsSync(join(folder, "demo", "templates"))).toBe(true);
  });

  test("Directories are there with their permissions", async () => {
    const { node } = rig();
    const [root, store] = (await node.run("stat", "-L", "-c", "%F %a %u", runcRoot(), "/var/lib/runc-cr"))
      .trim()
      .split("\n");
    // The requirements made runc's folder with 755; containerd makes it for its owner, and nobody else needs it.
    expect(root).toMatch(/^directory 7[015][015] 0$/);
    expect(store).toBe("directory 700 0");
    const probe = `${runcRoot()}/../probe-${process.pid}`;
    await node.run("mkdir", "-m", "755", probe);
    expect((await node.run("stat", "-c", "%a", probe)).trim()).toBe("755");
    await node.run("rmdir", probe);
  });
});
