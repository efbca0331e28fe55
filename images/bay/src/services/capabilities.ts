import type { IncomingMessage } from "node:http";
import { containerFor, type Profile } from "../config/profiles";
import { BayError } from "../errors";
import { newId, now } from "../ids";
import { callRuntime, openRuntime, RuntimeAnswerError, RuntimeCallError, type RuntimeRequest } from "../runtime/client";
import type { ExecutionRow, ExecType, SandboxRow } from "../store/store";
import type { Calls } from "./calls";
import type { ServiceContext } from "./context";
import type { RunningSession, Sessions } from "./sessions";

/** A sandbox that a caller may use, with its profile. */
export interface Target {
  sandbox: SandboxRow;
  profile: Profile;
}

export interface ExecOptions {
  /** Seconds. */
  timeout: number;
  description: string | null;
  tags: string | null;
}

/** Bay waits this much longer than the runtime, so that the runtime's own timeout is what a client sees. */
const EXTRA_MS = 5_000;
/** Limit of file calls; for transfers the longest silence. */
const FILES_MS = 30_000;

interface ShipPython { success: boolean; execution_count: number | null; output: { text: string; images: object[] }; error: string | null }
interface ShipShell { success: boolean; return_code: number | null; stdout: string; stderr: string; error: string | null }

/** Calls of sandboxes into their runtimes; each starts, wakes or replaces the session when that is needed. */
export class Capabilities {
  constructor(private readonly context: ServiceContext, private readonly sessions: Sessions, private readonly calls: Calls) {}

  async python(target: Target, code: string, options: ExecOptions) {
    const { result, row } = await this.execute<ShipPython>(target, "python", code, options, "/ipython/exec", { code }, (answer) => ({
      success: answer.success, output: answer.output.text.trim(), error: answer.error,
    }));
    return { row, data: { execution_count: result.execution_count, output: result.output } };
  }

  async shell(target: Target, command: string, cwd: string, options: ExecOptions) {
    const { result, row } = await this.execute<ShipShell>(target, "shell", command, options, "/shell/exec", { command, cwd }, (answer) => ({
      success: answer.return_code === 0, output: answer.stdout.trim(), error: [answer.error, answer.stderr.trim()].filter(Boolean).join("\n") || null,
    }));
    return { row, exitCode: result.return_code };
  }

  async readFile(target: Target, path: string): Promise<string> {
    return (await this.file<{ content: string }>(target, "/fs/read_file", { path })).content;
  }

  async writeFile(target: Target, path: string, content: string): Promise<void> {
    await this.file(target, "/fs/write_file", { path, content, mode: "w" });
  }

  async deleteFile(target: Target, path: string): Promise<void> {
    await this.file(target, "/fs/delete_file", { path });
  }

  async list(target: Target, path: string): Promise<object[]> {
    return (await this.file<{ files: object[] }>(target, "/fs/list_dir", { path, show_hidden: false })).files;
  }

  /** Sends a multipart body made for the runtime. The content can be sent once only, so the runtime is tried first. */
  async upload(target: Target, body: () => NonNullable<RuntimeRequest["stream"]>): Promise<number> {
    const answer = await this.withRuntime(target, "filesystem", async (endpoint) => {
      await callRuntime(endpoint, { method: "GET", path: "/health", timeoutMs: FILES_MS });
      return callRuntime<{ success: boolean; size: number; error: string | null }>(endpoint, { method: "POST", path: "/fs/upload", stream: body(), timeoutMs: FILES_MS })
        .catch((error: unknown) => { throw final(error); });
    });
    if (!answer.success) throw new BayError("ship_error", `the upload failed: ${answer.error ?? "no reason given"}`);
    return answer.size;
  }

  /** The open answer of the runtime: the file's bytes. */
  async download(target: Target, path: string): Promise<IncomingMessage> {
    const query = new URLSearchParams({ file_path: path });
    return this.withRuntime(target, "filesystem", (endpoint) =>
      openRuntime(endpoint, { method: "GET", path: `/fs/download?${query.toString()}`, timeoutMs: FILES_MS }).catch((error: unknown) => {
        if (error instanceof RuntimeAnswerError && error.status === 404) throw new BayError("file_not_found", `file not found: ${path}`);
        throw final(error);
      }));
  }

  private file<T = unknown>(target: Target, path: string, json: object): Promise<T> {
    return this.withRuntime(target, "filesystem", (endpoint) => callRuntime<T>(endpoint, { method: "POST", path, json, timeoutMs: FILES_MS }));
  }

  /** Runs code and keeps a row of it; a call that ends in an error status leaves none. */
  private async execute<T>(target: Target, type: ExecType, code: string, options: ExecOptions, path: string, body: object,
    read: (answer: T) => Pick<ExecutionRow, "success" | "output" | "error">): Promise<{ result: T; row: ExecutionRow }> {
    let began = now();
    let sessionId: string | null = null;
    const result = await this.withRuntime(target, type, (endpoint, session) => {
      began = now();
      sessionId = session.id;
      return callRuntime<T>(endpoint, { method: "POST", path, json: { ...body, timeout: options.timeout }, timeoutMs: options.timeout * 1000 + EXTRA_MS });
    });
    const ended = now();
    const row: ExecutionRow = {
      id: newId("exec"), sandboxId: target.sandbox.id, sessionId, type, code, ...read(result),
      timeMs: Math.round(ended - began), description: options.description, tags: normalizeTags(options.tags), notes: null, createdAt: ended,
    };
    // The sandbox may have been deleted while the code ran; its history went with it.
    if (this.context.store.sandbox(target.sandbox.id)?.deletedAt === null) this.context.store.insertExecution(row);
    return { result, row };
  }

  /** Calls the container that answers for a capability; once more when its session turned out to be dead before it took anything. */
  private withRuntime<T>(target: Target, capability: string, call: (endpoint: string, session: RunningSession) => Promise<T>): Promise<T> {
    return this.calls.run(target.sandbox.id, () => this.callRuntime(target, capability, call));
  }

  private async callRuntime<T>({ sandbox, profile }: Target, capability: string, call: (endpoint: string, session: RunningSession) => Promise<T>): Promise<T> {
    const container = containerFor(profile, capability).name;
    let session = await this.sessions.ensureRunning(sandbox.id, profile);
    for (let first = true; ; first = false) {
      const endpoint = session.endpoints[container]!;
      try {
        await this.requireCapability(endpoint, capability);
        return await call(endpoint, session);
      } catch (error) {
        if (!(error instanceof RuntimeCallError && error.failure === "refused" && first)) throw await this.describe(error, session);
        session = await this.sessions.replaceLost(sandbox.id, profile, session);
      }
    }
  }

  private async requireCapability(endpoint: string, capability: string): Promise<void> {
    const { capabilities } = await this.sessions.meta(endpoint);
    if (!capabilities.includes(capability)) {
      throw new BayError("capability_not_supported", `the runtime does not offer "${capability}"`, { capability, available: capabilities });
    }
  }

  /** The contract's code for a call that failed, with the pod's own reason where it died. */
  private async describe(error: unknown, session: RunningSession): Promise<unknown> {
    if (error instanceof RuntimeAnswerError) return new BayError("ship_error", `the runtime answered ${error.status}: ${error.detail}`);
    if (!(error instanceof RuntimeCallError)) return error;
    if (error.failure === "timeout") return new BayError("timeout", error.message);
    const condition = await this.context.driver.whyLost(session.id);
    const why = condition && !condition.alive ? `: ${condition.message}` : "";
    return new BayError("ship_error", `${error.message}${why}`, condition && !condition.alive ? { reason: condition.failure } : {});
  }
}

/** Tags as the history keeps them: trimmed, unique, sorted, joined by commas; null when there are none. */
export function normalizeTags(tags: string | null): string | null {
  const unique = [...new Set((tags ?? "").split(",").map((tag) => tag.trim()).filter(Boolean))].sort();
  return unique.length > 0 ? unique.join(",") : null;
}

/** A failed transfer: it is not tried again, and running out of time is a runtime error by contract. */
function final(error: unknown): unknown {
  if (error instanceof RuntimeCallError && error.failure === "timeout") return new BayError("ship_error", error.message);
  if (error instanceof RuntimeCallError) return new RuntimeCallError("broken", error.message);
  return error;
}
