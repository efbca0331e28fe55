import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Secret, UNKNOWN } from "../../rpc";
import {
  CONTAINER,
  docker,
  freePort,
  IMAGE,
  LABELS,
  pruneImages,
  REMOTE_IMAGE,
  Resource,
  Scope,
  staticProgram,
  unique,
  VOLUME,
} from "./support";

let scope: Scope;
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.clean());
afterAll(() => {
  pruneImages("docker-plugin");
});

const DOCKERFILE = `FROM scratch AS base
ARG GREETING=hello
LABEL bay-e2e.test=docker-plugin greeting=$GREETING
COPY program /program
COPY . /all/
FROM base AS final
CMD ["/program"]
FROM base AS broken
RUN ["/program", "fail"]
`;

/** A context and inputs that build it; the image is removed at the test's end. */
function project(build: Record<string, string | Record<string, string>> = {}) {
  const context = scope.folder({
    program: staticProgram(),
    "app.txt": "one\n",
    "sub/kept.txt": "k",
    "sub/left.txt": "l",
    Dockerfile: DOCKERFILE,
    ".dockerignore": "ignored.txt\nsub/*\n!sub/kept.txt\nDockerfile\n",
  });
  const imageName = `${unique("image")}:dev`;
  scope.defer(() => docker("image", "rm", "--force", imageName));
  return { context, inputs: { imageName, skipPush: true, build: { context, target: "final", ...build } } };
}

test.each(["BuilderBuildKit", "BuilderV1"])(
  "%s builds target and arguments, and leaves ignored files out",
  async (builderVersion) => {
    const { inputs } = project({ builderVersion, args: { GREETING: "bye" } });
    const image = await scope.resource(IMAGE).create(inputs);
    const [facts] = JSON.parse(docker("image", "inspect", inputs.imageName)) as [
      { Id: string; Config: { Labels: Record<string, string> } },
    ];
    expect(facts.Config.Labels.greeting).toBe("bye");
    expect(image).toMatchObject({
      id: inputs.imageName,
      outputs: {
        repoDigest: facts.Id,
        imageName: inputs.imageName,
        baseImageName: inputs.imageName,
        dockerfile: "Dockerfile",
        registryServer: "",
      },
    });
    expect(image.lines.join("\n")).toContain("COPY program /program");
    const container = docker("create", inputs.imageName);
    scope.defer(() => docker("rm", container));
    const files = execFileSync("sh", ["-c", 'docker export "$1" | tar -t', "sh", container], {
      encoding: "utf8",
    }).split("\n");
    expect([..."all/app.txt all/sub/kept.txt all/sub/left.txt".split(" ")].map((name) => files.includes(name))).toEqual(
      [true, true, false],
    );
  },
  60_000,
);

test("the same files give the same image id, whenever they were written", async () => {
  const [first, second] = [project(), project()];
  const ids = [await scope.resource(IMAGE).create(first.inputs), await scope.resource(IMAGE).create(second.inputs)].map(
    ({ outputs }) => outputs.repoDigest,
  );
  expect(ids[0]).toBe(ids[1]);
}, 60_000);

test("a changed file or argument updates `build`; an ignored file, another password or nothing changes nothing", async () => {
  const { context, inputs } = project({ args: { GREETING: "a" } });
  const registry = { server: "localhost:1", username: "u", password: new Secret("first") };
  const image = await scope.resource(IMAGE).create({ ...inputs, registry });
  expect((await image.diff({ ...inputs, registry })).changes).toBe(false);
  writeFileSync(join(context, "ignored.txt"), "x");
  expect((await image.diff({ ...inputs, registry: { ...registry, password: new Secret("second") } })).changes).toBe(
    false,
  );
  expect(await image.diff({ ...inputs, registry, build: { ...inputs.build, args: { GREETING: "b" } } })).toEqual({
    changes: true,
    detailed: { build: { kind: "update" } },
  });
  writeFileSync(join(context, "app.txt"), "two\n");
  expect(await image.diff({ ...inputs, registry })).toEqual({ changes: true, detailed: { build: { kind: "update" } } });
  expect(await image.diff({ ...inputs, build: UNKNOWN })).toMatchObject({
    changes: true,
    detailed: { build: { kind: "update" }, registry: { kind: "delete" } },
  });
}, 60_000);

test("a broken build says which step failed and what it wrote, and the old image stays", async () => {
  const { inputs } = project();
  const image = await scope.resource(IMAGE).create(inputs);
  const before = { ...image.outputs };
  const broken = image.update({ ...inputs, build: { ...inputs.build, target: "broken" } });
  await expect(broken).rejects.toThrow(
    /error reading build output: process "\/program fail" did not complete successfully: exit code: 3\nlast lines of the build:\nabout to fail\nsecret is absent\nfailed: \[broken 1\/1\] RUN/,
  );
  expect(image.outputs).toEqual(before);
  expect(docker("image", "inspect", "--format", "{{.Id}}", inputs.imageName)).toBe(before.repoDigest);
}, 60_000);

test("an image that was lost is not noticed by refresh, and delete leaves the image: as with the official plugin", async () => {
  const { inputs } = project();
  const image = await scope.resource(IMAGE).create(inputs);
  docker("image", "rm", "--force", inputs.imageName);
  expect((await image.refresh()).id).toBe(inputs.imageName);
  await image.create(inputs);
  await image.delete();
  expect(docker("image", "inspect", "--format", "{{.Id}}", inputs.imageName)).toMatch(/^sha256:/);
}, 60_000);

test("a Dockerfile outside the context is sent along and counts", async () => {
  const { inputs } = project();
  const elsewhere = scope.folder({
    "Other.Dockerfile": "FROM scratch\nLABEL bay-e2e.test=docker-plugin other=1\nCOPY app.txt /\n",
  });
  const build = { context: inputs.build.context, dockerfile: join(elsewhere, "Other.Dockerfile") };
  const image = await scope.resource(IMAGE).create({ ...inputs, build });
  expect(image.outputs.dockerfile).toBe("Other.Dockerfile");
  expect(docker("image", "inspect", "--format", '{{index .Config.Labels "other"}}', inputs.imageName)).toBe("1");
  writeFileSync(join(elsewhere, "Other.Dockerfile"), "FROM scratch\nCOPY app.txt /b\n");
  expect((await image.diff({ ...inputs, build })).changes).toBe(true);
}, 60_000);

test.each([
  [{ build: { context: "/no/such/folder" } }, "the build context /no/such/folder is not a folder"],
  [{ build: { context: ".", dockerfile: "/no/such/Dockerfile" } }, "the Dockerfile /no/such/Dockerfile does not exist"],
  [
    { build: { context: ".", builderVersion: "BuilderV9" } },
    'builderVersion is "BuilderV9", wanted one of BuilderV1, BuilderBuildKit',
  ],
])("inputs %j are refused: %s", async (given, reason) => {
  await expect(new Resource(IMAGE).check({ imageName: "a:1", skipPush: true, ...given })).rejects.toThrow(reason);
});

test.each([
  ["oracle/app:dev", false],
  ["docker.io/app", false],
  ["app", false],
  ["docker.io/oracle/app:dev", true],
  ["localhost:5000/app", true],
  ["ghcr.io/a/b", true],
])("to push, the name %s is written out in full: %s", async (imageName, accepted) => {
  const { inputs } = project();
  const checked = new Resource(IMAGE).check({ ...inputs, imageName, skipPush: false });
  if (accepted) await expect(checked).resolves.toMatchObject({ imageName });
  else await expect(checked).rejects.toThrow(`"${imageName}": repository name must be canonical.`);
});

test("a push to a registry that is not there fails with its name; the password is not in the error", async () => {
  const port = await freePort();
  const { inputs } = project();
  const imageName = `127.0.0.1:${port}/app:1`;
  scope.defer(() => docker("image", "rm", "--force", imageName));
  const pushed = scope.resource(IMAGE).create({
    ...inputs,
    imageName,
    skipPush: false,
    registry: { server: `127.0.0.1:${port}`, username: "u", password: new Secret("pass-word-1") },
  });
  const error: Error = await pushed.then(
    () => {
      throw new Error("it was pushed");
    },
    (reason: Error) => reason,
  );
  expect(error.message).toMatch(new RegExp(`error pushing image 127.0.0.1:${port}/app:1: .*refused`));
  expect(error.message).not.toContain("pass-word-1");
}, 60_000);

test("an image of the store is taken by RemoteImage without a pull, and kept when that is wanted", async () => {
  const { inputs } = project();
  const built = await scope.resource(IMAGE).create(inputs);
  const remote = await scope.resource(REMOTE_IMAGE).create({ name: inputs.imageName, keepLocally: true });
  expect(remote.outputs).toMatchObject({ imageId: built.outputs.repoDigest, name: inputs.imageName });
  await remote.delete();
  await remote.create({ name: inputs.imageName, keepLocally: false });
  await remote.delete();
  expect(() => docker("image", "inspect", inputs.imageName)).toThrow("No such image");
}, 60_000);

test("a volume has its labels and goes; one that is gone already is no error", async () => {
  const name = unique("vol");
  const volume = await scope.resource(VOLUME).create({ name, labels: LABELS });
  expect(volume).toMatchObject({
    id: name,
    outputs: { driver: "local", name, labels: LABELS, cluster: null, driverOpts: null },
  });
  expect(docker("volume", "inspect", "--format", '{{index .Labels "bay-e2e.test"}}', name)).toBe("docker-plugin");
  docker("volume", "rm", name);
  const kept = { ...volume };
  expect(await volume.refresh()).toEqual({});
  Object.assign(volume, kept);
  await volume.delete();
}, 30_000);

test("types and inputs that only the official plugin has are refused by name", async () => {
  await expect(new Resource("docker:index/service:Service").create({})).rejects.toThrow(
    "the resource type docker:index/service:Service is not implemented by the registry-only plugin",
  );
  await expect(new Resource(CONTAINER).check({ image: "a", gpus: "all" })).rejects.toThrow(
    "gpus of docker:index/container:Container is not implemented by the registry-only plugin",
  );
  await expect(new Resource(CONTAINER).check({ name: "a" })).rejects.toThrow("Missing required argument: image");
});
