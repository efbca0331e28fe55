import type { FastifyInstance, FastifyReply } from "fastify";
import type { ShipContext } from "../context";
import { runShell } from "../shell";
import { envFileOf } from "../startup";
import { WorkspaceError } from "../workspace";

interface PythonBody { code: string; timeout: number; silent: boolean }
interface ShellBody { command: string; cwd?: string | null; env?: Record<string, string> | null; timeout: number }

const pythonBody = {
  type: "object", required: ["code"],
  properties: { code: { type: "string" }, timeout: { type: "number", default: 30, exclusiveMinimum: 0 }, silent: { type: "boolean", default: false } },
};
const shellBody = {
  type: "object", required: ["command"],
  properties: {
    command: { type: "string" }, cwd: { type: "string", nullable: true }, timeout: { type: "number", nullable: true, default: 30 },
    env: { type: "object", nullable: true, additionalProperties: { type: "string" } },
  },
};

/** Python cells and shell commands. A caller that goes away ends what it started. */
export function execRoutes(app: FastifyInstance, { kernel, workspace }: ShipContext): void {
  app.post<{ Body: PythonBody }>("/ipython/exec", { schema: { body: pythonBody } }, async (request, reply) => {
    const { code, timeout, silent } = request.body;
    const result = await kernel.run(code, { timeoutMs: timeout * 1000, silent, signal: whenGone(reply) });
    return {
      success: result.success, execution_count: result.executionCount,
      output: { text: result.text.trim(), images: result.images }, error: result.error,
    };
  });

  app.get("/ipython/kernel/status", () => ({ status: kernel.status, has_kernel: kernel.status === "alive", workspace: workspace.root }));

  app.post("/ipython/kernel/restart", async () => {
    await kernel.restart();
    return { success: true, message: "the interpreter was restarted" };
  });

  app.post<{ Body: ShellBody }>("/shell/exec", { schema: { body: shellBody } }, async (request, reply) => {
    const { command, cwd, env, timeout } = request.body;
    try {
      return {
        ...(await runShell(command, {
          cwd: await workspace.resolve(cwd ?? "."), env: env ?? {}, timeoutMs: timeout * 1000,
          envFile: envFileOf(workspace.root), home: workspace.root, signal: whenGone(reply),
        })),
        process_id: null,
      };
    } catch (error) {
      if (!(error instanceof WorkspaceError)) throw error;
      return { success: false, return_code: -1, stdout: "", stderr: "", pid: null, process_id: null, error: error.message };
    }
  });
}

/** Aborted when the connection closes before the answer has been sent. */
function whenGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
