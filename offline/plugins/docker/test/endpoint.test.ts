import { createHash } from "node:crypto";
import { join } from "node:path";
import { findEndpoint } from "../daemon/endpoint";
import { userAuths } from "../daemon/auth";
import { DockerClient } from "../daemon/client";
import { Scope } from "./support";

const scope = new Scope();
afterEach(() => scope.clean());

/** A configuration folder of the CLI with one context. */
function configuration(currentContext?: string): NodeJS.ProcessEnv {
  const id = createHash("sha256").update("remote").digest("hex");
  return {
    DOCKER_CONFIG: scope.folder({
      "config.json": JSON.stringify({
        currentContext,
        auths: {
          "https://index.docker.io/v1/": { auth: Buffer.from("me:pass:word").toString("base64") },
          "helper.example": {},
        },
      }),
      [`contexts/meta/${id}/meta.json`]: JSON.stringify({
        Name: "remote",
        Endpoints: { docker: { Host: "tcp://10.1.2.3:2375" } },
      }),
    }),
  };
}

const remote = { kind: "tcp", host: "10.1.2.3", port: 2375 };

test.each([
  [
    "the provider's host",
    { host: "unix:///provider.sock" },
    { DOCKER_HOST: "unix:///env.sock" },
    { kind: "socket", socketPath: "/provider.sock" },
  ],
  ["the provider's context before its host", { host: "unix:///a", context: "remote" }, {}, remote],
  [
    "DOCKER_HOST",
    {},
    { DOCKER_HOST: "unix:///env.sock", DOCKER_CONTEXT: "remote" },
    { kind: "socket", socketPath: "/env.sock" },
  ],
  ["DOCKER_CONTEXT", {}, { DOCKER_CONTEXT: "remote" }, remote],
  ["a tcp address without port", { host: "tcp://[::1]" }, {}, { kind: "tcp", host: "[::1]", port: 2375 }],
])("the daemon is found by %s", (_what, wish, env, endpoint) => {
  expect(findEndpoint(wish, { ...configuration(), ...env })).toMatchObject(endpoint);
});

test("without anything else the CLI's current context counts, and without one the default socket", () => {
  expect(findEndpoint({}, configuration("remote"))).toMatchObject(remote);
  expect(findEndpoint({}, configuration())).toMatchObject({ socketPath: "/var/run/docker.sock" });
});

test.each([
  [{ host: "ssh://me@host" }, 'the Docker address "ssh://me@host" is not one that the registry-only plugin can use'],
  [{ context: "nowhere" }, 'the Docker context "nowhere" does not exist'],
])("%j is refused", (wish, reason) => {
  expect(() => findEndpoint(wish, configuration())).toThrow(reason);
});

test("what docker login has stored is used", () => {
  expect(userAuths(configuration())).toEqual([
    { address: "https://index.docker.io/v1/", username: "me", password: "pass:word" },
  ]);
});

test("a daemon that is not there is named with its address", async () => {
  const socketPath = join(scope.folder({}), "none.sock");
  await expect(
    new DockerClient({ kind: "socket", socketPath, shown: `unix://${socketPath}` }).json("GET", "/info"),
  ).rejects.toThrow(
    `Cannot connect to the Docker daemon at unix://${socketPath}: there is no such socket. Is the Docker daemon running?`,
  );
});
