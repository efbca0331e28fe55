import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { lacks } from "../../support/lacking";
import { shipToken } from "../../support/ship-token";
import { cluster, newSandbox, perFile, stack } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
});

/**
 * A client in the sandbox, because Bay does not hand the terminal on: types a line, prints what came, and why it ended.
 * It is given the session's token, which Ship asks for and which no program of a sandbox else has.
 */
const CLIENT = `
const [token] = process.argv.slice(2);
const headers = token ? { authorization: "Bearer " + token } : {};
const socket = new WebSocket("ws://localhost:8123/term/ws?cols=100&rows=40", { headers });
let text = "";
socket.onopen = () => { socket.send("tty; stty size; id -un; pwd; exit\\n"); };
socket.onmessage = ({ data }) => { text += data; };
socket.onclose = ({ code, reason }) => { console.log(JSON.stringify({ text, code, reason })); };
`;

describe("the terminal of a runtime @shell", () => {
  it("is a shell of its user on a pseudo-terminal of the size that was asked for, in /workspace", async () => {
    const { capabilities } = JSON.parse(
      expectStatus(await sandbox.shell("curl -s localhost:8123/meta"), 200).output,
    ) as { capabilities: Record<string, unknown> };
    if (!capabilities["terminal"]) lacks("a terminal (capabilities.terminal of the runtime's /meta)");
    expectStatus(await sandbox.writeFile("client.mjs", CLIENT), 200);
    const session = (await cluster.sessionPod(sandbox.id)).metadata!.labels!["bay.session_id"]!;
    const token = (await shipToken(cluster.kube, stack.namespace, stack.pod, session)) ?? "";
    const { output } = expectStatus(await sandbox.shell(`node client.mjs ${token}`), 200);
    const { text, code } = JSON.parse(output) as { text: string; code: number };
    expect(text).toMatch(/\/dev\/pts\/\d+\r\n40 100\r\nshipyard\r\n\/workspace\r\n/);
    expect(code).toBe(1000);
  });
});
