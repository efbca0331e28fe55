import { render } from "../../../cli/commands/doctor";
import {
  check,
  type CheckSpec,
  fail,
  type Finding,
  needsDocker,
  ok,
  type Subject,
  warn,
} from "../../../cli/doctor/check";
import { checkpointing } from "../../../cli/doctor/checks/checkpoint";
import { configuration } from "../../../cli/doctor/checks/configuration";
import { context } from "../../../cli/doctor/checks/context";
import { cacheDisk, dockerDisk, temporaryDisk } from "../../../cli/doctor/checks/disk";
import { dockerAnswers, dockerClock, dockerPrivileged, imageStore } from "../../../cli/doctor/checks/docker";
import { clusterLimits } from "../../../cli/doctor/checks/limits";
import {
  cgroup,
  hasResource,
  inotify,
  memory,
  openFiles,
  processors,
  resourceCapability,
} from "../../../cli/doctor/checks/machine";
import { kernelNetwork, ports, proxies } from "../../../cli/doctor/checks/network";
import { imagesOf, registries } from "../../../cli/doctor/checks/registries";
import { tools } from "../../../cli/doctor/checks/tools";
import { CHECKS, examine, problemOf, type Row } from "../../../cli/doctor/run";
import { readConfig } from "../../../infra/config";
import type { DockerInfo } from "../../../cli/probe/docker";
import { UserError } from "../../../infra/support/errors";

const info: DockerInfo = {
  version: "29.0.0",
  root: "/var/lib/docker",
  rootless: false,
  remapped: false,
  cgroup: { version: "2", driver: "systemd" },
  store: { driver: "overlay2", containerd: false },
  memory: 8e9,
  cpus: 4,
  kernel: "6.8.0",
  here: true,
  proxy: "",
  noProxy: "",
  clockAhead: 0,
  mirrors: [],
};
const subject: Subject = {
  stack: "k3s",
  backend: "k3s",
  settings: readConfig({}, "k3s"),
  docker: { info },
  standIns: [],
  env: {},
};

/** A case of a judge: what was found, the status, and words that must be told. */
type Case<F> = [what: string, facts: F, status: Finding["status"], words: string];

function judges<F>(spec: CheckSpec<F>, cases: Case<F>[]): void {
  describe(spec.name, () => {
    test.each(cases)("%s", (_, facts, status, words) => {
      const found = spec.judge(facts, subject);
      expect(found.status).toBe(status);
      expect(`${found.found} | ${found.fix ?? ""}`).toContain(words);
      expect(found.fix !== undefined && found.fix !== "").toBe(status !== "ok");
      expect(found.needed).not.toBe("");
    });
  });
}

describe("the doctor judges", () => {
  judges(configuration, [
    ["a file without problems", { stack: "k3s" }, "ok", "stacks/Pulumi.k3s.yaml"],
    ["an unknown key", { stack: "k3s", problem: "kindd: no such key" }, "fail", "kindd"],
  ]);
  judges(dockerAnswers, [
    ["a daemon that answers", { info }, "ok", "29.0.0"],
    ["one in another machine", { info: { ...info, here: false } }, "ok", "in another machine"],
    ["none", { problem: "Cannot connect" }, "fail", "Cannot connect | npm run setup"],
  ]);
  judges(dockerPrivileged, [
    ["a plain daemon", { rootless: false, remapped: false }, "ok", "allowed"],
    ["a rootless one", { rootless: true, remapped: false }, "fail", "rootless"],
    ["one with remapped users", { rootless: false, remapped: true }, "fail", "userns-remap"],
  ]);
  judges(imageStore, [
    ["a graph driver", { driver: "overlay2", containerd: false }, "ok", "graph driver overlay2"],
    ["containerd's store", { driver: "overlayfs", containerd: true }, "ok", "kind #3795"],
    ["vfs", { driver: "vfs", containerd: false }, "warn", "whole copy"],
  ]);
  judges(dockerClock, [
    ["a clock that agrees", { ahead: 900 }, "ok", "1 s ahead"],
    ["one that stood still", { ahead: -90_000 }, "warn", "90 s behind"],
  ]);
  judges(dockerDisk, [
    ["room", { folder: "/d", free: 5e9 }, "ok", "5.0 GB free below /d"],
    ["too little", { folder: "/d", free: 1e9 }, "fail", "npm run clean"],
  ]);
  judges(cacheDisk, [
    ["room for what is built already", { folder: "/c", free: 2e9, built: true }, "ok", "2.0 GB"],
    ["too little to build in", { folder: "/c", free: 2e9, built: false }, "warn", "BAY_E2E_CACHE"],
    ["a full disk", { folder: "/c", free: 1e6, built: true }, "warn", "BAY_E2E_CACHE"],
  ]);
  judges(temporaryDisk, [
    ["room", { folder: "/tmp", free: 2e9 }, "ok", "/tmp"],
    ["none", { folder: "/tmp", free: 0 }, "warn", "TMPDIR"],
  ]);
  judges(memory, [
    ["enough that is free", { total: 8e9, available: 4e9 }, "ok", "4.0 GB of 8.0 GB free"],
    ["too little of much", { total: 32e9, available: 1e9 }, "warn", "1.0 GB of 32.0 GB"],
    ["a small machine elsewhere", { total: 2e9, available: undefined }, "warn", "2.0 GB"],
  ]);
  judges(processors, [
    ["two", { count: 2 }, "ok", "2"],
    ["one", { count: 1 }, "warn", "readyTimeout"],
  ]);
  judges(cgroup, [
    ["v2", { host: "v2", docker: "v2", driver: "systemd" }, "ok", "v2, driver systemd"],
    ["v1", { host: "v1", docker: "v1", driver: "cgroupfs" }, "warn", "failCgroupV1"],
    [
      "a daemon that sees another one than the host",
      { host: "v2", docker: "v1", driver: "cgroupfs" },
      "warn",
      "v2, Docker v1",
    ],
    ["v2 in another machine", { host: undefined, docker: "v2", driver: "systemd" }, "ok", "v2"],
  ]);
  judges(inotify, [
    ["what kind asks for", { watches: 524288, instances: 512 }, "ok", "524288"],
    ["a distribution's default", { watches: 8192, instances: 128 }, "warn", "sysctl"],
    ["many watches, few instances", { watches: 1e6, instances: 128 }, "warn", "128 instances"],
  ]);
  judges(openFiles, [
    ["enough", { soft: 20000, hard: 20000 }, "ok", "20000"],
    ["a soft limit alone", { soft: 1024, hard: 1048576 }, "warn", "ulimit -n 4096"],
    ["a hard limit", { soft: 1024, hard: 1024 }, "warn", "limits.conf"],
    ["no limit", { soft: Infinity, hard: Infinity }, "ok", "unlimited, at most unlimited"],
  ]);
  judges(resourceCapability, [
    ["a host that has it", { has: true }, "ok", "there"],
    ["one that lacks it", { has: false }, "warn", "OOM"],
  ]);
  judges(kernelNetwork, [
    ["a kernel with all of it", { forward: true, bridgeFilter: true, overlay: true }, "ok", "all there"],
    ["one that forwards nothing", { forward: false, bridgeFilter: true, overlay: true }, "warn", "ip_forward=1"],
    ["one without bridges", { forward: true, bridgeFilter: false, overlay: true }, "warn", "br_netfilter"],
  ]);
  judges(ports, [
    ["a free port", { key: "k3sApiPort", port: 6443, own: false }, "ok", "6443 (k3sApiPort) is free"],
    [
      "one that the stack itself holds",
      { key: "k3sApiPort", port: 6443, taken: "EADDRINUSE", own: true },
      "ok",
      "own node",
    ],
    [
      "one that somebody else holds",
      { key: "k3sApiPort", port: 6443, taken: "EADDRINUSE", own: false },
      "fail",
      "pulumi config set k3sApiPort 0",
    ],
  ]);
  judges(proxies, [
    ["no proxy", { proxy: "", noProxy: "", daemon: "" }, "ok", "none"],
    [
      "a proxy with exceptions",
      { proxy: "http://p:1", noProxy: "localhost, 127.0.0.1", daemon: "" },
      "ok",
      "http://p:1",
    ],
    [
      "one for everything",
      { proxy: "http://p:1", noProxy: "example", daemon: "" },
      "warn",
      "NO_PROXY=example,127.0.0.1,localhost",
    ],
    [
      "a password, which is not told",
      { proxy: "http://user:geheim@p:1", noProxy: "*", daemon: "" },
      "ok",
      "http://p:1",
    ],
    ["the daemon's own", { proxy: "", noProxy: "", daemon: "http://d" }, "ok", "Docker: http://d"],
  ]);
  judges(registries, [
    ["images that are here", { images: [{ image: "a", local: true }], standIns: false }, "ok", "1 of 1 here"],
    [
      "images that can be pulled",
      { images: [{ image: "a", local: false, answers: true }], standIns: false },
      "ok",
      "the rest can be pulled",
    ],
    ["stand-ins", { images: [{ image: "a", local: true }], standIns: true }, "ok", "stand-ins of offline/"],
    [
      "a registry out of reach",
      {
        images: [
          { image: "a", local: false, answers: false, problem: "no such host" },
          { image: "b", local: false, answers: false, problem: "no such host" },
        ],
        standIns: false,
      },
      "warn",
      "a, b (no such host)",
    ],
    [
      "one where setup knows a way",
      { images: [{ image: "a", local: false, answers: false }], standIns: true },
      "warn",
      "npm run setup makes",
    ],
  ]);
  const piece = { name: "criu", ok: true, required: true, found: "criu 4.2.1", needed: "criu 4.2" };
  judges(checkpointing, [
    ["an image that has all", { nodes: [], image: "node:1", prepared: true }, "ok", "node:1 has them"],
    [
      "an image that has nothing",
      { nodes: [], image: "node:1", prepared: false },
      "ok",
      "builds them on top of node:1",
    ],
    [
      "nodes that have all",
      {
        nodes: [
          { name: "a", pieces: [piece] },
          { name: "b", pieces: [piece] },
        ],
        image: "",
        prepared: true,
      },
      "ok",
      "all 2 nodes have them",
    ],
    [
      "a node with a limit",
      {
        nodes: [{ name: "a", pieces: [piece, { ...piece, required: false, ok: false, found: "only uid 0" }] }],
        image: "",
        prepared: true,
      },
      "ok",
      "the node has them; only uid 0",
    ],
    [
      "a node that lacks a piece",
      {
        nodes: [
          { name: "a", pieces: [piece] },
          { name: "b", pieces: [{ ...piece, ok: false, found: "criu 3.9", fix: "a newer criu" }] },
        ],
        image: "",
        prepared: true,
      },
      "warn",
      "b: criu: criu 3.9, wanted criu 4.2 | a newer criu",
    ],
    [
      "a node without the tool",
      { nodes: [{ name: "a", problem: "executable file not found" }], image: "", prepared: true },
      "warn",
      "a: executable file not found | npm run down",
    ],
  ]);
  const limited = {
    nodes: [{ name: "a", pids: 1024, ephemeral: true }],
    storage: { name: "standard", provisioner: "ebs.csi.aws.com" },
    engine: "cilium",
  };
  judges(clusterLimits, [
    [
      "all of them",
      limited,
      "ok",
      "pids of a pod: 1024; ephemeral-storage: kept by eviction; volume sizes: those of ebs.csi.aws.com; NetworkPolicies: kept by cilium",
    ],
    [
      "volumes that are folders",
      { ...limited, storage: { name: "local-path", provisioner: "rancher.io/local-path" } },
      "ok",
      "volume sizes: a wish, local-path (rancher.io/local-path)",
    ],
    [
      "a node without a limit of pids",
      { ...limited, nodes: [...limited.nodes, { name: "b", pids: -1, ephemeral: true }] },
      "warn",
      "no limit on b",
    ],
    [
      "no engine",
      { nodes: limited.nodes },
      "warn",
      "no storage class; NetworkPolicies: no engine was seen | install an engine",
    ],
    [
      "a kubelet that may not be asked",
      { ...limited, nodes: [{ name: "a", problem: "answered 403" }] },
      "ok",
      "not known, a: answered 403",
    ],
    [
      "a node without its disk's limits",
      { ...limited, nodes: [{ name: "a", pids: 5, ephemeral: false }] },
      "warn",
      "kept by cilium | set localStorageCapacityIsolation",
    ],
  ]);
  judges(context, [
    [
      "one that answers",
      {
        name: "kind-a",
        server: "https://127.0.0.1:1",
        kubectl: "kubectl --context kind-a",
        reachable: true,
        answer: "HTTP 401",
      },
      "ok",
      "kind-a at https://127.0.0.1:1: HTTP 401",
    ],
    [
      "one that does not",
      {
        name: "kind-a",
        server: "https://127.0.0.1:1",
        kubectl: "kubectl --kubeconfig kc --context kind-a",
        reachable: false,
        answer: "ECONNREFUSED",
      },
      "fail",
      "kubectl --kubeconfig kc --context kind-a version",
    ],
    [
      "none",
      {
        error: new UserError("E_CONTEXT_MISSING", {
          seen: "no current context",
          wanted: "one",
          next: "kubectl config get-contexts",
        }),
      },
      "fail",
      "no current context | kubectl config get-contexts",
    ],
  ]);

  const tool = (name: string) => tools.find((one) => one.name === name)!;
  judges(tool("node"), [
    ["one that is new enough", { path: "/usr/bin/node", version: "20.19.0" }, "ok", "20.19.0 in /usr/bin"],
    ["one that is too old", { path: "/usr/bin/node", version: "18.0.0" }, "fail", "newer Node"],
    ["none", {}, "fail", "not on PATH"],
  ]);
  judges(tool("pulumi"), [
    ["none yet", {}, "warn", "npm run setup"],
    ["one that is too old", { path: "/x/pulumi", version: "2.0.0" }, "warn", "npm run setup"],
  ]);
  judges(tool("helm"), [
    ["none, which is nobody's loss", {}, "ok", "not on PATH"],
    ["one that tells no version", { path: "/x/helm" }, "ok", "version unknown"],
  ]);

  test("capability 24 among the others", () => {
    expect([hasResource("000001ffffffffff"), hasResource("000001fffeffffff"), hasResource("0")]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe("a check", () => {
  const spec = (facts: string | undefined): CheckSpec<string> => ({
    name: "x",
    cost: "cheap",
    probe: () => Promise.resolve(facts),
    judge: (found) => ok(found, "any"),
  });

  test("that has nothing to look at is left out", async () => {
    await expect(examine(subject, [check(spec(undefined)), check(spec("seen"))])).resolves.toEqual([
      { name: "x", status: "ok", found: "seen", needed: "any" },
    ]);
  });

  test("of another backend is left out", async () => {
    await expect(examine(subject, [check({ ...spec("seen"), backends: ["kind"] })])).resolves.toEqual([]);
  });

  test("of the preflight never asks a server elsewhere", () => {
    const names = CHECKS.filter(({ preflight }) => preflight).map(({ name, cost }) => [name, cost]);
    expect(names).toEqual([
      ["secrets", "cheap"],
      ["context", "cheap"],
      ["rights", "cheap"],
      ["Docker", "cheap"],
      ["privileged containers", "cheap"],
      ["disk of Docker", "cheap"],
      ["ports", "cheap"],
    ]);
  });

  test.each<[string, Partial<Subject>, boolean]>([
    ["a node of our own", { backend: "k3s" }, true],
    ["an image that is built", { backend: "existing" }, true],
    [
      "ready images in a cluster that is there",
      { backend: "existing", settings: readConfig({ bayImage: "a", shipImage: "b" }, "existing") },
      false,
    ],
    ["one ready image of two", { backend: "existing", settings: readConfig({ bayImage: "a" }, "existing") }, true],
  ])("asks for Docker for %s: %j", (_, changed, needed) => {
    expect(needsDocker({ ...subject, ...changed })).toBe(needed);
  });

  test("asks for the images that are really used", () => {
    const settings = readConfig(
      { bayImage: "mine", shipBaseImage: "base", imageSubstitutes: '{"docker.io/library/base":"stand-in"}' },
      "existing",
    );
    expect(imagesOf(settings, "existing", {})).toEqual(["stand-in"]);
    expect(imagesOf(settings, "k3s", { BAY_E2E_IMAGES: JSON.stringify({ [settings.k3sImage]: "node" }) })).toEqual([
      "node",
      "stand-in",
    ]);
  });
});

describe("what stands in the way of an up", () => {
  const row = (name: string, finding: Finding): Row => ({ name, ...finding });

  test("is nothing with warnings alone, nor with failures that an up tells better itself", () => {
    expect(
      problemOf([row("a", ok("x", "x")), row("b", warn("x", "x", "x")), row("c", fail("x", "x", "x"))]),
    ).toBeUndefined();
  });

  test("is one error with its code and its fix", () => {
    expect(problemOf([row("a", fail("1 GB", "4 GB", "npm run clean", "E_DISK"))])).toMatchObject({
      code: "E_DISK",
      seen: "1 GB",
      wanted: "4 GB",
      next: "npm run clean",
      detail: undefined,
    });
  });

  test("is told all at once, the first as the error and the others below it", () => {
    const problem = problemOf([
      row("a", fail("rootless", "root", "use another", "E_DOCKER_PRIVILEGED")),
      row("b", fail("1 GB", "4 GB", "npm run clean", "E_DISK")),
    ]);
    expect(problem?.code).toBe("E_DOCKER_PRIVILEGED");
    expect(problem?.message).toMatch(/and 1 more:\n +E_DISK: 1 GB\n +wanted: 4 GB\n +next: {3}npm run clean/);
  });
});

describe("the doctor's table", () => {
  test("fits a narrow terminal", () => {
    const rows: Row[] = [
      {
        name: "disk of temporary files",
        ...warn(
          "1.0 MB free below /a/very/long/path/of/a/folder/for/temporary/files",
          "1.0 GB",
          "export TMPDIR=/a/folder/with/room",
        ),
      },
    ];
    expect(
      Math.max(
        ...render(rows, 80)
          .split("\n")
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(80);
    const columns = Object.getOwnPropertyDescriptor(process.stdout, "columns");
    Reflect.deleteProperty(process.stdout, "columns");
    try {
      // A pipe has no width of its own.
      const many = rows.map((row) => ({ ...row, found: row.found.repeat(5) }));
      expect(
        Math.max(
          ...render(many)
            .split("\n")
            .map((line) => line.length),
        ),
      ).toBeLessThanOrEqual(120);
    } finally {
      if (columns) Object.defineProperty(process.stdout, "columns", columns);
    }
  });
});
