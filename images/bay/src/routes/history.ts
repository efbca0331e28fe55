import type { FastifyInstance } from "fastify";
import { notFound } from "../errors";
import { bool, int, nullable, oneOf, or, readBody, readQuery, str } from "../http/fields";
import { isoTime } from "../ids";
import { isBroken } from "../../../common/src/table";
import { DESCRIPTION, TAGS } from "./exec";
import { normalizeTags } from "../services/capabilities";
import { requireRoom } from "../services/context";
import type { Services } from "../services/services";
import { EXEC_TYPES, type ExecutionRow } from "../store/store";
import type { SandboxParams } from "./target";

interface ExecutionParams {
  Params: { id: string; execution: string };
}

const LIST = {
  exec_type: nullable(oneOf(EXEC_TYPES)),
  success_only: or(bool(), false),
  has_notes: or(bool(), false),
  has_description: or(bool(), false),
  tags: nullable(str({ max: TAGS })),
  limit: or(int({ ge: 1, le: 500 }), 100),
  offset: or(int({ ge: 0, le: Number.MAX_SAFE_INTEGER }), 0),
};
const LAST = { exec_type: nullable(oneOf(EXEC_TYPES)) };
const NOTES = {
  description: nullable(str({ max: DESCRIPTION })),
  tags: nullable(str({ max: TAGS })),
  notes: nullable(str({ max: 65_536 })),
};

/** What was executed in a sandbox. */
export function historyRoutes(app: FastifyInstance, { context, sandboxes }: Services): void {
  const { store, config } = context;
  const history = "/v1/sandboxes/:id/history";

  app.get<SandboxParams>(history, { config: { query: LIST, summary: "List executions, newest first" } }, (request) => {
    const { id } = sandboxes.get(request.owner, request.params.id);
    const query = readQuery(request, LIST);
    const most = config.limits.page_bytes;
    // A page is in memory as rows and as JSON; a small history takes less than that.
    request.hold.grow(Math.min(2 * most, store.historySizeOf(id)));
    const { rows, total } = store.executions(
      id,
      {
        type: query.exec_type ?? undefined,
        successOnly: query.success_only,
        hasNotes: query.has_notes,
        hasDescription: query.has_description,
        tags: normalizeTags(query.tags)?.split(","),
      },
      query.limit,
      { offset: query.offset, most },
    );
    return { entries: rows.map(executionView), total };
  });

  app.get<SandboxParams>(
    `${history}/last`,
    { config: { query: LAST, summary: "Read the last execution" } },
    (request) => {
      const { id } = sandboxes.get(request.owner, request.params.id);
      const { exec_type } = readQuery(request, LAST);
      const {
        rows: [row],
      } = store.executions(id, { type: exec_type ?? undefined }, 1);
      if (!row) throw notFound("execution", "last");
      return executionView(row);
    },
  );

  const find = (owner: string, { id, execution }: ExecutionParams["Params"]): ExecutionRow => {
    const row = store.execution(sandboxes.get(owner, id).id, execution);
    if (!row) throw notFound("execution", execution);
    return row;
  };

  app.get<ExecutionParams>(`${history}/:execution`, { config: { summary: "Read an execution" } }, (request) =>
    executionView(find(request.owner, request.params)),
  );

  app.patch<ExecutionParams>(
    `${history}/:execution`,
    { config: { json: "fields", body: NOTES, summary: "Annotate an execution" } },
    (request) => {
      const body = readBody(request, NOTES);
      const { id } = find(request.owner, request.params);
      requireRoom(context);
      store.updateExecution(id, {
        ...(body.description === null ? {} : { description: body.description }),
        ...(body.tags === null ? {} : { tags: normalizeTags(body.tags) }),
        ...(body.notes === null ? {} : { notes: body.notes }),
      });
      return executionView(find(request.owner, request.params));
    },
  );
}

function executionView(row: ExecutionRow): object {
  return {
    id: row.id,
    session_id: row.sessionId,
    exec_type: row.type,
    code: row.code ?? "",
    success: row.success && !isBroken(row),
    execution_time_ms: row.timeMs,
    output: row.output,
    error: row.error ?? (isBroken(row) ? "this record cannot be read" : null),
    payload_ref: null,
    description: row.description,
    tags: row.tags,
    notes: row.notes,
    learn_enabled: false,
    learn_status: null,
    learn_error: null,
    learn_processed_at: null,
    created_at: isoTime(row.createdAt),
  };
}
