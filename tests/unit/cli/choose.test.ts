import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Purpose } from "../../../cli/stack/choose";
import type { KnownStack } from "../../../cli/stack/known-stacks";
import type { Detection } from "../../../infra/backends/detect";

let folder: string;
let loaded: {
  choose: typeof import("../../../cli/stack/choose");
  known: typeof import("../../../cli/stack/known-stacks");
  file: typeof import("../../../cli/stack/stack-file");
};
const environment = { ...process.env };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-choose-"));
  mkdirSync(join(folder, "stacks"));
  delete process.env["PULUMI_BACKEND_URL"];
  process.env["PULUMI_HOME"] = folder;
  await jest.isolateModulesAsync(async () => {
    jest.doMock("../../../cli/paths", () => ({
      ROOT: folder,
      STATE: join(folder, ".state"),
      ARTIFACTS: join(folder, "artifacts"),
      OFFLINE: join(folder, "offline"),
    }));
    loaded = {
      choose: await import("../../../cli/stack/choose"),
      known: await import("../../../cli/stack/known-stacks"),
      file: await import("../../../cli/stack/stack-file"),
    };
  });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  process.env = { ...environment };
});

const stackFile = (name: string, config: object = {}) => {
  writeFileSync(join(folder, "stacks", `Pulumi.${name}.yaml`), stringify({ config }));
};
const fileOf = (name: string) => join(folder, "stacks", `Pulumi.${name}.yaml`);

const outputs = {
  backend: "k3s",
  namespace: "n",
  cluster: { name: "c", distribution: "k3s v1" },
  images: { bay: { id: "sha256:1" }, ship: { id: "" } },
  apiKey: { ciphertext: "x" },
};
const root = { type: "pulumi:pulumi:Stack", created: "2026-01-01T00:00:00Z", outputs };
const pod = { type: "kubernetes:core/v1:Pod" };

describe("a stack's condition", () => {
  test.each<[string, object, Partial<KnownStack>]>([
    [
      "with all its resources is up",
      { resources: [root, pod] },
      {
        condition: "up",
        backend: "k3s",
        namespace: "n",
        cluster: "c",
        since: "2026-01-01T00:00:00Z",
        images: ["sha256:1"],
      },
    ],
    ["that lacks its outputs is interrupted", { resources: [{ type: root.type }, pod] }, { condition: "interrupted" }],
    ["that lost Bay's pod to a destroy is interrupted", { resources: [root] }, { condition: "interrupted" }],
    [
      "with an operation that did not end is interrupted",
      { resources: [root, pod], pending_operations: [{}] },
      { condition: "interrupted" },
    ],
    ["without resources is not up", { resources: [] }, { condition: "not up", inState: true }],
    ["of a state that is new is not up", {}, { condition: "not up", inState: true }],
  ])("%s", (_, state, facts) => {
    expect(loaded.known.describeState("s", state)).toMatchObject(facts);
  });

  test("is read from the local state, and a stack with only a file is listed too", async () => {
    stackFile("k3s");
    const place = join(folder, ".state", "pulumi", ".pulumi", "stacks", "bay-e2e");
    mkdirSync(place, { recursive: true });
    writeFileSync(
      join(place, "mine.json"),
      JSON.stringify({ version: 3, checkpoint: { latest: { resources: [root, pod] } } }),
    );
    for (const other of ["mine.json.attrs", "mine.json.bak"]) writeFileSync(join(place, other), "{}");
    expect(
      (await loaded.known.knownStacks()).map(({ name, condition, inState }) => [name, condition, inState]),
    ).toEqual([
      ["mine", "up", true],
      ["k3s", "not up", false],
    ]);
  });
});

describe("a stack that nobody named", () => {
  const known = (name: string, condition: KnownStack["condition"], inState = true): KnownStack => ({
    name,
    condition,
    inState,
    images: [],
  });
  const detected = (): Promise<Detection> =>
    Promise.resolve({ backend: "kind", reason: "kind is installed", considered: [] });
  const pick = (stacks: KnownStack[], purpose: Purpose) => loaded.choose.pick(stacks, purpose, detected);

  test.each<[Purpose, string, KnownStack[], object]>([
    [
      "make",
      "the one that is up",
      [known("a", "up"), known("b", "interrupted"), known("k3s", "not up", false)],
      { stack: "a", reason: "the only one of this checkout that is up" },
    ],
    ["look", "the one that is up", [known("a", "up"), known("b", "not up")], { stack: "a" }],
    ["remove", "the one that was begun", [known("a", "interrupted"), known("k3s", "not up", false)], { stack: "a" }],
    ["remove", "the one that is empty, to be forgotten", [known("a", "not up")], { stack: "a" }],
    [
      "make",
      "what detection finds when none is up",
      [known("b", "interrupted")],
      { stack: "kind", reason: "kind is installed" },
    ],
    ["make", "what detection finds when several are up", [known("a", "up"), known("b", "up")], { stack: "kind" }],
    ["look", "what detection would find when none is up", [], { stack: "kind" }],
  ])("is, to %s, %s", async (purpose, _, stacks, choice) => {
    await expect(pick(stacks, purpose)).resolves.toMatchObject(choice);
  });

  test.each<[Purpose, string]>([
    ["look", "a (up), b (up)"],
    ["remove", "a (up), b (up), c (interrupted)"],
  ])("is ambiguous when there are several, to %s", async (purpose, seen) => {
    await expect(pick([known("a", "up"), known("b", "up"), known("c", "interrupted")], purpose)).rejects.toMatchObject({
      code: "E_STACK_AMBIGUOUS",
      seen,
      next: "add --stack a, or another of them",
    });
  });

  test("has a name even on a host without any backend, but cannot be made there", async () => {
    const nothing = () => Promise.reject(new Error("E_NO_BACKEND"));
    await expect(loaded.choose.pick([known("preview-pr-1", "up")], "look", nothing)).resolves.toEqual({ stack: "k3s" });
    await expect(loaded.choose.pick([], "look", nothing)).resolves.toEqual({ stack: "k3s" });
    await expect(loaded.choose.pick([], "make", nothing)).rejects.toThrow("E_NO_BACKEND");
  });
});

describe("a stack that the command line names", () => {
  const choose = (wish: { stack?: string; backend?: string }, purpose: Purpose = "make") =>
    loaded.choose.choose(wish, purpose);

  test("wins, and needs no reason", async () => {
    stackFile("mine", { "bay-e2e:backend": "k3s" });
    await expect(choose({ stack: "mine" })).resolves.toEqual({ stack: "mine" });
    await expect(choose({ stack: "mine", backend: "k3s" })).resolves.toEqual({ stack: "mine" });
  });

  test("by its backend alone is the stack of that name", async () => {
    await expect(choose({ backend: "kind" })).resolves.toEqual({ stack: "kind" });
    expect(loaded.file.readStackFile("kind")?.config).toEqual({ backend: "kind" });
  });

  test("and has no file gets one with the backend, which goes with the stack", async () => {
    await choose({ stack: "mine", backend: "existing" });
    expect(readFileSync(fileOf("mine"), "utf8")).toMatch(
      /^# Made by the runner.*\nconfig:\n {2}bay-e2e:backend: existing\n$/,
    );
    loaded.file.removeMadeStackFile("mine");
    expect(existsSync(fileOf("mine"))).toBe(false);
  });

  test("keeps a file that a person wrote", () => {
    stackFile("mine", { "bay-e2e:backend": "k3s" });
    loaded.file.removeMadeStackFile("mine");
    expect(existsSync(fileOf("mine"))).toBe(true);
  });

  test("gets no file for being looked at or removed", async () => {
    await choose({ stack: "mine", backend: "k3s" }, "look");
    await choose({ stack: "mine", backend: "k3s" }, "remove");
    expect(existsSync(fileOf("mine"))).toBe(false);
  });

  test.each<[string, { stack?: string; backend?: string }, object]>([
    [
      "another backend than its file",
      { stack: "mine", backend: "kind" },
      {
        code: "E_CONFIG",
        seen: "--backend kind, and stacks/Pulumi.mine.yaml says k3s",
        next: expect.stringContaining("--stack mine-kind --backend kind"),
      },
    ],
    [
      "a backend, where the file has none",
      { stack: "bare", backend: "kind" },
      { code: "E_CONFIG", seen: "--backend kind, and stacks/Pulumi.bare.yaml says no backend" },
    ],
    [
      "a stack without file or backend",
      { stack: "new" },
      { code: "E_CONFIG", seen: 'no file stacks/Pulumi.new.yaml, and "new" is no backend' },
    ],
    [
      "a backend that there is not",
      { backend: "knd" },
      {
        code: "E_USAGE",
        seen: "--backend knd",
        wanted: "one of kind, docker-desktop, existing, k3s",
        next: "--backend kind   (is that what you meant?)",
      },
    ],
    ["a backend that is far from any", { backend: "openshift" }, { code: "E_USAGE", next: "npm run detect" }],
    ["a name that is a path", { stack: "../x", backend: "k3s" }, { code: "E_USAGE", seen: "--stack ../x" }],
    ["an empty name", { stack: "", backend: "k3s" }, { code: "E_USAGE" }],
  ])("with %s is refused", async (_, wish, error) => {
    stackFile("mine", { "bay-e2e:backend": "k3s" });
    stackFile("bare");
    await expect(choose(wish)).rejects.toMatchObject(error);
    expect(existsSync(fileOf("new"))).toBe(false);
  });

  test("with the backend of its own name needs no key in its file", async () => {
    stackFile("k3s");
    await expect(choose({ stack: "k3s", backend: "k3s" })).resolves.toEqual({ stack: "k3s" });
  });
});
