import type { Server } from "node:http";

/** From this share of the limit on, connections that wait for a next request are closed. */
const FULL = 0.9;

/** Keeps the number of open connections below a limit: those without a request go first, new ones are refused last. */
export function limitConnections(server: Server, limit: number): void {
  server.maxConnections = limit;
  let open = 0;
  server.on("connection", (socket) => {
    open += 1;
    socket.once("close", () => {
      open -= 1;
    });
    if (open >= limit * FULL) server.closeIdleConnections();
  });
}
