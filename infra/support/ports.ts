import { createServer } from "node:net";
import { UserError } from "./errors";

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  return await tryPort(0);
}

/**
 * Makes sure that a port of 127.0.0.1 can be taken.
 * @param key the configuration key that named it
 * @throws UserError E_PORT_IN_USE
 */
export async function requirePort(port: number, key: string): Promise<number> {
  try {
    return await tryPort(port);
  } catch (cause) {
    throw new UserError("E_PORT_IN_USE", {
      seen: `127.0.0.1:${port} (config key ${key}) is taken: ${(cause as Error).message}`,
      wanted: "a free port, or 0 for any",
      next: `ss -ltnp 'sport = :${port}'   (or: pulumi config set ${key} 0)`,
      cause,
    });
  }
}

function tryPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === "object" && address ? address.port : port);
      });
    });
  });
}
