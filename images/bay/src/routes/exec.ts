import type { FastifyInstance } from "fastify";
import { bool, int, nullable, or, readBody, str } from "../http/fields";
import { normalizePath } from "../paths";
import type { Services } from "../services/services";
import { type SandboxParams, targetOf } from "./target";

/** Most characters of a description and of all tags of an execution. */
export const DESCRIPTION = 16_384;
export const TAGS = 16_384;

const options = {
  timeout: or(int({ ge: 1, le: 300 }), 30),
  include_code: or(bool(), false),
  description: nullable(str({ max: DESCRIPTION })),
  tags: nullable(str({ max: TAGS })),
};

/** Python and shell. */
export function execRoutes(app: FastifyInstance, services: Services): void {
  const max = services.context.config.limits.code_bytes;
  const PYTHON = { code: str({ max }), ...options };
  const SHELL = { command: str({ max }), cwd: nullable(str()), ...options };
  app.post<SandboxParams>(
    "/v1/sandboxes/:id/python/exec",
    { config: { json: "code", body: PYTHON, summary: "Run Python in the sandbox's kernel" } },
    async (request) => {
      const target = targetOf(services, request, "python");
      const body = readBody(request, PYTHON);
      const { row, data } = await services.capabilities.python(target, body.code, body);
      return {
        success: row.success,
        output: row.output,
        error: row.error,
        data,
        execution_id: row.id,
        execution_time_ms: row.timeMs,
        code: body.include_code ? body.code : null,
      };
    },
  );

  app.post<SandboxParams>(
    "/v1/sandboxes/:id/shell/exec",
    { config: { json: "code", body: SHELL, summary: "Run a shell command" } },
    async (request) => {
      const target = targetOf(services, request, "shell");
      const body = readBody(request, SHELL);
      const cwd = body.cwd === null ? "." : normalizePath(body.cwd, "cwd");
      const { row, exitCode } = await services.capabilities.shell(target, body.command, cwd, body);
      return {
        success: row.success,
        output: row.output,
        error: row.error,
        exit_code: exitCode,
        execution_id: row.id,
        execution_time_ms: row.timeMs,
        command: body.include_code ? body.command : null,
      };
    },
  );
}
