import { z } from "zod";
import { JsonError, parseJson } from "../../../common/src/json";
import { Failed } from "../errors";
import { type Dump, listSchema, type Manifest, manifestSchema, toolErrorSchema } from "./protocol";

/** Milliseconds until an agent must have removed or listed something. */
const QUICK_MS = 60_000;
/** What an answer may hold: a list of ten thousand checkpoints. */
const ANSWER_LIMITS = { depth: 16, values: 600_000, bytes: 16 * 1024 * 1024 };

/** The server's way to an agent. Methods throw `Failed`, with the node's tool's code where it was asked. */
export class AgentClient {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** Asking again with the same id joins the dump that runs, or gives the one that was made. */
  dump(id: string, request: Dump, deadlineMs: number, signal: AbortSignal): Promise<Manifest> {
    return this.call(manifestSchema, "PUT", `/dumps/${id}`, deadlineMs, request, signal);
  }

  async remove(id: string): Promise<void> {
    await this.call(undefined, "DELETE", `/checkpoints/${id}`, QUICK_MS);
  }

  list(): Promise<z.infer<typeof listSchema>> {
    return this.call(listSchema, "GET", "/checkpoints", QUICK_MS);
  }

  private async call<T>(
    schema: z.ZodType<T> | undefined,
    method: string,
    path: string,
    deadlineMs: number,
    body?: object,
    signal?: AbortSignal,
  ): Promise<T> {
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
    }, deadlineMs);
    const stop = (): void => {
      late.abort();
    };
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const response = await fetch(this.url + path, {
        method,
        signal: late.signal,
        redirect: "error",
        headers: { authorization: `Bearer ${this.token}`, ...(body ? { "content-type": "application/json" } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const bytes = await firstBytes(response, ANSWER_LIMITS.bytes);
      if (response.status === 200)
        return (schema ? schema.parse(parseJson(bytes, ANSWER_LIMITS).value) : undefined) as T;
      const said =
        response.status === 422 ? toolErrorSchema.safeParse(parseJson(bytes, ANSWER_LIMITS).value) : undefined;
      if (said?.success) throw new Failed(said.data.code, said.data.message, said.data.criu);
      throw new Failed(
        "agent_failed",
        `the node's agent answered ${response.status}: ${bytes.toString("utf8", 0, 300)}`,
      );
    } catch (error) {
      if (error instanceof Failed) throw error;
      if (error instanceof JsonError || error instanceof z.ZodError)
        throw new Failed(
          "agent_failed",
          `the node's agent gave an answer that cannot be read: ${error.message.slice(0, 300)}`,
        );
      if (signal?.aborted) throw new Failed("interrupted", "the propagator ended meanwhile");
      if (late.signal.aborted)
        throw new Failed("agent_timeout", `the node's agent did not answer within ${deadlineMs / 1000} s`);
      throw new Failed("agent_unavailable", `the node's agent broke off: ${causeOf(error)}`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }
}

/** An answer of an agent. @throws Failed agent_failed for one that is larger than `most` bytes */
async function firstBytes(response: Response, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > most) throw new Failed("agent_failed", `the node's agent answered more than ${most} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks);
}

function causeOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error };
  return cause?.message ?? message;
}
