import { connect } from "node:net";
import { type RunningShip, startShip } from "./support/start-ship";

describe("What Ship is sent", () => {
  let ship: RunningShip;
  beforeAll(async () => {
    ship = await startShip();
  });
  afterAll(() => ship.stop());
  const send = async (route: string, body: string, type = "application/json"): Promise<number> =>
    (await fetch(ship.url + route, { method: "POST", headers: { "content-type": type }, body })).status;

  test.each([
    ["deep lists", "[".repeat(500_000), 400],
    ["many lists", `[${"[],".repeat(200_000)}[]]`, 413],
    ["many numbers", `{"code":"1","x":[${"1,".repeat(100_000)}1]}`, 413],
    ["half a text", '{"code":"', 400],
    ["nothing", "", 400],
  ])("%s are refused before they are parsed", async (_what, body, status) => {
    expect(await send("/ipython/exec", body)).toBe(status);
  });

  test("variables that no process can have are refused", async () => {
    for (const env of [{ "a\0": "1" }, { a: "1\0" }, { "": "1" }, { "a=b": "1" }])
      expect(await send("/shell/exec", JSON.stringify({ command: "true", env }))).toBe(422);
  });

  test.each([
    ["multipart/form-data", "{}"],
    ["multipart/form-data; boundary=x", "{}"],
    ["multipart/form-data; boundary=x", '--x\r\ncontent-disposition: form-data; name="file"\r\n\r\n'],
  ])("an upload that says %s and is %j is refused", async (type, body) => {
    expect([400, 413]).toContain(await send("/fs/upload", body, type));
  });

  test("only the terminal is upgraded: another request that asks for it is refused and does nothing", async () => {
    const { hostname, port } = new URL(ship.url);
    const socket = connect(Number(port), hostname);
    const body = '{"command":"touch made"}';
    const answer = await new Promise<string>((resolve) => {
      let out = "";
      socket
        .on("data", (chunk) => {
          out += chunk.toString();
        })
        .once("close", () => {
          resolve(out);
        });
      socket.write(
        `POST /shell/exec HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect((await ship.post("/shell/exec", { command: "ls" })).body.stdout).not.toContain("made");
  });
});
