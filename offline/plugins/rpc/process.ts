/** What every child process of the engine does alike: a port of its own on loopback, and an end with its parent. */
import type { Server, ServerCredentials } from "@grpc/grpc-js";

/** Binds the server to a free port of 127.0.0.1 and gives the port. */
export function bind(server: Server, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => { if (error) reject(error); else resolve(port); });
  });
}

/** Milliseconds between looks whether the parent still lives. */
const PARENT_CHECK_MS = 1000;
/** Milliseconds that running calls get to answer after SIGTERM. */
const GRACE_MS = 5000;

/**
 * Ends this process on SIGTERM (running calls are aborted and may answer), and when the engine is gone: a
 * killed engine cannot end its plugins, they would stay for ever. Ctrl-C in a terminal reaches the plugin too and is ignored, because
 * the engine decides what happens to running operations and says so by Cancel.
 */
export function endWithParent(server: Server, stop: AbortController): void {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    stop.abort(new Error("the engine is gone"));
    process.exit(0);
  }, PARENT_CHECK_MS);
  watch.unref();
  process.on("SIGINT", () => undefined);
  process.once("SIGTERM", () => {
    stop.abort(new Error("terminated"));
    setTimeout(() => process.exit(143), GRACE_MS).unref();
    server.tryShutdown(() => process.exit(0));
  });
}
