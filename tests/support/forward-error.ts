import type { Socket } from "node:net";

/** Header of the answer that a forward gives in the pod's place when it does not reach the pod. */
export const FORWARD_ERROR_HEADER = "x-forward-error";

export interface ForwardFacts {
  target: { namespace: string; pod: string; port: number };
  /** Why the pod is not reached. */
  why: string;
  /** What was waited for. */
  wanted: string;
  /** The end of the pod's log, if there is one. */
  log?: string;
}

/** The port-forward does not reach its pod. Code `E_FORWARD` of `docs/errors.md`. */
export class ForwardError extends Error {
  readonly code = "E_FORWARD";

  constructor({ target: { namespace, pod, port }, why, wanted, log }: ForwardFacts) {
    const lines = [
      `E_FORWARD: The port-forward to ${namespace}/${pod}:${port} is not open`,
      `  seen:   ${why}`,
      `  wanted: ${wanted}`,
      "  next:   npm run e2e -- status",
    ];
    if (log)
      lines.push(
        "",
        ...log
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`),
      );
    super(lines.join("\n"));
    this.name = "ForwardError";
    // The user must act, not read code: Jest prints the stack.
    this.stack = this.message;
  }
}

/** Answers a connection that cannot be carried with the reason, so that the caller does not see a bare reset. */
export function refuse(client: Socket, why: string): void {
  const text = why.replace(/[^\x20-\x7e]+/g, " ");
  const head = [
    "HTTP/1.1 502 Bad Gateway",
    `${FORWARD_ERROR_HEADER}: ${text}`,
    "Content-Length: 0",
    "Connection: close",
  ];
  // What the client sends is read and dropped: closing over unread data would reset the connection and lose the answer.
  client.resume();
  client.end(`${head.join("\r\n")}\r\n\r\n`);
  const timer = setTimeout(() => client.destroy(), 1_000);
  client.once("close", () => clearTimeout(timer));
}
