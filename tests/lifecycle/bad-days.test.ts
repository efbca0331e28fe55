import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { anyImage } from "./images";
import { lookAtHost, ROOT } from "./host";
import { npmRun } from "./runner";
import { NODE_START, onK3s, STACK, withStack } from "./stack-file";

// Each test brings a stack up, or most of one, and takes it down again.
jest.setTimeout(300_000);

/** The code, what was seen and the next command, as the user reads them. */
async function refusalOf(
  words: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ exit: number; code: string; seen: string; next: string; output: string }> {
  const run = npmRun(words, env);
  const exit = await run.done;
  const output = run.output();
  const [, code = "", seen = "", next = ""] =
    /^(E_[A-Z_]+): [^\n]*\n\s+seen: +([\s\S]*?)\n\s+wanted: [^\n]*\n\s+next: +([^\n]*)/m.exec(output) ?? [];
  return { exit, code, seen, next, output };
}

const up = (stack: string, env: NodeJS.ProcessEnv = {}) => refusalOf(["up", "--", "--stack", stack], env);

describe("bad input is told with a code, the value and the next command", () => {
  test("an unknown command or flag, with a suggestion", async () => {
    for (const [words, near] of [
      [["e2e", "--", "--kep"], "--keep"],
      [["e2e", "--", "--stak", "x"], "--stack"],
    ] as const) {
      const { exit, output } = await refusalOf([...words]);
      expect([exit, output]).toEqual([
        2,
        expect.stringMatching(new RegExp(`E_USAGE[\\s\\S]*Did you mean ${near}\\?[\\s\\S]*npm run e2e -- --help`)),
      ]);
    }
  });

  test("tests without a stack: the unit tests run, and one line says how to run E2E", async () => {
    const run = npmRun(["test", "--", "--stack", STACK, "--", "--testPathPatterns=infra/naming"]);
    expect([await run.done, run.output()]).toEqual([
      0,
      expect.stringMatching(new RegExp(`E2E is not run: the stack ${STACK} is not up\\. \`npm run e2e\``)),
    ]);
    expect(run.output()).not.toMatch(/> Tools/);
  });

  test("unknown keys and bad values, all at once", async () => {
    await withStack("bad-config", { namespce: "x", bayPort: 99999 }, async (stack) => {
      const { exit, code, seen } = await up(stack);
      expect([exit, code]).toEqual([2, "E_CONFIG"]);
      expect(seen).toMatch(/namespce: no such key, did you mean namespace\?/);
      expect(seen).toMatch(/bayPort: .*99999/);
    });
  });

  test("a backend that does not exist", async () => {
    await withStack("bad-backend", { backend: "minikube" }, async (stack) => {
      expect(await up(stack)).toMatchObject({
        exit: 2,
        code: "E_CONFIG",
        seen: expect.stringMatching(/backend.*minikube/),
      });
    });
  });

  onK3s("a port that is taken", async () => {
    const server = await listen();
    const { port } = server.address() as { port: number };
    try {
      await withStack("bad-port", { k3sApiPort: port }, async (stack) => {
        expect(await up(stack)).toMatchObject({
          exit: 2,
          code: "E_PORT_IN_USE",
          seen: expect.stringContaining(`127.0.0.1:${port} (config key k3sApiPort)`),
          next: expect.stringContaining(String(port)),
        });
      });
    } finally {
      server.close();
    }
  });

  test("no Docker", async () => {
    const env = { DOCKER_HOST: "unix:///nonexistent/docker.sock", KUBECONFIG: "/nonexistent" };
    expect(await up("k3s", env)).toMatchObject({
      exit: 2,
      code: "E_DOCKER_MISSING",
      next: expect.stringContaining("docker info"),
    });
    // Without a stack's name it is one fact of several.
    expect(await refusalOf(["up"], env)).toMatchObject({
      exit: 2,
      code: "E_NO_BACKEND",
      seen: expect.stringMatching(/no context[\s\S]*k3s: no Docker answers/),
      next: expect.stringContaining("npm run doctor"),
    });
  });
});

describe("bad days are told by their cause, within seconds, and nothing is lost", () => {
  test("an image that cannot be built, with the build's last words", async () => {
    await inContext({ Dockerfile: "FROM scratch\nCOPY nothing-of-that-name /x\n" }, async (bayContext) => {
      await withStack("bad-build", { bayContext }, async (stack) => {
        const { exit, code, output } = await up(stack);
        expect([exit, code]).toEqual([2, "E_IMAGE_BUILD"]);
        expect(output).toMatch(/nothing-of-that-name/);
      });
    });
  });

  test("a Bay that crashes at its start, with its last lines", async () => {
    await inContext(
      { Dockerfile: `FROM ${anyImage()}\nCMD ["node", "-e", "console.error('no such luck'); process.exit(3)"]\n` },
      async (bayContext) => {
        await withStack("bad-crash", { bayContext }, async (stack) => {
          const { exit, code, output } = await up(stack);
          expect([exit, code]).toEqual([2, "E_BAY_NOT_READY"]);
          expect(output).toMatch(/no such luck/);
        });
      },
    );
  });

  onK3s("a node that cannot become a cluster, with its last lines", async () => {
    await withStack("bad-node", { k3sImage: anyImage() }, async (stack) => {
      const { exit, code, output } = await up(stack);
      expect(exit).toBe(2);
      expect(["E_NODE_DIED", "E_CLUSTER_NOT_READY"]).toContain(code);
      expect(output).toMatch(/Cannot find module|MODULE_NOT_FOUND|server/);
    });
  });

  test("another run of the same stack under way, which goes on undisturbed", async () => {
    await withStack("bad-twice", {}, async (stack) => {
      const first = npmRun(["up", "--", "--stack", stack]);
      await first.until(NODE_START);
      const locked = {
        exit: 2,
        code: "E_STACK_LOCKED",
        seen: expect.stringMatching(/npm run up \(pid \d+\) has the stack bad-twice; it is at up since \d{4}-/),
      };
      expect(await Promise.all([up(stack), refusalOf(["down", "--", "--stack", stack])])).toMatchObject([
        locked,
        locked,
      ]);
      expect([await first.done, first.output()]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    });
  });

  test("a salt that somebody committed with the stack's file, which opens nothing here", async () => {
    await withStack("bad-salt", {}, async (stack) => {
      appendFileSync(
        join(ROOT, "stacks", `Pulumi.${stack}.yaml`),
        "encryptionsalt: v1:8iPxyECO4Vs=:v1:vLZwBZ1i4evqlDYV:lgOidJvZ4YKM8z1T/KeaU+qKHH1Byg==\n",
      );
      const run = npmRun(["env", "--", "--stack", stack]);
      expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/export PULUMI_BACKEND_URL=/)]);
    });
  });

  test("a wrong passphrase, which changes nothing", async () => {
    await withStack("bad-pass", {}, async (stack) => {
      expect(await npmRun(["up", "--", "--stack", stack]).done).toBe(0);
      const before = lookAtHost().containers;
      expect(await up(stack, { PULUMI_CONFIG_PASSPHRASE: "not this one" })).toMatchObject({
        exit: 2,
        code: "E_PASSPHRASE",
      });
      expect(lookAtHost().containers).toEqual(before);
      expect(await npmRun(["up", "--", "--stack", stack]).done).toBe(0);
    });
  });
});

function listen(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      resolve(server);
    });
  });
}

/** A build context in a folder of its own, named relative to the checkout as the configuration wants it. */
async function inContext(files: Record<string, string>, work: (context: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-context-"));
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  try {
    await work(relative(ROOT, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
