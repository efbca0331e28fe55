import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  bool,
  type Field,
  int,
  json,
  nullable,
  num,
  objectOrList,
  or,
  readBody,
  readQuery,
  str,
  strings,
} from "../http/fields";
import { isoTime } from "../ids";
import { releaseHealth, THRESHOLDS } from "../services/skill-health";
import type { Services } from "../services/services";
import type { CandidateRow, Deletion, EvaluationRow, ReleaseRow } from "../store/skills";

interface Named {
  Params: { id: string };
}

const name = (): Field<string> => str({ max: 256 });
const text = (): Field<string> => str({ max: 65_536 });
const PAGE = { limit: or(int({ ge: 1, le: 500 }), 100), offset: or(int({ ge: 0, le: Number.MAX_SAFE_INTEGER }), 0) };
const PAYLOAD = { payload: objectOrList(), kind: or(name(), "generic") };
const CANDIDATE = {
  skill_key: name(),
  source_execution_ids: strings(),
  scenario_key: nullable(name()),
  payload_ref: nullable(name()),
  summary: nullable(text()),
  usage_notes: nullable(text()),
  preconditions: nullable(json()),
  postconditions: nullable(json()),
};
const CANDIDATES = { status: nullable(name()), skill_key: nullable(name()), ...PAGE };
const EVALUATION = { passed: bool(), score: nullable(num()), benchmark_id: nullable(name()), report: nullable(json()) };
const PROMOTION = {
  stage: or(name(), "canary"),
  upgrade_of_release_id: nullable(name()),
  upgrade_reason: nullable(text()),
  change_summary: nullable(text()),
};
const RELEASES = { skill_key: nullable(name()), active_only: or(bool(), false), stage: nullable(name()), ...PAGE };
const REASON = { reason: nullable(str()) };

/** Skills: payloads, candidates, their evaluation, releases. */
export function skillRoutes(app: FastifyInstance, services: Services): void {
  payloadRoutes(app, services);
  candidateRoutes(app, services);
  releaseRoutes(app, services);
}

function payloadRoutes(app: FastifyInstance, { skills }: Services): void {
  app.post(
    "/v1/skills/payloads",
    { config: { json: "fields", body: PAYLOAD, success: 201, summary: "Keep a payload" } },
    async (request, reply) => {
      const { payload, kind } = readBody(request, PAYLOAD);
      return reply.code(201).send({ payload_ref: skills.addPayload(request.owner, payload, kind).ref, kind });
    },
  );

  app.get<{ Params: { "*": string } }>(
    "/v1/skills/payloads/*",
    { config: { summary: "Read a payload" } },
    (request) => {
      const ref = request.params["*"];
      const { kind, payload } = skills.payload(request.owner, ref);
      return { payload_ref: ref, kind, payload };
    },
  );
}

function candidateRoutes(app: FastifyInstance, { skills, context: { config } }: Services): void {
  const pageOf = ({ limit, offset }: { limit: number; offset: number }) => ({
    limit,
    offset,
    most: config.limits.page_bytes,
  });
  const candidates = "/v1/skills/candidates";
  app.post(
    candidates,
    { config: { json: "fields", body: CANDIDATE, success: 201, summary: "Propose a skill" } },
    async (request, reply) =>
      reply.code(201).send(candidateView(skills.addCandidate(request.owner, readBody(request, CANDIDATE)))),
  );

  app.get(candidates, { config: { query: CANDIDATES, summary: "List candidates, newest first" } }, (request) => {
    const query = readQuery(request, CANDIDATES);
    const { rows, total } = skills.candidates(request.owner, query, pageOf(query));
    return { items: rows.map(candidateView), total };
  });

  app.get<Named>(`${candidates}/:id`, { config: { summary: "Read a candidate" } }, (request) =>
    candidateView(skills.candidate(request.owner, request.params.id)),
  );

  app.post<Named>(
    `${candidates}/:id/evaluate`,
    { config: { json: "fields", body: EVALUATION, summary: "Record an evaluation" } },
    (request) => {
      skills.candidate(request.owner, request.params.id);
      return evaluationView(skills.evaluate(request.owner, request.params.id, readBody(request, EVALUATION)));
    },
  );

  app.post<Named>(
    `${candidates}/:id/promote`,
    { config: { json: "fields", body: PROMOTION, summary: "Release a candidate that passed" } },
    (request) => {
      skills.candidate(request.owner, request.params.id);
      return releaseView(skills.promote(request.owner, request.params.id, optionalBody(request, PROMOTION)));
    },
  );

  app.delete<Named>(
    `${candidates}/:id`,
    { config: { json: "fields", body: REASON, optionalBody: true, summary: "Delete a candidate" } },
    (request) =>
      deletionView(skills.removeCandidate(request.owner, request.params.id, optionalBody(request, REASON).reason)),
  );
}

function releaseRoutes(app: FastifyInstance, { skills, context }: Services): void {
  const pageOf = ({ limit, offset }: { limit: number; offset: number }) => ({
    limit,
    offset,
    most: context.config.limits.page_bytes,
  });
  const releases = "/v1/skills/releases";
  app.get(releases, { config: { query: RELEASES, summary: "List releases, newest first" } }, (request) => {
    const query = readQuery(request, RELEASES);
    const { rows, total } = skills.releases(request.owner, query, pageOf(query));
    return { items: rows.map(releaseView), total };
  });

  app.get<Named>(
    `${releases}/:id/health`,
    { config: { summary: "Compare a release with the one before it" } },
    (request) => {
      const release = skills.release(request.owner, request.params.id);
      return healthView(release, releaseHealth(context.store, release));
    },
  );

  app.post<Named>(`${releases}/:id/rollback`, { config: { summary: "Go back to the version before" } }, (request) =>
    releaseView(skills.rollback(request.owner, request.params.id)),
  );

  app.delete<Named>(
    `${releases}/:id`,
    { config: { json: "fields", body: REASON, optionalBody: true, summary: "Delete a release" } },
    (request) =>
      deletionView(skills.removeRelease(request.owner, request.params.id, optionalBody(request, REASON).reason)),
  );
}

/** The body, or the defaults of its fields when none was sent. */
function optionalBody<S extends Parameters<typeof readBody>[1]>(request: FastifyRequest, shape: S) {
  if (request.body === undefined || request.body === null) request.body = {};
  return readBody(request, shape);
}

const time = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

function deletionView({ id, deletedAt, deletedBy, deleteReason }: Deletion & { id: string }): object {
  return { id, deleted_at: time(deletedAt), deleted_by: deletedBy, delete_reason: deleteReason };
}

function deletionFields({ deletedAt, deletedBy, deleteReason }: Deletion): object {
  return {
    is_deleted: deletedAt !== null,
    deleted_at: time(deletedAt),
    deleted_by: deletedBy,
    delete_reason: deleteReason,
  };
}

function candidateView(row: CandidateRow): object {
  return {
    id: row.id,
    skill_key: row.skillKey ?? "",
    skill_type: row.skillType,
    scenario_key: row.scenarioKey,
    payload_ref: row.payloadRef,
    source_execution_ids: row.sourceExecutionIds ?? [],
    summary: row.summary,
    usage_notes: row.usageNotes,
    preconditions: row.preconditions,
    postconditions: row.postconditions,
    auto_release_eligible: false,
    auto_release_reason: null,
    status: row.status,
    latest_score: row.latestScore,
    latest_pass: row.latestPass,
    last_evaluated_at: time(row.lastEvaluatedAt),
    promotion_release_id: row.promotionReleaseId,
    created_by: row.owner,
    created_at: time(row.createdAt),
    updated_at: time(row.updatedAt),
    ...deletionFields(row),
  };
}

function evaluationView(row: EvaluationRow): object {
  return {
    id: row.id,
    candidate_id: row.candidateId,
    benchmark_id: row.benchmarkId,
    score: row.score,
    passed: row.passed,
    report: row.report,
    evaluated_by: row.evaluatedBy,
    created_at: time(row.createdAt),
  };
}

function releaseView(row: ReleaseRow): object {
  return {
    id: row.id,
    skill_key: row.skillKey ?? "",
    candidate_id: row.candidateId,
    version: row.version,
    stage: row.stage,
    is_active: row.isActive,
    release_mode: "manual",
    promoted_by: row.owner,
    promoted_at: time(row.promotedAt),
    rollback_of: row.rollbackOf,
    auto_promoted_from: null,
    health_window_end_at: time(row.healthWindowEndAt),
    upgrade_of_release_id: row.upgradeOfReleaseId,
    upgrade_reason: row.upgradeReason,
    change_summary: row.changeSummary,
    ...deletionFields(row),
  };
}

function healthView({ id, skillKey, stage }: ReleaseRow, health: ReturnType<typeof releaseHealth>): object {
  const { mine, base } = health;
  return {
    release_id: id,
    skill_key: skillKey,
    stage,
    window_start_at: time(health.windowStartAt),
    window_end_at: time(health.windowEndAt),
    window_complete: health.windowComplete,
    samples: mine.samples,
    success_rate: mine.success,
    error_rate: mine.error,
    p95_duration: mine.p95,
    baseline_success_rate: base.success,
    baseline_error_rate: base.error,
    baseline_samples: base.samples,
    success_drop: health.drop,
    error_rate_multiplier: health.multiplier,
    healthy: health.reasons.length === 0,
    should_rollback: health.reasons.length > 0,
    rollback_reasons: health.reasons,
    thresholds: THRESHOLDS,
  };
}
