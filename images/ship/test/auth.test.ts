import { createHash } from "node:crypto";
import { once } from "node:events";
import os from "node:os";
import WebSocket from "ws";
import { takeVerifier } from "../src/auth";
import { type RunningShip, startShip } from "./support/start-ship";

const TOKEN = "the-session's-token";
const VERIFIER = createHash("sha256").update(TOKEN).digest("hex");
const RIGHT = { authorization: `Bearer ${TOKEN}` };

/** Every route of Ship, and one that it does not have. */
const ROUTES: [method: string, path: string][] = [
  ["GET", "/"],
  ["GET", "/stat"],
  ["GET", "/meta"],
  ["POST", "/ipython/exec"],
  ["GET", "/ipython/kernel/status"],
  ["POST", "/ipython/kernel/restart"],
  ["DELETE", "/ipython/kernel"],
  ["POST", "/shell/exec"],
  ["GET", "/shell/processes"],
  ["POST", "/fs/create_file"],
  ["POST", "/fs/read_file"],
  ["POST", "/fs/write_file"],
  ["POST", "/fs/edit_file"],
  ["POST", "/fs/delete_file"],
  ["POST", "/fs/list_dir"],
  ["POST", "/fs/upload"],
  ["GET", "/fs/download?file_path=x"],
  ["GET", "/term/ws"],
  ["GET", "/nowhere"],
  ["OPTIONS", "/fs/read_file"],
  ["HEAD", "/health"],
];
/** An address of this host that is not the loopback, as another pod would use it. */
const elsewhere = Object.values(os.networkInterfaces())
  .flat()
  .find((each) => each?.family === "IPv4" && !each.internal)?.address;

describe("Ship with a session's token", () => {
  let ship: RunningShip;
  let port: string;
  beforeAll(async () => {
    ship = await startShip(undefined, { SHIP_TOKEN_SHA256: VERIFIER, SHIP_HOST: "0.0.0.0" });
    ({ port } = new URL(ship.url));
  });
  afterAll(async () => {
    await ship.stop();
  });

  /** Status and body of a call by another address of this host. */
  const call = async (method: string, path: string, headers: Record<string, string>, host = elsewhere ?? "") => {
    const json =
      method === "POST" ? { body: "{}", headers: { ...headers, "content-type": "application/json" } } : { headers };
    const response = await fetch(`http://${host}:${port}${path}`, { method, ...json });
    return { status: response.status, text: await response.text() };
  };

  test("the host of this test has an address beside the loopback", () => {
    expect(elsewhere).toBeDefined();
  });

  test.each(ROUTES)("refuses %s %s without it, and with a wrong one", async (method, path) => {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: `Basic ${TOKEN}` },
      { authorization: "Bearer " },
      { authorization: `Bearer ${VERIFIER}` },
    ]) {
      const { status, text } = await call(method, path, headers as Record<string, string>);
      expect(status).toBe(401);
      if (method !== "HEAD") expect(JSON.parse(text)).toEqual({ detail: expect.stringContaining("unauthorized") });
      expect(text).not.toContain(TOKEN);
    }
  });

  test.each(ROUTES.filter(([, path]) => path !== "/ipython/kernel"))("answers %s %s with it", async (method, path) => {
    expect((await call(method, path, RIGHT)).status).not.toBe(401);
  });

  test("tells anyone that it is healthy and nothing more, but for a wrong token", async () => {
    expect(await call("GET", "/health", {})).toEqual({ status: 200, text: '{"status":"healthy"}' });
    expect((await call("GET", "/health", { authorization: "Bearer wrong" })).status).toBe(401);
    expect(JSON.parse((await call("GET", "/health", RIGHT)).text)).toEqual({
      status: "healthy",
      version: expect.any(String),
    });
  });

  test("refuses a refused body whole: nothing of it is run", async () => {
    const command = JSON.stringify({ command: "touch ran" });
    await fetch(`http://${elsewhere}:${port}/shell/exec`, {
      method: "POST",
      body: command,
      headers: { "content-type": "application/json" },
    });
    const { body } = await list();
    expect(JSON.stringify(body)).not.toContain("ran");
  });
  const list = async () => ({
    body: (await (
      await fetch(`${ship.url}/fs/list_dir`, {
        method: "POST",
        body: JSON.stringify({ path: "." }),
        headers: { ...RIGHT, "content-type": "application/json" },
      })
    ).json()) as unknown,
  });

  test.each([
    ["without it", {}, 401],
    ["with a wrong one", { authorization: "Bearer wrong" }, 401],
    ["with it", RIGHT, undefined],
  ])("a terminal %s", async (_what, headers, refused) => {
    const socket = new WebSocket(`ws://${elsewhere}:${port}/term/ws`, { headers: headers as Record<string, string> });
    const outcome = await Promise.race([
      once(socket, "open").then(() => undefined),
      once(socket, "unexpected-response").then(([, response]) => (response as { statusCode: number }).statusCode),
    ]);
    socket.terminate();
    expect(outcome).toBe(refused);
  });

  test("the sandbox's own processes may read the version without it, and nothing else", async () => {
    for (const path of ["/health", "/meta"]) {
      const { status, text } = await call("GET", path, {}, "127.0.0.1");
      expect([status, text.includes('"version"')]).toEqual([200, true]);
    }
    for (const path of ["/health", "/meta"])
      expect((await call("GET", path, { authorization: "Bearer wrong" }, "127.0.0.1")).status).toBe(401);
    for (const path of ["/stat", "/shell/processes", "/health/"])
      expect((await call("GET", path, {}, "127.0.0.1")).status).toBe(401);
  });

  test("user code is not handed the verifier", async () => {
    const code = JSON.stringify({ code: "import os; print([name for name in os.environ if 'TOKEN' in name])" });
    const response = await fetch(`${ship.url}/ipython/exec`, {
      method: "POST",
      body: code,
      headers: { ...RIGHT, "content-type": "application/json" },
    });
    expect(await response.json()).toMatchObject({ success: true, output: { text: "[]" } });
  });
});

describe("The verifier", () => {
  test("is taken out of the environment", () => {
    const env: NodeJS.ProcessEnv = { SHIP_TOKEN_SHA256: VERIFIER };
    expect(takeVerifier(env)?.toString("hex")).toBe(VERIFIER);
    expect(env).toEqual({});
    expect(takeVerifier(env)).toBeUndefined();
  });

  test.each(["short", "z".repeat(64), `${VERIFIER}00`])("%s ends the start", (text) => {
    expect(() => takeVerifier({ SHIP_TOKEN_SHA256: text })).toThrow("64 hexadecimal digits");
  });
});
