import type { IncomingMessage } from "node:http";
import { containerFor, type Profile } from "../config/profiles";
import { BayError } from "../errors";
import { newId, now } from "../ids";
import type { Hold } from "../../../common/src/budget";
import { joinJson, jsonOf, type JsonText } from "../../../common/src/json";
import { DONE, HEALTH, largeAnswers, type RuntimeAnswer, UPLOADED } from "../runtime/answers";
import {
  callRuntime,
  openRuntime,
  type Runtime,
  RuntimeAnswerError,
  RuntimeCallError,
  type RuntimeRequest,
} from "../runtime/client";
import type { ExecutionRow, ExecType, SandboxRow } from "../store/store";
import type { Calls } from "./calls";
import type { ServiceContext } from "./context";
import type { RunningSession, Sessions } from "./sessions";

/** A sandbox that a caller may use, with its profile. */
export interface Target {
  sandbox: SandboxRow;
  profile: Profile;
  /** What the call holds of the memory for calls under way. */
  hold: Hold;
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

/** Calls of sandboxes into their runtimes; each starts, wakes or replaces the session when that is needed. */
export class Capabilities {
  private readonly answers: ReturnType<typeof largeAnswers>;

  constructor(
    private readonly context: ServiceContext,
    private readonly sessions: Sessions,
    private readonly calls: Calls,
  ) {
    this.answers = largeAnswers(context.config.limits.answer_bytes);
  }

  async python(target: Target, code: string, options: ExecOptions) {
    const { result, row } = await this.execute(
      target,
      "python",
      code,
      options,
      { path: "/ipython/exec", body: { code }, form: this.answers.python },
      (answer) => ({
        success: answer.success,
        output: answer.output.text.trim(),
        error: answer.error,
      }),
    );
    return { row, data: { execution_count: result.execution_count, output: result.output } };
  }

  async shell(target: Target, command: string, cwd: string, options: ExecOptions) {
    const { result, row } = await this.execute(
      target,
      "shell",
      command,
      options,
      { path: "/shell/exec", body: { command, cwd }, form: this.answers.shell },
      (answer) => ({
        success: answer.return_code === 0,
        output: answer.stdout.trim(),
        error: [answer.error, answer.stderr.trim()].filter(Boolean).join("\n") || null,
      }),
    );
    return { row, exitCode: result.return_code };
  }

  /** The text of a file; a long one as it came. */
  async readFile(target: Target, path: string): Promise<string | JsonText> {
    return (await this.file(target, "/fs/read_file", { json: { path } }, this.answers.file)).content;
  }

  /** The content is sent on as it came, without being decoded. */
  async writeFile(target: Target, path: string, content: string | JsonText): Promise<void> {
    await this.file(
      target,
      "/fs/write_file",
      { body: joinJson([`{"path":${JSON.stringify(path)},"mode":"w","content":`, jsonOf(content), "}"]) },
      DONE,
    );
  }

  async deleteFile(target: Target, path: string): Promise<void> {
    await this.file(target, "/fs/delete_file", { json: { path } }, DONE);
  }

  async list(target: Target, path: string): Promise<object[]> {
    return (await this.file(target, "/fs/list_dir", { json: { path, show_hidden: false } }, this.answers.list)).files;
  }

  /** Sends a multipart body made for the runtime. The content can be sent once only, so the runtime is tried first. */
  async upload(target: Target, body: () => NonNullable<RuntimeRequest["stream"]>): Promise<number> {
    const answer = await this.withRuntime(target, "filesystem", async (endpoint) => {
      await callRuntime(endpoint, { method: "GET", path: "/health", timeoutMs: FILES_MS }, HEALTH);
      return callRuntime(
        endpoint,
        { method: "POST", path: "/fs/upload", stream: body(), timeoutMs: FILES_MS },
        UPLOADED,
      ).catch((error: unknown) => {
        throw final(error);
      });
    });
    if (!answer.success)
      throw new BayError("ship_error", `the upload failed: ${(answer.error ?? "no reason given").slice(0, 500)}`);
    return answer.size ?? 0;
  }

  /** The open answer of the runtime: the file's bytes. */
  async download(target: Target, path: string): Promise<IncomingMessage> {
    const query = new URLSearchParams({ file_path: path });
    return this.withRuntime(target, "filesystem", (endpoint) =>
      openRuntime(endpoint, { method: "GET", path: `/fs/download?${query.toString()}`, timeoutMs: FILES_MS }).catch(
        (error: unknown) => {
          if (error instanceof RuntimeAnswerError && error.status === 404)
            throw new BayError("file_not_found", `file not found: ${path}`);
          throw final(error);
        },
      ),
    );
  }

  private file<T>(
    target: Target,
    path: string,
    request: Pick<RuntimeRequest, "json" | "body">,
    form: RuntimeAnswer<T>,
  ): Promise<T> {
    const { hold } = target;
    return this.withRuntime(target, "filesystem", (endpoint) =>
      callRuntime(endpoint, { method: "POST", path, ...request, timeoutMs: FILES_MS, hold }, form),
    );
  }

  /** Runs code and keeps a row of it; a call that ends in an error status leaves none. */
  private async execute<T>(
    target: Target,
    type: ExecType,
    code: string,
    options: ExecOptions,
    { path, body, form }: { path: string; body: object; form: RuntimeAnswer<T> },
    read: (answer: T) => Pick<ExecutionRow, "success" | "output" | "error">,
  ): Promise<{ result: T; row: ExecutionRow }> {
    let began = now();
    let sessionId: string | null = null;
    const { hold } = target;
    const result = await this.withRuntime(target, type, (endpoint, session) => {
      began = now();
      sessionId = session.id;
      return callRuntime(
        endpoint,
        {
          method: "POST",
          path,
          json: { ...body, timeout: options.timeout },
          timeoutMs: options.timeout * 1000 + EXTRA_MS,
          hold,
        },
        form,
      );
    });
    const ended = now();
    const row: ExecutionRow = {
      id: newId("exec"),
      sandboxId: target.sandbox.id,
      sessionId,
      type,
      code,
      ...read(result),
      timeMs: Math.round(ended - began),
      description: options.description,
      tags: normalizeTags(options.tags),
      notes: null,
      createdAt: ended,
    };
    // The sandbox may have been deleted while the code ran; its history went with it.
    if (this.context.store.sandbox(target.sandbox.id)?.deletedAt === null) this.context.store.insertExecution(row);
    return { result, row };
  }

  /**
   * Calls the container that answers for a capability; once more when its session turned out to be dead before it took
   * anything.
   */
  private withRuntime<T>(
    target: Target,
    capability: string,
    call: (endpoint: Runtime, session: RunningSession) => Promise<T>,
  ): Promise<T> {
    return this.calls.run(target.sandbox.id, () => this.callRuntime(target, capability, call));
  }

  private async callRuntime<T>(
    { sandbox, profile }: Target,
    capability: string,
    call: (endpoint: Runtime, session: RunningSession) => Promise<T>,
  ): Promise<T> {
    const container = containerFor(profile, capability).name;
    let session = await this.sessions.ensureRunning(sandbox.id, profile);
    for (let first = true; ; first = false) {
      const endpoint = this.sessions.runtime(session, container);
      try {
        await this.requireCapability(endpoint, capability);
        return await call(endpoint, session);
      } catch (error) {
        const stranger = error instanceof RuntimeAnswerError && error.status === 401;
        const untouched = stranger || (error instanceof RuntimeCallError && error.failure === "refused");
        if (!untouched || !first) throw await this.describe(error, session);
        session = await this.sessions.replaceLost(
          sandbox.id,
          profile,
          session,
          stranger ? "the runtime does not know this Bay's token" : undefined,
        );
      }
    }
  }

  private async requireCapability(endpoint: Runtime, capability: string): Promise<void> {
    const { capabilities } = await this.sessions.meta(endpoint);
    if (!capabilities.includes(capability)) {
      throw new BayError("capability_not_supported", `the runtime does not offer "${capability}"`, {
        capability,
        available: capabilities,
      });
    }
  }

  /** The contract's code for a call that failed, with the pod's own reason where it died. */
  private async describe(error: unknown, session: RunningSession): Promise<unknown> {
    if (error instanceof RuntimeAnswerError)
      return new BayError("ship_error", `the runtime answered ${error.status}: ${error.detail}`);
    if (!(error instanceof RuntimeCallError)) return error;
    if (error.failure === "timeout") return new BayError("timeout", error.message);
    const condition = await this.context.driver.whyLost(session.id);
    const why = condition && !condition.alive ? `: ${condition.message}` : "";
    return new BayError(
      "ship_error",
      `${error.message}${why}`,
      condition && !condition.alive ? { reason: condition.failure } : {},
    );
  }
}

/** Tags as the history keeps them: trimmed, unique, sorted, joined by commas; null when there are none. */
export function normalizeTags(tags: string | null): string | null {
  const unique = [
    ...new Set(
      (tags ?? "")
        .split(",")
        .map((tag) => tag.trim())
        .filter(Boolean),
    ),
  ].sort();
  return unique.length > 0 ? unique.join(",") : null;
}

/** A failed transfer: it is not tried again, and running out of time is a runtime error by contract. */
function final(error: unknown): unknown {
  if (error instanceof RuntimeAnswerError && error.status === 401)
    return new BayError("ship_error", `the runtime answered 401: ${error.detail}`);
  if (error instanceof RuntimeCallError && error.failure === "timeout")
    return new BayError("ship_error", error.message);
  if (error instanceof RuntimeCallError) return new RuntimeCallError("broken", error.message);
  return error;
}
