import { expectStatus, type SandboxClient } from "../support/bay-client";
import { outside } from "../support/outside";
import { shipToken } from "../support/ship-token";
import { cluster, newSandbox, perFile, stack } from "../support/suite";

const PORT = 8123;
/**
 * Every route of Ship but `/health`, which says that it is healthy and nothing else; one that it has not; the
 * terminal's handshake.
 */
const ROUTES = [
  "GET /",
  "GET /stat",
  "GET /meta",
  "POST /ipython/exec",
  "GET /ipython/kernel/status",
  "POST /ipython/kernel/restart",
  "DELETE /ipython/kernel",
  "POST /shell/exec",
  "GET /shell/processes",
  "POST /fs/create_file",
  "POST /fs/read_file",
  "POST /fs/write_file",
  "POST /fs/edit_file",
  "POST /fs/delete_file",
  "POST /fs/list_dir",
  "POST /fs/upload",
  "GET /fs/download?file_path=secret.txt",
  "GET /term/ws",
  "GET /nowhere",
];
/** Tokens that a tenant might try; the first is none. */
const GUESSES = ["", "Bearer wrong", "Bearer ", "Basic d3Jvbmc6d3Jvbmc="];

/** Prints for each route and guess the status, or "unreachable". The terminal is asked for as a WebSocket. */
const attack = (address: string): string => `
import http.client, json
routes, guesses = ${JSON.stringify(ROUTES)}, ${JSON.stringify(GUESSES)}
seen = {}
for route in routes:
    method, path = route.split(" ")
    for guess in guesses:
        headers = {"authorization": guess} if guess else {}
        if path == "/term/ws":
            headers.update({"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="})
        body = None
        if method == "POST":
            headers["content-type"] = "application/json"
            body = json.dumps({"command": "touch stolen", "code": "open('stolen', 'w')", "path": "secret.txt", "content": "stolen"})
        connection = http.client.HTTPConnection("${address}", ${PORT}, timeout=2)
        try:
            connection.request(method, path, body, headers)
            outcome = str(connection.getresponse().status)
        except OSError:
            outcome = "unreachable"
        finally:
            connection.close()
        seen.setdefault(outcome, []).append(route + " " + guess)
    if list(seen) == ["unreachable"]: break
print(json.dumps(seen))
`;

describe("a sandbox of another tenant @hostile", () => {
  const mine = perFile();
  let attacker: SandboxClient;
  let victim: SandboxClient;
  let pod: string;
  let address: string;
  let session: string;
  beforeAll(async () => {
    [attacker, victim] = await Promise.all([newSandbox(mine), newSandbox(mine)]);
    await Promise.all([attacker, victim].map(async (sandbox) => expectStatus(await sandbox.python("1"), 200)));
    expectStatus(await victim.writeFile("secret.txt", "of the victim"), 200);
    const { metadata, status } = await cluster.sessionPod(victim.id);
    [pod, address, session] = [metadata!.name!, status!.podIP!, metadata!.labels!["bay.session_id"]!];
  });

  /** The victim is as it was: no call of the attacker did anything. */
  async function expectUntouched(): Promise<void> {
    expect(expectStatus(await victim.list(), 200).entries.map(({ name }) => name)).not.toContain("stolen");
    expect(expectStatus(await victim.readFile("secret.txt"), 200).content).toBe("of the victim");
  }

  it("is refused by every route of its runtime, or not reached at all", async () => {
    const { output, error } = expectStatus(await attacker.python(attack(address), { timeout: 55 }), 200);
    expect(error).toBeNull();
    const seen = JSON.parse(output) as Record<string, string[]>;
    expect(["401", "unreachable"]).toEqual(expect.arrayContaining(Object.keys(seen)));
    if (seen["401"]) expect(seen["401"]).toHaveLength(ROUTES.length * GUESSES.length);
    await expectUntouched();
  });

  it("is refused without the token and with a wrong one where no policy stands between: at the pod's own port", async () => {
    const forward = await outside().openForward({
      kubeconfig: stack.kubeconfig,
      namespace: stack.namespace,
      pod,
      port: PORT,
    });
    try {
      const statuses = new Set<number>();
      for (const route of ROUTES) {
        const [method, path] = route.split(" ") as [string, string];
        for (const guess of GUESSES) {
          const body =
            method === "POST" ? JSON.stringify({ command: "touch stolen", code: "open('stolen', 'w')" }) : undefined;
          const headers = {
            ...(guess === "" ? {} : { authorization: guess }),
            ...(body === undefined ? {} : { "content-type": "application/json" }),
          };
          statuses.add(
            (await fetch(forward.url + path, { method, headers, ...(body === undefined ? {} : { body }) })).status,
          );
        }
      }
      expect([...statuses]).toEqual([401]);
      expect(await (await fetch(`${forward.url}/health`)).json()).toEqual({ status: "healthy" });
      const ask = async (token: string) =>
        (await fetch(`${forward.url}/shell/processes`, { headers: { authorization: `Bearer ${token}` } })).status;
      const { metadata } = await cluster.sessionPod(attacker.id);
      const of = async (id: string) => (await shipToken(cluster.kube, stack.namespace, stack.pod, id))!;
      // A token is of one session: the attacker's own opens nothing here, the victim's does.
      expect(await ask(await of(metadata!.labels!["bay.session_id"]!))).toBe(401);
      expect(await ask(await of(session))).toBe(200);
    } finally {
      await forward.close();
    }
    await expectUntouched();
  });

  it("gives no token away: neither its environment, nor its files, nor its pod's description, nor Bay's log has one", async () => {
    const token = (await shipToken(cluster.kube, stack.namespace, stack.pod, session))!;
    const code =
      "import glob, os\nfor name in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n    try: print(open(name, 'rb').read())\n    except OSError: pass\nprint(dict(os.environ))";
    const texts = await Promise.all([
      victim.python(code).then((answer) => expectStatus(answer, 200).output),
      victim.shell("env; cat /workspace/.bay_env.sh").then((answer) => expectStatus(answer, 200).output),
      cluster.sessionPod(victim.id).then((found) => JSON.stringify(found)),
      cluster.kube.log(stack.namespace, stack.pod),
      victim.history().then((answer) => JSON.stringify(expectStatus(answer, 200))),
    ]);
    expect(texts.map((text) => text.includes(token))).toEqual([false, false, false, false, false]);
    expect(texts[0]!.length).toBeGreaterThan(100);
  });
});
