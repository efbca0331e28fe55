import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Seen {
  method: string;
  path: string;
  body: unknown;
  headers: IncomingMessage["headers"];
}
export type Reply = { status?: number; body?: string; type?: string; headers?: Record<string, string> } | "break off";

/** A real HTTP server whose answers the test chooses; a function of all calls so far, or one answer for each path. */
export class Scripted {
  readonly seen: Seen[] = [];
  readonly #server: Server;
  answer: (call: Seen, before: number) => Reply = () => ({ status: 404 });

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const call: Seen = {
      method: request.method!,
      path: request.url!,
      body: text === "" ? undefined : JSON.parse(text),
      headers: request.headers,
    };
    const reply = this.answer(call, this.seen.length);
    this.seen.push(call);
    if (reply === "break off") {
      request.socket.destroy();
      return;
    }
    response
      .writeHead(reply.status ?? 200, { "content-type": reply.type ?? "application/json", ...reply.headers })
      .end(reply.body ?? "");
  }
}
