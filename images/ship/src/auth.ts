import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** Routes that the sandbox's own processes may read without the token: which runtime this is. */
const OWN_ROUTES = new Set(["/health", "/meta"]);

/**
 * Reads the verifier of the session's token (SHIP_TOKEN_SHA256: its SHA-256 in hexadecimal) and removes it from `env`,
 * so that no child process inherits it.
 * @returns undefined when the variable is not set: then nothing is asked for, as in Docker and in development.
 * @throws Error when it is not 64 hexadecimal digits
 */
export function takeVerifier(env: NodeJS.ProcessEnv): Buffer | undefined {
  const text = env["SHIP_TOKEN_SHA256"];
  delete env["SHIP_TOKEN_SHA256"];
  if (!text) return undefined;
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new Error("SHIP_TOKEN_SHA256: expected 64 hexadecimal digits");
  return Buffer.from(text, "hex");
}

/**
 * Answers 401 to every request without `Authorization: Bearer TOKEN`, the terminal's handshake and unknown routes
 * included. Without a token, the sandbox's own processes may read `/health` and `/meta` over the loopback, and all
 * others learn at `/health` that Ship is healthy, and nothing else. A wrong token is refused everywhere.
 */
export function requireToken(app: FastifyInstance, verifier: Buffer): void {
  app.addHook("onRequest", async (request, reply) => {
    const { authorization } = request.headers;
    if (authorization === undefined ? mayReadWithout(request) : isRight(authorization, verifier)) return;
    if (authorization === undefined && request.method === "GET" && pathOf(request) === "/health") {
      await reply.send({ status: "healthy" });
      return;
    }
    const detail =
      authorization === undefined
        ? "unauthorized: expected the header Authorization: Bearer TOKEN with this session's token"
        : "unauthorized: the token is not this session's";
    await reply.code(401).header("www-authenticate", "Bearer").send({ detail });
  });
}

function isRight(authorization: string, verifier: Buffer): boolean {
  const [, token] = /^Bearer (.+)$/s.exec(authorization) ?? [];
  return token !== undefined && timingSafeEqual(createHash("sha256").update(token, "utf8").digest(), verifier);
}

const pathOf = ({ url }: FastifyRequest): string => url.split("?")[0]!;

function mayReadWithout(request: FastifyRequest): boolean {
  if (request.method !== "GET" || !OWN_ROUTES.has(pathOf(request))) return false;
  const { remoteAddress = "", remotePort = 0 } = request.socket;
  return /^(::ffff:)?127\.|^::1$/.test(remoteAddress) && isOfSandbox(remotePort);
}

/**
 * Whether the loopback's socket with this local port belongs to a process of the sandbox. A port-forward ends on the
 * loopback as well, but its socket belongs to the node's container runtime, which is root; Ship seldom is.
 */
function isOfSandbox(port: number): boolean {
  const wanted = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, "0")}$`);
  const lines = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap(readLines).map((line) => line.trim().split(/\s+/));
  const uid = lines.find(([, local = ""]) => wanted.test(local))?.[7];
  return uid !== undefined && (uid !== "0" || process.getuid?.() === 0);
}

/** Lines of a table of the kernel; none where it cannot be read. */
function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(1);
  } catch {
    return [];
  }
}
