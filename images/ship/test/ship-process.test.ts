import fc from "fast-check";
import { readFileSync } from "node:fs";
import net from "node:net";
import { PassThrough } from "node:stream";
import WebSocket from "ws";
import { type DriverResult, KernelChannel } from "../src/kernel-channel";
import { type RunningShip, startShip } from "./support/start-ship";
import { until } from "./support/until";

describe("Ship's own process beside code of its uid", () => {
  let ship: RunningShip;
  beforeAll(async () => {
    ship = await startShip();
  });
  afterAll(async () => {
    await ship.stop();
  });

  const python = async (code: string, timeout = 20) =>
    (await ship.post("/ipython/exec", { code, timeout })).body as {
      success: boolean;
      output: { text: string };
      error: string | null;
    };
  const healthy = async (): Promise<void> => {
    expect(ship.process.exitCode).toBeNull();
    expect((await fetch(`${ship.url}/health`)).status).toBe(200);
    expect(await python("print('well')")).toMatchObject({ success: true, output: { text: "well" } });
    expect((await ship.post("/shell/exec", { command: "echo well" })).body).toMatchObject({
      success: true,
      stdout: "well\n",
    });
  };

  test("where no process or thread is left from the start on, files work, commands are refused, and Ship lives", async () => {
    const poor = await startShip(undefined, {}, true);
    try {
      const before = poor.limitProcesses();
      poor.limitProcesses("1");
      expect((await poor.post("/shell/exec", { command: "echo well" })).body).toMatchObject({
        success: false,
        error: expect.stringContaining("EAGAIN"),
      });
      expect((await poor.post("/fs/write_file", { path: "kept.txt", content: "kept" })).status).toBe(200);
      expect((await poor.post("/fs/read_file", { path: "kept.txt" })).body).toMatchObject({ content: "kept" });
      expect((await poor.post("/ipython/exec", { code: "print('well')" })).body).toMatchObject({
        success: true,
        output: { text: "well" },
      });
      poor.limitProcesses(before);
      expect((await poor.post("/shell/exec", { command: "echo well" })).body).toMatchObject({
        success: true,
        stdout: "well\n",
      });
      expect(poor.process.exitCode).toBeNull();
    } finally {
      await poor.stop();
    }
  });

  test("SIGUSR1 opens no inspector", async () => {
    const inodes = () =>
      new Set(
        readFileSync(`/proc/${ship.process.pid}/net/tcp`, "utf8")
          .split("\n")
          .filter((line) => / 0100007F:240D .* 0A /.test(line)),
      );
    const before = inodes();
    process.kill(ship.process.pid!, "SIGUSR1");
    await healthy();
    expect(inodes()).toEqual(before);
    await expect(
      new Promise((resolve, reject) => {
        net.connect(9229, "127.0.0.1").once("connect", resolve).once("error", reject);
      }),
    ).rejects.toThrow("ECONNREFUSED");
  });

  // Node gives the interpreter sockets: kernel.py keeps them above the small numbers, where this code finds them.
  const PROTOCOL =
    "import os, stat, sys, time\nsockets = [n for n in map(int, os.listdir('/proc/self/fd')) if n > 2 and os.path.exists(f'/proc/self/fd/{n}') and stat.S_ISSOCK(os.stat(f'/proc/self/fd/{n}').st_mode)]\n";
  test.each([
    [
      "writes garbage to",
      'for n in sockets: os.write(n, b\'}{ garbage \\xff\\n[1,2\\nnull\\n{"id": 3}\\n{"id": "x", "count": {}}\\n\')',
    ],
    [
      "writes a line without end to",
      "for n in sockets:\n  os.set_blocking(n, False)\n  try:\n    while True: os.write(n, b'x' * 65536)\n  except BlockingIOError: pass\n  os.set_blocking(n, True)",
    ],
    ["writes 50 MB to", "for _ in range(800): os.write(max(sockets), b'{\"id\": \"' + b'[' * 65536)"],
    ["closes", "for n in sockets: os.close(n)"],
    ["shuts down", "import socket\nfor n in sockets: socket.socket(fileno=os.dup(n)).shutdown(socket.SHUT_RDWR)"],
    ["half closes", "import socket\nfor n in sockets: socket.socket(fileno=os.dup(n)).shutdown(socket.SHUT_WR)"],
    [
      "closes, with much unread,",
      "for n in sockets:\n  os.set_blocking(n, False)\n  try:\n    while True: os.write(n, b'x' * 65536)\n  except BlockingIOError: pass\n  os.close(n)",
    ],
    ["puts files in the place of", "null = os.open('/dev/null', os.O_RDWR)\nfor n in sockets: os.dup2(null, n)"],
    ["gives away", "if os.fork() == 0:\n  for n in sockets: os.write(n, b'late\\n')\n  time.sleep(1)\n  os._exit(0)"],
  ])("an interpreter that %s its channels costs nobody the next call", async (_what, code) => {
    const answer = await python(`print('before')\n${PROTOCOL}${code}`, 5);
    expect(answer.output.text).toBe("before");
    await healthy();
  });

  test("any bytes on the interpreter's channel, in any pieces, give the awaited answer and nothing else", () => {
    const answer = { id: "the-one", count: 1, error: null, images: [], cut: null };
    const garbage = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }).map(Buffer.from),
        fc
          .constantFrom(
            '{"id": "the-one"',
            '{"id": "the-one", "count": "x"}',
            '{"id": "other", "count": 1, "error": null, "images": [], "cut": null}',
            "null",
            '{"id": "the-one", "images": [{"a": 1}]}',
          )
          .map((text) => Buffer.from(`${text}\n`)),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(garbage, garbage, fc.integer({ min: 1, max: 9 }), (before, after, size) => {
        const stream = new PassThrough();
        const channel = new KernelChannel(stream, 4096);
        const results: DriverResult[] = [];
        channel.pending = {
          id: answer.id,
          onBegun: () => undefined,
          onResult: (result) => {
            results.push(result);
          },
        };
        const bytes = Buffer.concat([
          ...before,
          Buffer.from(`\n${JSON.stringify(answer).replaceAll('":', '": ')}\n`),
          ...after,
        ]);
        for (let at = 0; at < bytes.length; at += size) stream.emit("data", bytes.subarray(at, at + size));
        expect(results).toEqual([{ count: 1, error: null, images: [], cut: null }]);
      }),
    );
  });

  test("what is no text, size or message of a terminal does not end Ship, nor does its end from within", async () => {
    const messages = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => json),
      fc.constantFrom(
        '{"type": "resize"}',
        '{"type": "resize", "cols": 1e99, "rows": -1}',
        '{"type": "resize", "cols": [], "rows": {}}',
        "{",
        "\u0004",
        "\u0003",
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(messages, { maxLength: 10 }), async (sent) => {
        const socket = new WebSocket(`${ship.url.replace("http", "ws")}/term/ws`);
        await new Promise((resolve, reject) => {
          socket.once("open", resolve).once("error", reject);
        });
        for (const message of sent) socket.send(message);
        socket.terminate();
      }),
      { numRuns: 20 },
    );
    const socket = new WebSocket(`${ship.url.replace("http", "ws")}/term/ws`);
    const closed = new Promise<number>((resolve) => {
      socket.once("close", resolve);
    });
    let shown = "";
    socket.on("message", (data: Buffer) => {
      shown += data.toString();
    });
    await until("the shell prompts", () => /[#$] $/.test(shown));
    socket.send("ls -l /proc/$$/fd | grep -c socket\n");
    // The terminal's own process passes on what is shown: it must not be killed before.
    await until("the count of sockets is shown", () => /[^0-9]\d+\r\n/.test(shown));
    expect(shown).toMatch(/[^0-9]0\r\n/);
    socket.send("kill -9 $PPID\n");
    expect([1000, 1006, 1011]).toContain(await closed);
    await healthy();
  });

  test("a request that is cut off, or is none, does not end Ship", async () => {
    const { hostname, port } = new URL(ship.url);
    for (const text of [
      "GET",
      "POST /shell/exec HTTP/1.1\r\ncontent-length: 99\r\n\r\n{",
      "\0\xff\r\n\r\n",
      "GET /term/ws HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ]) {
      const socket = net.connect(Number(port), hostname, () => {
        socket.end(text);
      });
      await new Promise((resolve) => {
        socket
          .once("close", resolve)
          .on("error", () => undefined)
          .resume();
      });
    }
    await healthy();
  });
});
