/** What every child process of the engine does alike: a port of its own on loopback, and an end with its parent. */
import type { Server, ServerCredentials } from "@grpc/grpc-js";

/** Binds the server to a free port of 127.0.0.1 and gives the port. */
export function bind(server: Server, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
}

/** Milliseconds between looks whether the parent still lives. */
const PARENT_CHECK_MS = 1000;
/**
 * Ends this process when the engine says so or is gone. The engine gives each child a process group of its own (a
 * Ctrl-C in the terminal does not reach it), tells of cancellation by a call, and, when it has closed the connection
 * and wants the child to end, sends SIGINT and waits up to 5 s. An engine that was killed cannot end its children,
 * they would stay for ever: hence the look at the parent.
 *
 * `stop` fires first; what listens to it has to clean up without waiting.
 */
export function endWithParent(stop: AbortController): void {
  const end = (reason: string): void => {
    stop.abort(new Error(reason));
    process.exit(0);
  };
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) end("the engine is gone");
  }, PARENT_CHECK_MS).unref();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      end(signal);
    });
}
