/** Messages to the user by way of the engine. */
import { credentials, Metadata } from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

export type Severity = "debug" | "info" | "warning" | "error";

/**
 * Messages about one resource. They never fail and need not be awaited; the server waits for them before it answers.
 */
export interface ResourceLog {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  /** Shown as an error; does not by itself fail the operation, a thrown error does both. */
  error(message: string): void;
  /** The line beside the resource while it is worked on; the next one takes its place, none of them is kept. */
  status(message: string): void;
}

/** The connection to the engine. Without an address (a plugin started by hand) messages go to standard error. */
export class Engine {
  private readonly client: EngineClient | undefined;
  /** Ends when the last message was taken. One goes after the other, or a status could overtake a later one. */
  private last: Promise<void> = Promise.resolve();

  constructor(readonly address: string | undefined) {
    this.client = address
      ? new EngineClient(address, credentials.createInsecure(), { "grpc.max_send_message_length": -1 })
      : undefined;
  }

  /** The log of a resource; without a URN that of the whole run. */
  logFor(urn = ""): ResourceLog {
    const send =
      (severity: LogSeverity, ephemeral = false) =>
      (message: string): void => {
        this.send({ severity, message, urn, ephemeral });
      };
    return {
      debug: send(LogSeverity.DEBUG),
      info: send(LogSeverity.INFO),
      warn: send(LogSeverity.WARNING),
      error: send(LogSeverity.ERROR),
      status: send(LogSeverity.INFO, true),
    };
  }

  /** Resolves when the engine has every message that was sent so far. */
  async flush(): Promise<void> {
    await this.last;
  }

  close(): void {
    this.client?.close();
  }

  private send(message: { severity: LogSeverity; message: string; urn: string; ephemeral: boolean }): void {
    if (!this.client) {
      process.stderr.write(`${message.message}\n`);
      return;
    }
    const { client } = this;
    const request = new LogRequest();
    request
      .setSeverity(message.severity)
      .setMessage(message.message)
      .setUrn(message.urn)
      .setEphemeral(message.ephemeral);
    // An engine that is gone cannot be told anything; the plugin ends for that reason anyway.
    this.last = this.last.then(
      () =>
        new Promise((resolve) => {
          client.log(request, new Metadata(), { deadline: Date.now() + SEND_DEADLINE_MS }, () => {
            resolve();
          });
        }),
    );
  }
}

/** An engine that does not take a message for this long is not going to. */
const SEND_DEADLINE_MS = 10_000;
