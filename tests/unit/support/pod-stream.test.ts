import { once } from "node:events";
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import WebSocket, { WebSocketServer } from "ws";
import { BrokenWayError, openPodStream, PORT_FORWARD_PROTOCOL, type PodStream } from "../../support/pod-stream";

/** The kubelet's end of the protocol, on a real WebSocket. */
let server: WebSocketServer;
let stream: PodStream;
let kubelet: WebSocket;
const frame = (channel: number, payload: Uint8Array | string): Buffer =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(payload as string)]);
const PORT = Buffer.from([0xb2, 0x1f]);

beforeEach(async () => {
  server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => PORT_FORWARD_PROTOCOL });
  await once(server, "listening");
  const connected = once(server, "connection") as Promise<[WebSocket]>;
  const ws = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, [PORT_FORWARD_PROTOCOL], {
    perMessageDeflate: false,
  });
  stream = await openPodStream(Promise.resolve(ws), new AbortController().signal);
  [kubelet] = await connected;
  kubelet.send(frame(0, PORT));
  kubelet.send(frame(1, PORT));
});
afterEach(async () => {
  stream.destroy();
  await new Promise((resolve) => {
    server.close(resolve);
  });
});

const read = async (): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

describe("a connection into a pod", () => {
  it("gives the pod's bytes without the port numbers, until the pod closes", async () => {
    const content = randomBytes(300_000);
    for (let at = 0; at < content.length; at += 32_768) kubelet.send(frame(0, content.subarray(at, at + 32_768)));
    kubelet.close(1000);
    expect((await read()).equals(content)).toBe(true);
  });

  it("sends bytes on the data channel, and all of them before it closes", async () => {
    const content = randomBytes(300_000);
    const got: Buffer[] = [];
    kubelet.on("message", (data: Buffer) => got.push(data));
    for (let at = 0; at < content.length; at += 10_000) stream.write(content.subarray(at, at + 10_000));
    stream.end();
    const [code] = (await once(kubelet, "close")) as [number];
    expect(code).toBe(1000);
    expect(got.every((message) => message[0] === 0)).toBe(true);
    expect(Buffer.concat(got.map((message) => message.subarray(1))).equals(content)).toBe(true);
  });

  it("ends with the kubelet's words when the pod refuses", async () => {
    kubelet.send(frame(1, "connect to port 8114: connection refused\n"));
    await expect(read()).rejects.toThrow(/^connect to port 8114: connection refused$/);
  });

  it("ends with BrokenWayError when the connection goes away unclosed", async () => {
    kubelet.terminate();
    await expect(read()).rejects.toBeInstanceOf(BrokenWayError);
  });

  it("is not broken when its own end is answered by a connection that goes away", async () => {
    kubelet.once("close", () => undefined);
    stream.resume();
    stream.end("bye");
    kubelet.on("message", () => kubelet.terminate());
    await expect(once(stream, "close")).resolves.toEqual([]);
  });

  it("holds back the pod while its reader is slow", async () => {
    const chunk = randomBytes(64 * 1024);
    let sent = 0;
    let taken = 0;
    // 64 MB offered, nothing read: what the sockets do not hold stays with the sender.
    for (; sent < 1_000; sent += 1)
      kubelet.send(frame(0, chunk), () => {
        taken += 1;
      });
    await once(stream, "readable");
    expect(kubelet.bufferedAmount).toBeGreaterThan(32 * 1024 * 1024);
    expect(stream.readableLength).toBeLessThan(1024 * 1024);
    kubelet.close(1000);
    expect((await read()).length).toBe(sent * chunk.length);
    expect(taken).toBe(sent);
  });
});

describe("a refused port-forward", () => {
  it("tells the API server's message", async () => {
    const refusing = new WebSocketServer({
      host: "127.0.0.1",
      port: 0,
      verifyClient: (_, done) => done(false, 404, JSON.stringify({ message: 'pods "bay" not found' })),
    });
    await once(refusing, "listening");
    const ws = new WebSocket(`ws://127.0.0.1:${(refusing.address() as AddressInfo).port}/`);
    await expect(openPodStream(Promise.resolve(ws), new AbortController().signal)).rejects.toThrow(
      'the API server refused the port-forward with 404: pods "bay" not found',
    );
    await new Promise((resolve) => {
      refusing.close(resolve);
    });
  });
});
