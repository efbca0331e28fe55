import { chmodSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { E2eOptions } from "../../../cli/testing/test-options";
import { inContainer } from "../../../cli/container";
import { innerCommand, passedVariables } from "../../../cli/container/command";
import { packagesImage } from "../../../cli/container/image";
import { stageTools } from "../../../cli/container/tools";
import { limitOf } from "../../../cli/options/limit";

const options: E2eOptions = {
  stack: "k3s",
  suite: "checkpoint",
  verbose: false,
  parallel: true,
  list: false,
  keep: false,
  keepOnFailure: false,
  inContainer: true,
};

describe("a run in a container", () => {
  test("is the same job with the same choice of tests, ten minutes for them unless it is said", () => {
    expect(innerCommand("own", options, [])).toEqual([
      "node",
      "cli/start.mjs",
      "e2e",
      "--stack",
      "own",
      "--suite",
      "checkpoint",
      "--limit",
      "600s",
    ]);
    expect(
      innerCommand(
        "own",
        {
          ...options,
          k: "files and not slow",
          m: "core",
          n: 2,
          repeat: 3,
          seed: 7,
          limit: 90,
          parallel: false,
          verbose: true,
        },
        ["--bail"],
      ).slice(7),
    ).toEqual([
      "--limit",
      "90s",
      "-k",
      "files and not slow",
      "-m",
      "core",
      "-n",
      "2",
      "--repeat",
      "3",
      "--seed",
      "7",
      "--no-parallel",
      "--verbose",
      "--",
      "--bail",
    ]);
  });

  test("gets the variables of the propagator, and nothing else of who started it", () => {
    expect(
      passedVariables({
        CEDANA_AUTH_TOKEN: "t",
        CEDANA_URL: "u",
        CLUSTER_ID: "c",
        RUNC_ROOT: "/r",
        https_proxy: "p",
        AWS_SECRET_ACCESS_KEY: "s",
        PULUMI_CONFIG_PASSPHRASE: "p",
        KUBECONFIG: "k",
      }),
    ).toEqual(["CEDANA_AUTH_TOKEN", "CEDANA_URL", "CLUSTER_ID", "RUNC_ROOT", "https_proxy"]);
  });

  test.each([
    ["a stack that is to be kept", { keep: true }, "E_USAGE"],
    ["a stack whose cluster is somebody else's", { stack: "existing" }, "E_USAGE"],
  ])("is refused with %s", async (_, more, code) => {
    await expect(inContainer({ ...options, ...more }, [])).rejects.toMatchObject({ code });
  });
});

test("the image with the packages is one for each checkout, lock file and set of tools", () => {
  const names = [
    packagesImage("tools:1", "{}", "/one"),
    packagesImage("tools:1", "{}", "/two"),
    packagesImage("tools:1", "{ }", "/one"),
    packagesImage("tools:2", "{}", "/one"),
  ];
  expect(new Set(names).size).toBe(4);
  expect(packagesImage("tools:1", "{}", "/one")).toBe(names[0]);
});

describe("the tools of the runner image", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-e2e-tools-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("are this host's programs with what Pulumi looks for beside itself; what is not here is named", async () => {
    const bin = join(folder, "bin");
    mkdirSync(bin);
    for (const name of ["docker", "pulumi", "pulumi-language-nodejs", "pulumi-language-go"]) {
      writeFileSync(join(bin, name), name);
      chmodSync(join(bin, name), 0o755);
    }
    const staged = join(folder, "staged");
    const first = await stageTools(staged, { PATH: bin, PULUMI_HOME: join(folder, "none") });
    expect(first.lacking).toEqual(["helm", "kubectl", "kind"]);
    expect(
      ["docker", "pulumi", "pulumi-language-nodejs"].map((name) => readlinkSync(join(staged, "bin", name))),
    ).toEqual(["docker", "pulumi", "pulumi-language-nodejs"].map((name) => join(bin, name)));
    expect(existsSync(join(staged, "bin", "pulumi-language-go"))).toBe(false);
    writeFileSync(join(bin, "pulumi"), "another version");
    expect((await stageTools(join(folder, "again"), { PATH: bin, PULUMI_HOME: join(folder, "none") })).digest).not.toBe(
      first.digest,
    );
  });
});

describe("--limit", () => {
  const never = new AbortController();

  test("ends the tests when the time is over, and that is an error of its own", async () => {
    const limit = limitOf({ limit: 0.01 }, { signal: never.signal, received: undefined });
    limit.throwIfLate();
    await new Promise((resolve) => {
      limit.signal.addEventListener("abort", resolve);
    });
    expect(() => {
      limit.throwIfLate();
    }).toThrow(/E_TESTS_LATE/);
  });

  test("has nothing to say of tests that the user ended, or without one", () => {
    const user = new AbortController();
    const limits = [
      limitOf({ limit: 600 }, { signal: user.signal, received: "SIGINT" }),
      limitOf({}, { signal: user.signal, received: "SIGINT" }),
    ];
    user.abort();
    for (const limit of limits) {
      expect(limit.signal.aborted).toBe(true);
      limit.throwIfLate();
    }
  });
});
