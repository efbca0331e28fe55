import { explain } from "../../../cli/explain";
import { ERROR_CODES, UserError } from "../../../infra/support/errors";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const where = { stack: "k3s" };

describe("an error that Pulumi printed", () => {
  test("of the program itself keeps its code, what was seen, wanted and next", () => {
    const thrown = new UserError("E_NODE_DIED", {
      seen: "container x ended with exit code 3",
      wanted: "a running node",
      next: "docker logs x",
      detail: "boom\nlast line",
    });
    const printed = `Updating (k3s):\nDiagnostics:\n  pulumi:pulumi:Stack (bay-e2e-k3s):\n    error: ${thrown.message.replaceAll("\n", "\n    ")}\n\nResources:\n    + 3 created\n`;
    const error = explain(printed, where);
    expect(error).toMatchObject({ code: "E_NODE_DIED", seen: thrown.seen, wanted: thrown.wanted, next: thrown.next });
    expect(error.detail).toMatch(/boom\s+last line/);
  });

  test.each([
    ["error: getting secrets manager: incorrect passphrase", "E_PASSPHRASE"],
    ["error: the stack is currently locked by 1 lock(s). Either wait", "E_STACK_LOCKED"],
    ["error: write /var/lib/docker/tmp: no space left on device", "E_DISK"],
    ["error: Bind for 127.0.0.1:6443 failed: port is already allocated", "E_PORT_IN_USE"],
    ["error: Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "E_DOCKER_MISSING"],
    [
      "Diagnostics:\n  docker:index:Image (bay):\n    error: The command '/bin/sh -c false' returned a non-zero code: 1",
      "E_IMAGE_BUILD",
    ],
    [
      "Diagnostics:\n  kubernetes:core/v1:Pod (pod):\n    error: container bay crashed with exit code 1",
      "E_BAY_NOT_READY",
    ],
    [
      "Diagnostics:\n  docker:index:Image (bay):\n    error: error pushing image r.example/bay:1: unauthorized: authentication required",
      "E_REGISTRY_PUSH",
    ],
    [
      'Diagnostics:\n  docker:index:Container (node):\n    error: Conflict. The container name "/x" is already in use',
      "E_CLUSTER_NAME_TAKEN",
    ],
    [
      "Diagnostics:\n  kubernetes:core/v1:Pod (pod):\n    error: container bay: ImagePullBackOff: not found",
      "E_IMAGE_NOT_ON_NODE",
    ],
    [
      "Diagnostics:\n  docker:index:Container (node):\n    error: failed to create endpoint x on network bridge\n\n  docker:index:Image (bay):\n    warning: old builder",
      "E_NODE_DIED",
    ],
    ["error: privileged mode is incompatible with user namespaces", "E_DOCKER_PRIVILEGED"],
    ["error: something nobody thought of", "E_COMMAND"],
  ])("%j is %s", (printed, code) => {
    const error = explain(printed, where);
    expect(error.code).toBe(code);
    expect(error.seen).not.toBe("");
    expect(error.next).not.toBe("");
  });
});

test("several errors of one resource are told by the last, which has the reason", () => {
  const printed =
    "Diagnostics:\n  kubernetes:core/v1:Pod (pod):\n    error: 2 errors occurred:\n    \t* the pod failed to become live\n    \t* [Pod ns/bay]: ImagePullBackOff: no such host\n";
  expect(explain(printed, where)).toMatchObject({
    code: "E_IMAGE_NOT_ON_NODE",
    seen: "kubernetes:core/v1:Pod pod: [Pod ns/bay]: ImagePullBackOff: no such host",
  });
});

test.each(["ship", "images-ship"])(
  "an image that does not build is told by its resource, %s, and by where its context is",
  (name) => {
    expect(explain(`Diagnostics:\n  docker:index:Image (${name}):\n    error: no such file\n`, where)).toMatchObject({
      code: "E_IMAGE_BUILD",
      seen: `docker:index:Image ${name}: no such file`,
      next: "docker build images/ship   (or the context that shipContext names)",
    });
  },
);

test("a value of a wrong type, which Pulumi refuses before the program runs, is a problem of the configuration", () => {
  const printed =
    "error: could not validate config: Stack 'k3s' with configuration key 'bayPort' must be of type 'integer'";
  expect(explain(printed, where)).toMatchObject({
    code: "E_CONFIG",
    seen: expect.stringContaining("'bayPort' must be of type 'integer'") as string,
  });
});

describe("docs/errors.md", () => {
  test("has every code, and no code that does not exist", () => {
    const documented = [
      ...readFileSync(join(__dirname, "../../../docs/errors.md"), "utf8").matchAll(/^\| `(E_[A-Z_]+)`/gm),
    ].map((match) => match[1]!);
    expect(documented.sort()).toEqual([...Object.keys(ERROR_CODES)].sort());
  });
});
