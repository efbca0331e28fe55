import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { limitIdle } from "../../../infra/support/idle-connections";

const IDLE = 50;
let server: Server;
let agent: Agent;
let connections: Socket[];

async function serve(answer: RequestListener): Promise<void> {
  connections = [];
  server = createServer(answer).on("connection", (socket) => {
    connections.push(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  agent = limitIdle(new Agent({ keepAlive: true }), IDLE);
}

afterEach(() => {
  agent.destroy();
  server.closeAllConnections();
  server.close();
});

/** A call that hears of every time limit; `meanwhile` happens while it connects. */
async function call(meanwhile = () => {}): Promise<string> {
  const request = get({ host: "127.0.0.1", port: (server.address() as AddressInfo).port, agent });
  const late = new Promise<never>((_, reject) => {
    request.setTimeout(60_000, () => {
      reject(new Error("a time limit of another request"));
    });
  });
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  await new Promise<void>((resolve) => {
    process.nextTick(resolve);
  });
  meanwhile();
  const [response] = await Promise.race([answered, late]);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe("connections with a limit of idleness", () => {
  test("are closed by the client once they have waited so long", async () => {
    await serve((_, response) => {
      response.end("here");
    });
    await expect(call()).resolves.toBe("here");
    if (!connections[0]!.closed) await once(connections[0]!, "close");
    expect(connections).toHaveLength(1);
  });

  test("have none while they connect, however long the host is busy", async () => {
    await serve((_, response) => {
      response.end("here");
    });
    await expect(
      call(() => {
        for (const start = Date.now(); Date.now() - start < 4 * IDLE;);
      }),
    ).resolves.toBe("here");
  });

  test("have none while they are used again for an answer that takes longer", async () => {
    await serve((request, response) => {
      if (connections.length === 1 && request.socket.bytesWritten > 0)
        setTimeout(() => {
          response.end("late");
        }, 4 * IDLE);
      else response.end("here");
    });
    await call();
    await expect(call()).resolves.toBe("late");
    expect(connections).toHaveLength(1);
  });
});
