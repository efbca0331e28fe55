import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { namespacesBy } from "../../../cli/cluster/namespaces";
import { stateInClear, stateOf } from "../../../cli/stack/stack-state";
import { ownerOf } from "../../../infra/naming";
import { withProgram } from "../support/with-program";

/** What the cluster answers to every call. */
let status = 200;
let server: Server;
let kubeconfig: string;
beforeAll(async () => {
  server = createServer((_, response) => {
    const body = status === 200 ? { items: [] } : { message: "not now" };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  kubeconfig = JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } }],
    users: [{ name: "u", user: {} }],
  });
});
afterAll(() => server.close());

describe("a stack's namespaces", () => {
  const owner = ownerOf("/checkout", "existing");

  test.each([403, 500, 503])("are not missing because the cluster answers %i", async (refused) => {
    status = refused;
    await expect(namespacesBy(kubeconfig, owner)).rejects.toMatchObject({ name: "KubeRefusal", status: refused });
  });

  test("are none if the cluster lists none, or does not answer", async () => {
    status = 200;
    expect(await namespacesBy(kubeconfig, owner)).toEqual([]);
    expect(await namespacesBy(kubeconfig.replace(/127\.0\.0\.1:\d+/, "127.0.0.1:1"), owner)).toEqual([]);
  });
});

describe("a stack's state in a backend elsewhere", () => {
  const former = process.env["PULUMI_BACKEND_URL"];
  beforeAll(() => {
    process.env["PULUMI_BACKEND_URL"] = "s3://states";
  });
  afterAll(() => {
    if (former === undefined) delete process.env["PULUMI_BACKEND_URL"];
    else process.env["PULUMI_BACKEND_URL"] = former;
  });
  const pulumi = <T>(script: string, work: () => Promise<T>) => withProgram("pulumi", script, work);

  test("is missing if the backend does not know the stack", async () => {
    const script = `echo "error: no stack named 'x' found" >&2; exit 255`;
    expect((await pulumi(script, () => stateOf("x"))).value).toBeUndefined();
  });

  test.each(["error: could not query backend: connection refused", "error: passphrase must be set", ""])(
    "is not missing because Pulumi fails with %j",
    async (words) => {
      const script = `echo '${words}' >&2; exit 255`;
      await expect(pulumi(script, () => stateOf("x"))).rejects.toMatchObject({ code: "E_COMMAND" });
      expect((await pulumi(script, () => stateInClear("x"))).value).toBeUndefined();
    },
  );
});
