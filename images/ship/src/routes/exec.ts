import type { FastifyInstance, FastifyReply } from "fastify";
import type { ShipContext } from "../context";
import { LIMITS } from "../limits";
import { type CommandSetting, refused, runShell } from "../shell";
import { envFileOf } from "../startup";
import { WordsError } from "../words";
import { WorkspaceError } from "../workspace-error";

interface PythonBody {
  code: string;
  timeout: number;
  silent: boolean;
}
interface ShellBody {
  command: string;
  cwd?: string | null;
  env?: Record<string, string> | null;
  timeout?: number | null;
  shell: boolean;
  background: boolean;
}

/** Time limit of a cell and of a command that name none, in seconds. */
const DEFAULT_SECONDS = 30;

/** A day at most: a longer timer would overflow and fire at once. */
const seconds = { type: "number", exclusiveMinimum: 0, maximum: 86_400 };

const pythonBody = {
  type: "object",
  required: ["code"],
  properties: {
    code: { type: "string" },
    timeout: { ...seconds, default: DEFAULT_SECONDS },
    silent: { type: "boolean", default: false },
  },
};
const shellBody = {
  type: "object",
  required: ["command"],
  properties: {
    command: { type: "string" },
    cwd: { type: "string", nullable: true, maxLength: 8192 },
    timeout: { ...seconds, nullable: true },
    shell: { type: "boolean", default: true },
    background: { type: "boolean", default: false },
    // The system takes no variable without a name, and no NUL.
    env: {
      type: "object",
      nullable: true,
      maxProperties: 1000,
      propertyNames: { pattern: "^[^=\\u0000]{1,1000}$" },
      additionalProperties: { type: "string", maxLength: 131_072, pattern: "^[^\\u0000]*$" },
    },
  },
};

/** Python cells and shell commands. A caller that goes away ends what it started. */
export function execRoutes(app: FastifyInstance, { kernel, workspace, background }: ShipContext): void {
  app.post<{ Body: PythonBody }>(
    "/ipython/exec",
    { bodyLimit: LIMITS.code, schema: { body: pythonBody } },
    async (request, reply) => {
      const { code, timeout, silent } = request.body;
      const result = await kernel.run(code, { timeoutMs: timeout * 1000, silent, signal: whenGone(reply) });
      return {
        success: result.success,
        execution_count: result.executionCount,
        output: { text: result.text.trim(), images: result.images },
        error: result.error,
      };
    },
  );

  app.get("/ipython/kernel/status", () => ({
    status: kernel.status,
    has_kernel: kernel.status === "alive",
    workspace: workspace.root,
  }));

  app.post("/ipython/kernel/restart", async () => {
    await kernel.restart();
    return { success: true, message: "the interpreter was restarted" };
  });

  app.delete("/ipython/kernel", async (_request, reply) => {
    if (await kernel.stop()) return { success: true, message: "the interpreter was ended" };
    return reply.code(404).send({ detail: "no interpreter is running" });
  });

  app.post<{ Body: ShellBody }>(
    "/shell/exec",
    { bodyLimit: LIMITS.code, schema: { body: shellBody } },
    async (request, reply) => {
      const { command, cwd, env, timeout, shell, background: behind } = request.body;
      try {
        if (command.includes("\0")) return { ...refused("the command holds a NUL byte"), process_id: null };
        const directory = await workspace.directory(cwd ?? ".");
        if (directory === undefined)
          return {
            ...refused(""),
            return_code: 1,
            stderr: `bash: cd: ${cwd}: No such file or directory`,
            error: null,
            process_id: null,
          };
        const setting: CommandSetting = {
          cwd: directory,
          env: env ?? {},
          envFile: envFileOf(workspace.root),
          home: workspace.root,
          shell,
        };
        if (behind) {
          const { pid, process_id } = await background.start(command, setting);
          return { success: true, return_code: null, stdout: "", stderr: "", pid, process_id, error: null };
        }
        return {
          ...(await runShell(command, {
            ...setting,
            timeoutMs: (timeout ?? DEFAULT_SECONDS) * 1000,
            signal: whenGone(reply),
          })),
          process_id: null,
        };
      } catch (error) {
        return { ...refused(reasonOf(error)), process_id: null };
      }
    },
  );

  app.get("/shell/processes", () => ({ processes: background.list() }));
}

/** Why a command was not run; anything but its own fault or a lack of processes is a bug. */
function reasonOf(error: unknown): string {
  if (error instanceof WorkspaceError || error instanceof WordsError) return error.message;
  const { syscall, code } = error as NodeJS.ErrnoException;
  if (syscall?.startsWith("spawn"))
    return `the command cannot be started: ${code === "E2BIG" ? "E2BIG, it is longer than the system takes" : code}`;
  throw error;
}

/** Aborted when the connection closes before the answer has been sent. */
function whenGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
