import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { refuse } from "./forward-error";
import { BrokenWayError, type PodStream } from "./pod-stream";

/** What the carrier asks of its supervisor. */
export interface Way {
  /** Opens a new connection to the pod. */
  dial(): Promise<PodStream>;
  /** Settles when the way is open, or with `false` when it is not by that time (milliseconds since the epoch). */
  openBefore(time: number): Promise<boolean>;
  /** Why the way is not open. */
  why(): string;
  /** A connection could not be made; settles after the supervisor has checked the way. */
  recheck(): Promise<void>;
  /** The way broke under a connection. */
  broke(why: string): void;
}

interface Carried {
  client: Socket;
  stream?: PodStream;
}

/** Listens on a free port of 127.0.0.1 and carries each connection to the pod. */
export class Carrier {
  readonly #way: Way;
  readonly #holdFor: number;
  readonly #server: Server;
  readonly #carried = new Set<Carried>();
  #total = 0;
  #url = "";

  /** @param holdFor milliseconds that a new connection is held while the way is not open, before it is refused */
  constructor(way: Way, holdFor: number) {
    this.#way = way;
    this.#holdFor = holdFor;
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (client) => void this.#accept(client));
  }

  /** `http://127.0.0.1:<port>`, once listening. */
  get url(): string {
    return this.#url;
  }

  /** Connections since the start, and now. */
  get connections(): { total: number; open: number } {
    return { total: this.#total, open: this.#carried.size };
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on the listener alone does not keep the process alive. */
  unref(): void {
    this.#server.unref();
  }

  /** Ends the connections that run over a way that is gone. Those still held have sent nothing yet, and stay. */
  cut(): void {
    for (const { client, stream } of this.#carried) {
      if (!stream) continue;
      stream.destroy();
      client.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    const ended = [...this.#carried].map(({ client }) => once(client.destroy(), "close"));
    if (this.#server.listening) ended.push(once(this.#server.close(), "close"));
    await Promise.all(ended);
  }

  async #accept(client: Socket): Promise<void> {
    const carried: Carried = { client };
    this.#carried.add(carried);
    this.#total += 1;
    client.on("error", () => undefined);
    client.once("close", () => this.#carried.delete(carried));
    const heldUntil = Date.now() + this.#holdFor;
    while (!client.destroyed) {
      if (!(await this.#way.openBefore(heldUntil))) return refuse(client, this.#way.why());
      const stream = await this.#way
        .dial()
        .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
      if (typeof stream !== "string") {
        carried.stream = stream;
        return this.#join(client, stream);
      }
      if (Date.now() >= heldUntil) return refuse(client, stream);
      await this.#way.recheck();
    }
  }

  #join(client: Socket, stream: PodStream): void {
    stream.once("error", (error) => {
      client.destroy();
      if (error instanceof BrokenWayError) this.#way.broke(error.message);
    });
    stream.once("close", () => client.end());
    client.once("close", () => {
      if (!stream.writableEnded) stream.destroy();
    });
    if (client.destroyed) stream.destroy();
    else client.pipe(stream).pipe(client);
  }
}
