import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, tryRun } from "../../infra/support/exec";
import { enginePath, type EngineSettings, engineSteps, startEngine, stopEngine } from "./engine";

// The real daemon, beside the one that runs: another socket, other folders, and a network and mounts of its own,
// without which it would delete the other one's bridge. The first test may have to fetch its packages.
jest.setTimeout(180_000);

const possible = process.platform === "linux" && process.getuid?.() === 0;
const suite = possible ? describe : describe.skip;
const links = async () => (await tryRun(["ls", "/sys/class/net"])).stdout;

suite(`the Docker daemon that the fallback starts${possible ? "" : " (skipped: needs Linux and root)"}`, () => {
  let root: string;
  let settings: EngineSettings;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "offline-docker-"));
    settings = {
      socket: join(root, "docker.sock"),
      dataRoot: join(root, "data"),
      execRoot: join(root, "exec"),
      pidFile: join(root, "docker.pid"),
      args: ["--bridge=none", "--iptables=false", "--ip6tables=false"],
      within: ["unshare", "--net", "--mount"],
    };
  });
  afterEach(async () => {
    await stopEngine(root);
    rmSync(root, { recursive: true, force: true });
  });

  it("answers at its socket, is not started twice, ends with stop, and leaves the host's bridge alone", async () => {
    const bridge = (await links()).includes("docker0");
    expect((await engineSteps(settings)).map((step) => step.name)).toContain("dockerStart");
    await startEngine(settings, root);
    const pid = readFileSync(settings.pidFile, "utf8");
    expect(await answer(settings)).toContain("26.1");
    expect(await engineSteps(settings)).toEqual([]);
    await startEngine(settings, root);
    expect(readFileSync(settings.pidFile, "utf8")).toBe(pid);
    expect(await stopEngine(root)).toContain(pid);
    expect(await answer(settings)).toBe("");
    expect(await stopEngine(root)).toBe("no Docker daemon was started here");
    expect((await links()).includes("docker0")).toBe(bridge);
  });

  it("runs a container", async () => {
    await startEngine(settings, root);
    const program = await enginePath();
    await run([
      "bash",
      "-o",
      "pipefail",
      "-c",
      'tar -C "$1" -c tini-static | docker --host "$2" import - tiny',
      "import",
      join(program, "usr/bin"),
      `unix://${settings.socket}`,
    ]);
    expect(
      await run([
        "docker",
        "--host",
        `unix://${settings.socket}`,
        "run",
        "--rm",
        "--privileged",
        "--network=none",
        "tiny",
        "/tini-static",
        "--version",
      ]),
    ).toContain("tini version");
  });

  it("starts over what a killed daemon left", async () => {
    await startEngine(settings, root);
    const pids = [settings.pidFile, join(settings.execRoot, "containerd", "containerd.pid")].map((file) =>
      Number(readFileSync(file, "utf8")),
    );
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await startEngine(settings, root);
    expect(await answer(settings)).toContain("26.1");
  });

  it("starts although the pid in its file is another program's by now", async () => {
    writeFileSync(settings.pidFile, String(process.pid));
    await startEngine(settings, root);
    expect(await answer(settings)).toContain("26.1");
  });

  it("shows the daemon's own words when it cannot start", async () => {
    mkdirSync(settings.dataRoot);
    const failing = startEngine({ ...settings, args: ["--storage-driver=nonsense"] }, root);
    await expect(failing).rejects.toMatchObject({
      code: "E_DOCKER_MISSING",
      detail: expect.stringContaining("nonsense") as string,
    });
  });
});

async function answer(settings: EngineSettings): Promise<string> {
  return (
    await tryRun(["docker", "--host", `unix://${settings.socket}`, "version", "--format", "{{.Server.Version}}"])
  ).stdout.trim();
}
