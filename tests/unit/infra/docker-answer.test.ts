import { lookForUse } from "../../../cli/clean-up/in-use";
import { removeThings, thingsOf, thingsOfAll } from "../../../cli/clean-up/docker-things";
import { emptyForNewNode } from "../../../infra/backends/k3s";
import { nodesIn } from "../../../infra/backends/kind-cluster";
import { ownerOf } from "../../../infra/naming";
import { inspectContainer, labelOfLocalImage, localImages, runningContainers } from "../../../infra/support/docker";
import { saysAbsent } from "../../../infra/support/docker-answer";
import { containersNow, inspectNow } from "../../../infra/support/docker-inspect";
import { withProgram } from "../support/with-program";

const owner = ownerOf("/checkout", "k3s");
const docker = <T>(script: string, work: () => T | Promise<T>) => withProgram("docker", script, work);

const UNREACHABLE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
const FAILURES = [
  UNREACHABLE,
  "failed to connect to the docker API at unix:///x.sock: dial unix /x.sock: connect: no such file or directory",
  'error during connect: Get "http://h:1/v1.50/containers/json": dial tcp: lookup h on 10.0.0.1:53: no such host',
  "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
  "Error response from daemon: context deadline exceeded",
  "Error response from daemon: open /var/lib/docker/x: no such file or directory",
  "",
];
const failing = (words: string) => `echo '${words}' >&2; exit 1`;

describe("a docker command that failed says that something does not exist", () => {
  test.each([
    "Error response from daemon: No such container: x",
    "Error: No such container: x",
    "Error response from daemon: get x: no such volume",
    "Error response from daemon: network x not found",
    "Error response from daemon: network x not found\nexit status 1",
    "Error response from daemon: No such image: x:latest",
    "Error: No such object: x",
    "WARNING: Error loading config file: /c.json\nError response from daemon: No such container: x\n",
  ])("with %j", (words) => {
    expect(saysAbsent(words)).toBe(true);
  });

  test.each([...FAILURES, `Error: No such container: x\n${UNREACHABLE}`])("but not with %j", (words) => {
    expect(saysAbsent(words)).toBe(false);
  });
});

describe("what does not exist is absent", () => {
  const absent = (kind: string, words: string) =>
    docker(`echo '[]'; echo '${words}' >&2; exit 1`, () => inspectNow(kind as "volume", ["x"]));

  test.each([
    ["container", "Error response from daemon: No such container: x"],
    ["network", "Error response from daemon: network x not found"],
    ["volume", "Error response from daemon: get x: no such volume"],
    ["image", "Error response from daemon: No such image: x:latest"],
  ])("as a %s", async (kind, words) => {
    expect((await absent(kind, words)).value).toEqual([]);
  });

  test("as a node's container and as an image with its label", async () => {
    const no = failing("Error response from daemon: No such container: x");
    expect((await docker(no, () => inspectContainer("x"))).value).toBeUndefined();
    const noImage = failing("Error response from daemon: No such image: x:latest");
    expect((await docker(noImage, () => localImages(["x"]))).value.size).toBe(0);
    expect((await docker(noImage, () => labelOfLocalImage("x", "l"))).value).toBe("");
  });

  test("as what was to be removed, a network too", async () => {
    const things = [{ kind: "network" as const, id: "x", name: "x", labels: {}, created: "" }];
    const no = 'echo "Error response from daemon: network x not found\nexit status 1" >&2; exit 1';
    await expect(docker(no, () => removeThings(things))).resolves.toMatchObject({ calls: ["network rm x"] });
  });
});

describe.each(FAILURES)("a Docker that fails with %j", (words) => {
  const REFUSED = { name: "UserError", code: expect.stringMatching(/^E_(DOCKER_MISSING|COMMAND)$/) as string };

  test.each<[string, () => unknown]>([
    ["that a container is missing", () => inspectContainer("x")],
    ["that containers, networks or volumes are missing", () => inspectNow("volume", ["x"])],
    ["that no container has a label", () => containersNow("l=v")],
    ["that an image is missing", () => localImages(["x"])],
    ["that an image has no label", () => labelOfLocalImage("x", "l")],
    ["that no container runs", () => runningContainers()],
    ["that a stack has nothing left", () => thingsOf(owner)],
  ])("does not say %s", async (_, work) => {
    await expect(docker(failing(words), async () => work())).rejects.toMatchObject(REFUSED);
  });

  test("does not say that a network is removed", async () => {
    const network = { kind: "network" as const, id: "x", name: "x", labels: {}, created: "" };
    await expect(docker(failing(words), () => removeThings([network]))).rejects.toMatchObject({ code: "E_DESTROY" });
  });

  test("does not let a node's volume be emptied", async () => {
    const calls: string[] = [];
    await docker(failing(words), async () => {
      await expect(emptyForNewNode("v", "c", owner)).rejects.toMatchObject(REFUSED);
    }).then((result) => calls.push(...result.calls));
    expect(calls).toEqual(["container inspect c"]);
  });

  test("does not say that kind's cluster has no node", async () => {
    expect((await docker(failing(words), () => nodesIn({ name: "x", network: "x" }))).value).toBeUndefined();
  });
});

describe("a host without a Docker that runs", () => {
  test("has nothing of a stack that needs none, and runs no node", async () => {
    const { value } = await docker(failing(UNREACHABLE), async () => [
      await thingsOf(owner, { optional: true }),
      await thingsOfAll(),
      (await lookForUse()).stacks,
    ]);
    expect(value).toEqual([[], [], expect.any(Array)]);
  });

  test("is not one whose Docker fails", async () => {
    await docker(failing("Error response from daemon: context deadline exceeded"), async () => {
      await expect(thingsOf(owner, { optional: true })).rejects.toMatchObject({ code: "E_COMMAND" });
      await expect(thingsOfAll()).rejects.toMatchObject({ code: "E_COMMAND" });
      await expect(lookForUse()).rejects.toMatchObject({ code: "E_COMMAND" });
    });
  });
});

test("kind's network that does not exist has no nodes", async () => {
  const id = "a".repeat(64);
  const script = `case $1 in ps) echo ${id} ;; network) echo '[]'; echo 'Error response from daemon: network x not found' >&2; exit 1 ;; *) echo '[]' ;; esac`;
  expect((await docker(script, () => nodesIn({ name: "x", network: "x" }))).value).toEqual([]);
});
