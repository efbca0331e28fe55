import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from "node:net";
import { BayClient, BayError, expectStatus } from "../../support/bay-client";
import { refuse } from "../../support/forward-error";

const KEY = "planted-api-key";
const clients: BayClient[] = [];
const servers: (Server | TcpServer)[] = [];
const clientOf = async (server: Server | TcpServer): Promise<BayClient> => {
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const client = new BayClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, KEY);
  clients.push(client);
  return client;
};

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(
    servers.splice(0).map(
      (server) =>
        new Promise((resolve) => {
          server.close(resolve);
        }),
    ),
  );
});

describe("BayClient", () => {
  it("gives every status as an answer, with its headers", async () => {
    const client = await clientOf(
      createServer((request, response) => {
        response
          .writeHead(401, { "content-type": "application/json", "x-request-id": "r1" })
          .end(JSON.stringify({ got: request.headers.authorization }));
      }),
    );
    expect(await client.listSandboxes()).toMatchObject({
      status: 401,
      data: { got: `Bearer ${KEY}` },
      headers: { "x-request-id": "r1" },
    });
  });

  it("names call, status, code and request id when another status was wanted", async () => {
    const error = { code: "not_found", message: "no such sandbox", request_id: "r2" };
    const client = await clientOf(
      createServer((_, response) => {
        response
          .writeHead(404, { "content-type": "application/json", "x-request-id": "r2" })
          .end(JSON.stringify({ error }));
      }),
    );
    const answer = await client.sandbox("sandbox-1").get();
    expect(() => expectStatus(answer, 200)).toThrow(
      "GET /v1/sandboxes/sandbox-1 answered 404, wanted 200 (request id r2): not_found: no such sandbox",
    );
  });

  it("tells of a broken connection without the key, in none of the error's fields", async () => {
    const client = await clientOf(
      createTcpServer((socket) => {
        socket.on("error", () => undefined);
        socket.resetAndDestroy();
      }),
    );
    const error = (await client.listSandboxes().catch((thrown: unknown) => thrown)) as BayError;
    expect(error).toBeInstanceOf(BayError);
    expect(error.message).toMatch(/^GET \/v1\/sandboxes had no answer after \d+ ms: ECONNRESET/);
    expect(JSON.stringify([error, error.stack, Object.getOwnPropertyNames(error), error.cause])).not.toContain(KEY);
  });

  it("tells the forward's reason when the forward answered in Bay's place", async () => {
    const client = await clientOf(createTcpServer((socket) => refuse(socket, "pod bay is missing\nsecond line")));
    await expect(client.createSandbox()).rejects.toThrow(
      "POST /v1/sandboxes did not reach Bay: E_FORWARD: pod bay is missing second line",
    );
  });

  it("uploads bytes and a path as a form", async () => {
    const client = await clientOf(
      createServer((request, response) => {
        const chunks: Buffer[] = [];
        request
          .on("data", (chunk: Buffer) => chunks.push(chunk))
          .on("end", () => {
            const body = Buffer.concat(chunks);
            response.writeHead(200, { "content-type": "application/json" }).end(
              JSON.stringify({
                type: request.headers["content-type"]?.split(";")[0],
                holdsBytes: body.includes(Buffer.from([0, 255, 10, 13])),
                holdsPath: body.includes('name="path"\r\n\r\na/b.bin\r\n'),
              }),
            );
          });
      }),
    );
    expect((await client.sandbox("s").upload("a/b.bin", Buffer.from([0, 255, 10, 13]))).data).toEqual({
      type: "multipart/form-data",
      holdsBytes: true,
      holdsPath: true,
    });
  });

  it("gives a download as bytes and a refused one as its envelope", async () => {
    const client = await clientOf(
      createServer((request, response) => {
        if (request.url?.includes("there")) response.end(Buffer.from([0, 1, 254, 255]));
        else
          response
            .writeHead(404, { "content-type": "application/json" })
            .end(JSON.stringify({ error: { code: "file_not_found" } }));
      }),
    );
    expect([...(await client.sandbox("s").download("there")).data]).toEqual([0, 1, 254, 255]);
    expect((await client.sandbox("s").download("missing")).data).toEqual({ error: { code: "file_not_found" } });
  });

  it("drops an idle connection before the server does, so that no call meets a closing one", async () => {
    const closed: string[] = [];
    const server = createServer({ keepAliveTimeout: 5_000 }, (_, response) => {
      response.setHeader("connection", "keep-alive");
      response.end("{}");
    });
    const bothEnded = new Promise<void>((resolve) =>
      server.on("connection", (socket) => {
        socket.once("end", () => {
          closed.push("client");
          resolve();
        });
        socket.once("close", () => {
          closed.push("closed");
          resolve();
        });
      }),
    );
    await (await clientOf(server)).health();
    await bothEnded;
    expect(closed[0]).toBe("client");
  });
});
