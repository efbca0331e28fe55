import { join } from "node:path";
import { bundle } from "../../infra/support/bundle";
import { run } from "../../infra/support/exec";
import { LABEL } from "../versions";
import { baseTags, makeBases } from "./bases";
import { presentImages } from "./docker";

/** The reference Ship on the base that is made here, in containers of the real daemon with the limits of a pod. */
const SHIP = join(__dirname, "..", "..", "images", "ship");
const IMAGE = "bay-e2e/ship:offline-test";
const LIMIT = 300_000_000;

interface Python {
  success: boolean;
  output: { text: string };
  error: string | null;
}
interface Shell {
  success: boolean;
  return_code: number;
  stdout: string;
  stderr: string;
  error: string | null;
}

const started: string[] = [];
beforeAll(async () => {
  const { ship } = baseTags();
  if (!(await presentImages([ship])).has(ship)) await makeBases();
  bundle(SHIP);
  await run(["docker", "build", "--label", LABEL, "--build-arg", `BASE_IMAGE=${ship}`, "-t", IMAGE, SHIP], {
    timeout: 5 * 60_000,
  });
}, 10 * 60_000);
afterAll(async () => {
  for (const id of started) await run(["docker", "rm", "-f", "-v", id]);
  await run(["docker", "rmi", IMAGE]);
});

/** A running Ship whose calls are made by curl in the container: this host need not reach it. */
async function startShip(...options: string[]) {
  const id = (
    await run([
      "docker",
      "run",
      "-d",
      "--label",
      LABEL,
      "--cap-drop",
      "ALL",
      "--security-opt",
      "no-new-privileges",
      ...options,
      IMAGE,
    ])
  ).trim();
  started.push(id);
  const curl = (...argv: string[]) =>
    run(["docker", "exec", id, "curl", "--silent", "--show-error", "--fail", "--max-time", "60", ...argv]);
  await curl("--retry", "100", "--retry-delay", "1", "--retry-connrefused", "http://127.0.0.1:8123/health");
  const post = async (path: string, body: object): Promise<unknown> =>
    JSON.parse(await curl("--json", JSON.stringify(body), `http://127.0.0.1:8123${path}`));
  return {
    meta: async () =>
      JSON.parse(await curl("http://127.0.0.1:8123/meta")) as { capabilities: { shell: { missing_tools: string[] } } },
    python: async (code: string) => (await post("/ipython/exec", { code, timeout: 50 })) as Python,
    shell: async (command: string, timeout = 50) => (await post("/shell/exec", { command, timeout })) as Shell,
  };
}

describe("the Ship image on the base that is made here", () => {
  it("is smaller than 300 MB", async () => {
    expect(Number(await run(["docker", "image", "inspect", "--format", "{{.Size}}", IMAGE]))).toBeLessThan(LIMIT);
  });

  it("has every program that a sandbox is promised, as the user shipyard with its home in the workspace", async () => {
    const ship = await startShip();
    expect((await ship.meta()).capabilities.shell.missing_tools).toEqual([]);
    expect((await ship.shell("id -un; id -u; echo $HOME; pwd")).stdout).toBe(
      "shipyard\n1000\n/workspace\n/workspace\n",
    );
    for (const [tool, version] of [
      ["python3", "Python 3"],
      ["node", "v"],
      ["npm", ""],
      ["pnpm", ""],
      ["git", "git version"],
      ["curl", "curl"],
    ]) {
      expect(await ship.shell(`${tool} --version`)).toMatchObject({
        success: true,
        stdout: expect.stringMatching(new RegExp(`^${version}.*\\d+\\.\\d+`)),
      });
    }
  });

  it("makes a virtual environment with pip in it, and a repository of git", async () => {
    const ship = await startShip();
    expect(await ship.shell("python -m venv .venv && .venv/bin/pip --version")).toMatchObject({
      success: true,
      stdout: expect.stringContaining("/workspace/.venv/"),
    });
    const git =
      "git init -q repo && cd repo && git config user.email a@b && git config user.name a && echo x > f && git add f && git commit -qm first && git clone -q . ../copy && cat ../copy/f";
    expect(await ship.shell(git)).toMatchObject({ success: true, stdout: "x\n" });
  });

  it("survives code and commands that take all memory: they end, the next call works", async () => {
    const ship = await startShip("--memory", "128m", "--memory-swap", "128m");
    await ship.python("kept = 1");
    expect(
      await ship.python("print('taking')\nhoard = []\nwhile True: hoard.append(bytearray(1 << 20))"),
    ).toMatchObject({
      success: false,
      output: { text: "taking" },
      error: expect.stringMatching(/SIGKILL.*variables are lost|MemoryError/s),
    });
    expect(await ship.python("1 + 1")).toMatchObject({ success: true, output: { text: "2" } });
    expect(await ship.shell("python3 -c 'x = [bytearray(1 << 20) for _ in range(1 << 20)]'")).toMatchObject({
      success: false,
      return_code: 137,
    });
    expect(await ship.shell("echo well")).toMatchObject({ success: true, stdout: "well\n" });
  });

  it("survives a fork bomb where the pod has a limit of processes", async () => {
    const ship = await startShip("--pids-limit", "128");
    const bomb = await ship.shell("bomb() { bomb | bomb & }; bomb; sleep 60", 5);
    expect(bomb).toMatchObject({ success: false, return_code: expect.any(Number) });
    expect(await ship.python("1 + 1")).toMatchObject({ success: true, output: { text: "2" } });
  });

  it("leaves nothing of a command's group behind at its timeout", async () => {
    const ship = await startShip();
    expect(await ship.shell("sleep 4321 & (sleep 4321 & sleep 4321) & sleep 4321", 1)).toMatchObject({
      return_code: -1,
      error: "Command timed out",
    });
    expect((await ship.shell("ps -eo stat,args | grep -v '^Z' | grep -c '[s]leep 4321'")).stdout).toBe("0\n");
  });
});
