import { type BackendFacts, detectBackend, isLocalContext, isLocalServer } from "../../../infra/backends/detect";
import { UserError } from "../../../infra/support/errors";

type Context = NonNullable<BackendFacts["context"]>;

/** A host with a Docker and nothing else. */
function host(facts: Partial<BackendFacts> = {}): BackendFacts {
  return {
    kubeconfig: { files: ["/home/u/.kube/config"] },
    allowedContexts: [],
    docker: { version: "29.0.0", rootless: false, installable: false },
    ...facts,
  };
}

function context(name: string, facts: Partial<Context> = {}): Context {
  return { name, server: "https://127.0.0.1:6443", reachable: true, answer: "HTTP 200", ...facts };
}

const noDocker: BackendFacts["docker"] = {
  rootless: false,
  installable: false,
  problem: "Cannot connect to the Docker daemon",
};
const kind = "/usr/bin/kind";

describe("the backend of a host", () => {
  test.each<[string, BackendFacts, string, string]>([
    [
      "Docker Desktop's context",
      host({ context: context("docker-desktop"), kind }),
      "docker-desktop",
      "context docker-desktop answers at https://127.0.0.1:6443 (HTTP 200)",
    ],
    [
      "the older name of Docker Desktop's context",
      host({ context: context("docker-for-desktop") }),
      "docker-desktop",
      "context docker-for-desktop answers at https://127.0.0.1:6443 (HTTP 200)",
    ],
    [
      "a local context that answers",
      host({ context: context("kind-dev"), kind }),
      "existing",
      "context kind-dev answers at https://127.0.0.1:6443 (HTTP 200)",
    ],
    [
      "a local context that refuses an anonymous caller",
      host({ context: context("k3d-dev", { answer: "HTTP 401" }) }),
      "existing",
      "context k3d-dev answers at https://127.0.0.1:6443 (HTTP 401)",
    ],
    [
      "a local context without Docker",
      host({ context: context("minikube"), docker: noDocker }),
      "existing",
      "context minikube answers at https://127.0.0.1:6443 (HTTP 200)",
    ],
    ["no context, kind installed", host({ kind }), "kind", "no context, kind is installed (/usr/bin/kind)"],
    ["no context, no kind", host(), "k3s", "no context, kind is not installed, Docker 29.0.0 can run a node"],
    [
      "no context, a Docker that can be installed",
      host({ docker: { ...noDocker, installable: true } }),
      "k3s",
      "no context, kind is not installed, no Docker answers, but one can be installed here",
    ],
    [
      "a local context that does not answer",
      host({ context: context("kind-dev", { reachable: false, answer: "ECONNREFUSED" }), kind }),
      "kind",
      "context kind-dev does not answer at https://127.0.0.1:6443 (ECONNREFUSED), kind is installed (/usr/bin/kind)",
    ],
    [
      "Docker Desktop without its Kubernetes",
      host({ context: context("docker-desktop", { reachable: false, answer: "ECONNREFUSED" }) }),
      "k3s",
      "context docker-desktop does not answer at https://127.0.0.1:6443 (ECONNREFUSED), kind is not installed, Docker 29.0.0 can run a node",
    ],
    [
      "a production cluster that answers",
      host({ context: context("prod-eu", { server: "https://203.0.113.9" }), kind }),
      "kind",
      "context prod-eu is not on the list of local ones, kind is installed (/usr/bin/kind)",
    ],
    [
      "a public server under a local name",
      host({ context: context("kind-dev", { server: "https://203.0.113.9" }) }),
      "k3s",
      "context kind-dev has a local name, but its server https://203.0.113.9 is not local, kind is not installed, Docker 29.0.0 can run a node",
    ],
    [
      "a public server under Docker Desktop's name",
      host({ context: context("docker-desktop", { server: "https://eks.example" }), kind }),
      "kind",
      "context docker-desktop has a local name, but its server https://eks.example is not local, kind is installed (/usr/bin/kind)",
    ],
    [
      "a local address behind a proxy",
      host({ context: context("kind-dev", { proxy: "http://proxy.example" }) }),
      "k3s",
      "context kind-dev is reached through the proxy http://proxy.example, so its address says nothing about where it is, kind is not installed, Docker 29.0.0 can run a node",
    ],
    [
      "a cluster elsewhere that the configuration allows",
      host({ context: context("team-test", { server: "https://203.0.113.9" }), allowedContexts: ["team-test"] }),
      "existing",
      "context team-test answers at https://203.0.113.9 (HTTP 200)",
    ],
    [
      "an unreadable kubeconfig",
      host({ kubeconfig: { files: ["/k"], problem: "the kubeconfig /k cannot be read" } }),
      "k3s",
      "the kubeconfig /k cannot be read, kind is not installed, Docker 29.0.0 can run a node",
    ],
  ])("with %s", (_, facts, backend, reason) => {
    expect(detectBackend(facts)).toMatchObject({ backend, reason });
  });

  test("names the context that it uses, and none where it makes a cluster", () => {
    expect(detectBackend(host({ context: context("kind-dev") })).context).toBe("kind-dev");
    expect(detectBackend(host()).context).toBeUndefined();
  });

  test("comes with what became of every candidate, in order", () => {
    expect(detectBackend(host({ kind })).considered).toEqual([
      { backend: "docker-desktop", verdict: "passed over", reason: "no context" },
      { backend: "existing", verdict: "passed over", reason: "no context" },
      { backend: "kind", verdict: "chosen", reason: "kind is installed (/usr/bin/kind)" },
      { backend: "k3s", verdict: "not asked", reason: "Docker 29.0.0 can run a node" },
    ]);
  });

  test.each<[string, BackendFacts, string[]]>([
    [
      "nothing at all",
      host({ docker: noDocker }),
      ["no context", "kind is not installed", "no Docker answers (Cannot connect to the Docker daemon)"],
    ],
    [
      "kind, but no Docker to run it in",
      host({ docker: noDocker, kind }),
      ["kind is installed, but no Docker answers"],
    ],
    [
      "a production cluster alone",
      host({ context: context("prod", { server: "https://203.0.113.9" }), docker: noDocker }),
      ["context prod is not on the list of local ones"],
    ],
    [
      "a rootless Docker alone",
      host({ docker: { version: "29.0.0", rootless: true, installable: false } }),
      ["Docker 29.0.0 is rootless: no privileged containers"],
    ],
  ])("cannot be had with %s, and the error has all facts", (_, facts, words) => {
    const error = failureOf(() => detectBackend(facts));
    expect(error.code).toBe("E_NO_BACKEND");
    for (const text of words) expect(error.seen).toContain(text);
    expect(error.next).toContain("npm run doctor");
  });
});

describe("a context is local by name", () => {
  test.each([
    "docker-desktop",
    "docker-for-desktop",
    "kind-kind",
    "kind-a.b",
    "k3d-dev",
    "minikube",
    "rancher-desktop",
    "colima",
    "colima-x86",
    "orbstack",
    "microk8s",
  ])("%s", (name) => {
    expect(isLocalContext(name)).toBe(true);
  });

  test.each([
    "",
    "prod",
    "kind",
    "my-kind-dev",
    "gke_project_zone_kind-dev",
    "arn:aws:eks:eu-west-1:1:cluster/minikube",
    "admin@docker-desktop",
    "docker-desktop-2",
    "MINIKUBE",
  ])("but not %j", (name) => {
    expect(isLocalContext(name)).toBe(false);
  });
});

describe("a server is local by address", () => {
  test.each([
    "https://127.0.0.1:6443",
    "https://127.9.9.9",
    "https://localhost:8443",
    "https://0.0.0.0:6443",
    "https://10.1.2.3",
    "https://172.18.0.2:6443",
    "https://192.168.49.2:8443",
    "https://[::1]:6443",
    "https://[fd00::2]:6443",
    "https://[::ffff:127.0.0.1]:6443",
    "https://kubernetes.docker.internal:6443",
    "https://host.docker.internal:6443",
    "https://k8s.orb.local:26443",
    "https://kind-control-plane:6443",
    "https://k3d-dev-serverlb:6443",
  ])("%s", (server) => {
    expect(isLocalServer(server)).toBe(true);
  });

  test.each([
    "",
    "no url",
    "https://203.0.113.9",
    "https://172.32.0.1",
    "https://100.64.0.1",
    "https://[2001:db8::1]:6443",
    "https://eks.example",
    "https://localhost.example",
    "https://127.0.0.1.example",
    "https://docker.internal.example",
    "https://x-control-plane.example",
    "https://local",
    "https://evil.example/?localhost",
    "https://localhost@evil.example",
  ])("but not %j", (server) => {
    expect(isLocalServer(server)).toBe(false);
  });
});

function failureOf(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    return error as UserError;
  }
  throw new Error("nothing was thrown");
}
