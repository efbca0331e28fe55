import { randomBytes } from "node:crypto";
import { META } from "../runtime/answers";
import { callRuntime, RuntimeAnswerError } from "../runtime/client";
import type { ServiceContext } from "./context";

const TRY_MS = 5_000;

/**
 * Finds out which images have a runtime that does not ask for its session's token: anyone who reaches a port of theirs
 * may run code there. They go on working; the log says it once for each image, and a metric has them all.
 */
export class OpenRuntimes {
  /** By image: whether it answers a token that is not its session's. */
  private readonly known = new Map<string, boolean>();

  constructor(private readonly context: Pick<ServiceContext, "log">) {}

  /** Images that answer anyone, as far as sessions of this Bay's life have shown. */
  images(): string[] {
    return [...this.known]
      .filter(([, open]) => open)
      .map(([image]) => image)
      .sort();
  }

  /** Asks a runtime that has just started, once for each image. Never throws. */
  async look(image: string, url: string): Promise<void> {
    if (this.known.has(image)) return;
    const open = await answersAnyone(url);
    if (open === undefined || this.known.has(image)) return;
    this.known.set(image, open);
    if (open)
      this.context.log.warn(
        { image },
        "this image's runtime answers without its session's token: whoever reaches its port can run code in the sandbox",
      );
  }
}

/** Undefined when the answer says neither. */
async function answersAnyone(url: string): Promise<boolean | undefined> {
  try {
    await callRuntime(
      { url, token: randomBytes(32).toString("base64url") },
      { method: "GET", path: "/meta", timeoutMs: TRY_MS },
      META,
    );
    return true;
  } catch (error) {
    return error instanceof RuntimeAnswerError && (error.status === 401 || error.status === 403) ? false : undefined;
  }
}
