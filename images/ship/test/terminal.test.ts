import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import WebSocket from "ws";
import { type RunningShip, startShip } from "./support/start-ship";
import { until } from "./support/until";

describe("Ship's terminal", () => {
  let ship: RunningShip;
  const open: WebSocket[] = [];
  beforeAll(async () => {
    ship = await startShip(undefined, { BAY_PROFILE_ENV: "GREETING=hello", SECRET_OF_CONTAINER: "hidden" });
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.terminate();
  });
  afterAll(async () => {
    await ship.stop();
  });

  /** A terminal, and all that it has printed. */
  async function terminal(query = ""): Promise<{
    socket: WebSocket;
    printed: () => string;
    says: (text: string) => Promise<void>;
    prompts: () => Promise<void>;
    closed: Promise<[number, string]>;
  }> {
    const socket = new WebSocket(`${ship.url.replace("http", "ws")}/term/ws${query}`);
    open.push(socket);
    let text = "";
    socket.on("message", (data: Buffer) => {
      text += data.toString();
    });
    const closed = new Promise<[number, string]>((resolve) => {
      socket.once("close", (code, reason) => {
        resolve([code, reason.toString()]);
      });
    });
    await once(socket, "open");
    const says = (part: string) =>
      until(`the terminal says ${part}`, () => text.includes(part)).catch((error: Error) => {
        throw new Error(`${error.message}; it said ${JSON.stringify(text)}`);
      });
    // What is typed between a command and the prompt may be taken by either.
    const prompts = () => until("the shell prompts", () => /[#$] $/.test(text));
    return { socket, closed, printed: () => text, says, prompts };
  }

  test("is a login shell on a terminal of 80 by 24, in the workspace, with the profile's variables and not the container's", async () => {
    const { socket, says } = await terminal();
    socket.send(
      "stty size; tty | cut -c1-9; shopt -q login_shell && echo log-in; echo [$GREETING$SECRET_OF_CONTAINER] $PWD; exit\n",
    );
    for (const part of ["24 80\r\n", "/dev/pts/", "log-in\r\n", `[hello] ${ship.workspace}\r\n`]) await says(part);
  });

  test("has the size that it was asked for, and another one when that is sent", async () => {
    const { socket, says, prompts } = await terminal("?cols=100&rows=40");
    socket.send("stty size\n");
    await says("40 100\r\n");
    await prompts();
    socket.send(JSON.stringify({ type: "resize", cols: 132, rows: 50 }));
    socket.send("stty size\n");
    await says("50 132\r\n");
  });

  test("takes bytes as well as text, also a character cut in two, and JSON that is no size", async () => {
    const { socket, says, prompts } = await terminal();
    const bytes = Buffer.from("echo -é''-\n");
    socket.send(bytes.subarray(0, 7));
    socket.send(bytes.subarray(7));
    await says("-é-\r\n");
    await prompts();
    socket.send("echo re''ady; cat\n");
    await says("ready\r\n");
    socket.send('{"type": "other"}\n');
    // Once as the terminal's echo, once from cat.
    await says('{"type": "other"}\r\n{"type": "other"}\r\n');
  });

  test("passes keys on: Ctrl-C ends what runs, Ctrl-D the shell", async () => {
    const { socket, says, prompts, closed } = await terminal();
    // Said by the one that has the terminal: before that a Ctrl-C would be the shell's.
    socket.send("sh -c 'echo be\"\"gun; sleep 600'; echo after\n");
    await says("begun\r\n");
    socket.send("\u0003");
    await says("^C");
    await prompts();
    socket.send("echo [$?]\n");
    await says("[130]\r\n");
    await prompts();
    socket.send("\u0004");
    expect(await closed).toEqual([1000, "the shell has ended"]);
  });

  test("ends with its caller, and what runs in it", async () => {
    const { socket, printed } = await terminal();
    socket.send("sleep 600 & echo pid=$!=; wait\n");
    await until("the pid is printed", () => /pid=\d+=\r/.test(printed()));
    const pid = Number(/pid=(\d+)=\r/.exec(printed())![1]);
    socket.close();
    await until("the command has ended", () => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
  });

  test("makes a program wait that prints faster than the caller reads, and loses nothing", async () => {
    const { socket, closed } = await terminal();
    let characters = 0;
    socket.on("message", (data: Buffer) => {
      characters += data.length;
    });
    const file = path.join(ship.workspace, "printed");
    const printed = () => (existsSync(file) ? statSync(file).size : 0);
    socket.pause();
    // A byte in the file for each 64 KiB that the terminal took: 32 MiB in all.
    socket.send(
      'python3 -c \'import sys\nwith open("printed", "ab", buffering=0) as f:\n  for _ in range(512): sys.stdout.write("x" * 65536); sys.stdout.flush(); f.write(b".")\'; exit\n',
    );
    let last = -1;
    await until("the program waits", async () => {
      const before = last;
      last = printed();
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
      return last > 0 && before === last;
    });
    expect(printed()).toBeLessThan(512);
    socket.resume();
    await closed;
    expect([printed(), characters > 32 * 1024 * 1024]).toEqual([512, true]);
  });

  test.each(["?cols=0", "?rows=1001", "?cols=wide"])("refuses the size %s", async (query) => {
    const socket = new WebSocket(`${ship.url.replace("http", "ws")}/term/ws${query}`);
    const [error] = (await once(socket, "error").catch((cause: unknown) => [cause])) as [Error];
    expect(error.message).toMatch(/422/);
  });

  test("closes on a new size that is none, and on a message that is too large", async () => {
    const first = await terminal();
    first.socket.send(JSON.stringify({ type: "resize", cols: 0, rows: 24 }));
    expect(await first.closed).toEqual([1008, "resize wants cols and rows from 1 to 1000"]);
    const second = await terminal();
    second.socket.send("x".repeat(1024 * 1024 + 1));
    expect((await second.closed)[0]).toBe(1009);
  });

  test("is told by /meta, and by nothing but a WebSocket's handshake", async () => {
    const { capabilities } = (await (await fetch(`${ship.url}/meta`)).json()) as {
      capabilities: Record<string, { endpoints: object }>;
    };
    expect(Object.keys(capabilities).sort()).toEqual(["filesystem", "python", "shell", "terminal"]);
    expect(capabilities["terminal"]!.endpoints).toEqual({ connect: "/term/ws" });
    expect((await fetch(`${ship.url}/term/ws`)).status).toBe(404);
  });
});
