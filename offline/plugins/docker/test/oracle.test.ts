/** The decisions that the official plugin was recorded to take, step by step, for the same small program. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, Secret, UNKNOWN, type DiffResult, type Value, type ValueMap } from "../../rpc";
import oracle from "./oracle.json";
import {
  CONTAINER,
  docker,
  IMAGE,
  LABELS,
  pruneImages,
  Resource,
  Scope,
  staticProgram,
  unique,
  VOLUME,
} from "./support";

interface Change {
  op: string;
  detailedDiff?: Record<string, string>;
  replaceReasons?: string[];
}
const steps = new Map(
  oracle.steps.map(({ step, changes, errors }) => [
    step,
    { changes: changes as Partial<Record<"img" | "ctr" | "vol", Change>>, errors },
  ]),
);

const DOCKERFILE = `FROM scratch AS base
LABEL bay-e2e.test=docker-plugin-oracle
ARG GREETING=hello
LABEL greeting=$GREETING
COPY program /program
COPY app.txt /app.txt
FROM base AS broken
RUN ["/program", "fail"]
FROM base AS final
CMD ["/program"]
`;

const scope = new Scope();
const names = { image: `${unique("oracle")}:dev`, volume: unique("vol"), container: unique("ctr") };
let context: string;
let img: Resource;
let vol: Resource;
let ctr: Resource;

const image = ({ target = "final", greeting = "hello", skipPush = true } = {}): ValueMap => ({
  imageName: names.image,
  skipPush,
  build: {
    context,
    dockerfile: join(context, "Dockerfile"),
    target,
    platform: "linux/amd64",
    args: { GREETING: greeting },
  },
});
const container = (last = "100000", from: Value = names.image): ValueMap => ({
  name: names.container,
  image: from,
  command: ["/program", last],
  privileged: true,
  cgroupnsMode: "private",
  ports: [{ internal: 8080, ip: "127.0.0.1" }],
  volumes: [{ volumeName: names.volume, containerPath: "/data" }],
  tmpfs: { "/run": "" },
  labels: LABELS,
  envs: ["A=1"],
  mustRun: true,
  restart: "no",
});

beforeAll(async () => {
  context = scope.folder({
    program: staticProgram(),
    "app.txt": "one\n",
    Dockerfile: DOCKERFILE,
    ".dockerignore": "node_modules\nignored.txt\n",
  });
  scope.defer(() => docker("image", "rm", "--force", names.image));
  img = await scope.resource(IMAGE, "img").create(image());
  vol = await scope.resource(VOLUME, "vol").create({ name: names.volume, labels: LABELS });
  ctr = await scope.resource(CONTAINER, "ctr").create(container());
}, 60_000);
afterAll(async () => {
  await scope.clean();
  pruneImages("docker-plugin-oracle");
});

/** The recorded form of a diff. */
function change({ changes, detailed = {}, replaces = [] }: DiffResult): Change | undefined {
  if (!changes) return undefined;
  const kinds = Object.fromEntries(Object.entries(detailed).map(([path, { kind }]) => [path, kind]));
  return {
    op: replaces.length > 0 ? "replace" : "update",
    detailedDiff: kinds,
    ...(replaces.length > 0 ? { replaceReasons: replaces } : {}),
  };
}

/** Types in the place of values: what runs differ in. */
function shape(value: Value | undefined): unknown {
  if (value instanceof Secret) return "secret";
  if (Array.isArray(value)) return value.map(shape);
  return isMap(value)
    ? Object.fromEntries(Object.entries(value).map(([key, element]) => [key, shape(element)]))
    : value === null
      ? "null"
      : typeof value;
}

test.each([
  ["img", () => img],
  ["vol", () => vol],
  ["ctr", () => ctr],
] as const)("create leaves the recorded inputs and outputs of %s, key for key and type for type", (name, made) => {
  const recorded = oracle.state[name];
  const { __inputs: inputs, ...outputs } = made().outputs;
  expect(shape(made().inputs)).toEqual(shape(recorded.inputs as unknown as Value));
  expect(shape(outputs)).toEqual(shape(recorded.outputs as unknown as Value));
  expect(inputs instanceof Secret).toBe(name === "img");
});

test("create fills in the recorded defaults", () => {
  const { inputs, outputs } = oracle.state.ctr;
  const same = (ours: ValueMap, recorded: Record<string, unknown>, differ: string[]): void => {
    for (const [key, value] of Object.entries(recorded))
      if (!differ.includes(key)) expect({ [key]: ours[key] }).toEqual({ [key]: value });
  };
  same(ctr.inputs, inputs, ["command", "image", "labels", "name", "volumes"]);
  same(ctr.outputs, outputs, [
    "command",
    "hostname",
    "id",
    "image",
    "labels",
    "name",
    "networkDatas",
    "ports",
    "volumes",
    "workingDir",
  ]);
});

test("nochange and ignored: nothing is done", async () => {
  writeFileSync(join(context, "ignored.txt"), "x");
  for (const step of ["nochange", "ignored"]) expect(steps.get(step)!.changes).toEqual({});
  expect([
    change(await img.diff(image())),
    change(await ctr.diff(container())),
    change(await vol.diff({ name: names.volume, labels: [...LABELS].reverse() })),
  ]).toEqual([undefined, undefined, undefined]);
});

test("context: a changed file updates the image, and whoever waits for it is replaced in the preview", async () => {
  writeFileSync(join(context, "app.txt"), "two\n");
  expect({ img: change(await img.diff(image())), ctr: change(await ctr.diff(container("100000", UNKNOWN))) }).toEqual(
    steps.get("context")!.changes,
  );
  const before = img.outputs.repoDigest;
  await img.update(image());
  expect(img.outputs.repoDigest).not.toBe(before);
  expect(change(await ctr.diff(container()))).toBeUndefined();
}, 30_000);

test("arg and back: another argument updates the image", async () => {
  expect({
    img: change(await img.diff(image({ greeting: "bye" }))),
    ctr: change(await ctr.diff(container("100000", UNKNOWN))),
  }).toEqual(steps.get("arg")!.changes);
});

test("broken: the update fails with the recorded reason", async () => {
  expect({
    img: change(await img.diff(image({ target: "broken" }))),
    ctr: change(await ctr.diff(container("100000", UNKNOWN))),
  }).toEqual(steps.get("broken")!.changes);
  await expect(img.update(image({ target: "broken" }))).rejects.toThrow(
    /^error reading build output: process ".*" did not complete successfully: exit code: 3/,
  );
}, 30_000);

test("ctr-cmd: another word of the command replaces the container, the old one first", async () => {
  const diff = await ctr.diff(container("200000"));
  expect({ ctr: change(diff) }).toEqual(steps.get("ctr-cmd")!.changes);
  expect(diff.deleteBeforeReplace).toBe(true);
});

test("push: a name that is not written out is refused with the recorded words", async () => {
  const error: Error = await img.check(image({ skipPush: false })).then(
    () => {
      throw new Error("it was accepted");
    },
    (reason: Error) => reason,
  );
  const recorded = steps
    .get("push")!
    .errors[0]!.replace(/^error: /, "")
    .replace("oracle/app:dev", names.image);
  expect(error.message.trim()).toBe(recorded.trim());
});

test("after-loss: refresh tells the container gone and the rest unchanged; the container is created again", async () => {
  docker("rm", "--force", names.container);
  expect([(await img.refresh()).id, (await vol.refresh()).id, (await ctr.refresh()).id]).toEqual([
    names.image,
    names.volume,
    undefined,
  ]);
  expect(steps.get("after-loss")!.changes).toEqual({ ctr: { op: "create" } });
  await ctr.create(container());
  expect(change(await ctr.diff(container()))).toBeUndefined();
}, 30_000);

test("after-image-loss: an image that was removed is not noticed", async () => {
  docker("image", "rm", "--force", names.image);
  expect([(await img.refresh()).id, change(await img.diff(image()))]).toEqual([names.image, undefined]);
  expect(steps.get("after-image-loss")!.changes).toEqual({});
});
