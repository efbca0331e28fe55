import { BayError, notFound, overLimit } from "../errors";
import { newId, now } from "../ids";
import {
  CANDIDATE_STATUSES,
  type CandidateRow,
  type EvaluationRow,
  type Page,
  type PageRequest,
  type PayloadRow,
  type ReleaseRow,
  type Stage,
  STAGES,
} from "../store/skills";
import { requireRoom, type ServiceContext } from "./context";

export interface NewCandidate {
  skill_key: string;
  source_execution_ids: string[];
  scenario_key: string | null;
  payload_ref: string | null;
  summary: string | null;
  usage_notes: string | null;
  preconditions: unknown;
  postconditions: unknown;
}

export interface Promotion {
  stage: string;
  upgrade_of_release_id: string | null;
  upgrade_reason: string | null;
  change_summary: string | null;
}

/** How long a canary is watched. */
const WINDOW_MS = 24 * 3_600_000;
const PREFIX = "blob:";

/** Skills: what clients learnt, judged and released in versions. */
export class Skills {
  constructor(private readonly context: ServiceContext) {}

  addPayload(owner: string, payload: unknown, kind: string): { ref: string; row: PayloadRow } {
    this.requireRoom(owner);
    const row: PayloadRow = { id: newId("blob"), owner, kind, payload, createdAt: now() };
    this.store.insertPayload(row);
    return { ref: PREFIX + row.id, row };
  }

  /** @throws BayError validation_error for a reference of another kind, not_found */
  payload(owner: string, ref: string): PayloadRow {
    if (!ref.startsWith(PREFIX))
      throw new BayError("validation_error", `Unsupported payload_ref: ${ref}; wanted one that begins with ${PREFIX}`);
    const row = this.store.payload(owner, ref.slice(PREFIX.length));
    if (!row) throw notFound("payload", ref);
    return row;
  }

  /** @throws BayError validation_error when an execution is not this owner's */
  addCandidate(owner: string, given: NewCandidate): CandidateRow {
    this.requireRoom(owner);
    if (given.source_execution_ids.length === 0)
      throw new BayError("validation_error", "source_execution_ids is empty; wanted at least one execution");
    const sources = given.source_execution_ids.map((id) => {
      const execution = this.context.store.executionOf(owner, id);
      if (!execution) throw new BayError("validation_error", `source_execution_ids: execution not found: ${id}`);
      return execution;
    });
    const at = now();
    const row: CandidateRow = {
      id: newId("sc"),
      owner,
      skillKey: given.skill_key,
      skillType: sources.some(({ type }) => type.startsWith("browser")) ? "browser" : "code",
      scenarioKey: given.scenario_key,
      payloadRef: given.payload_ref,
      sourceExecutionIds: given.source_execution_ids,
      summary: given.summary,
      usageNotes: given.usage_notes,
      preconditions: given.preconditions,
      postconditions: given.postconditions,
      status: "draft",
      latestScore: null,
      latestPass: null,
      lastEvaluatedAt: null,
      promotionReleaseId: null,
      createdAt: at,
      updatedAt: at,
      deletedAt: null,
      deletedBy: null,
      deleteReason: null,
    };
    this.store.insertCandidate(row);
    return row;
  }

  /** @throws BayError not_found */
  candidate(owner: string, id: string): CandidateRow {
    const row = this.store.candidate(owner, id);
    if (!row) throw notFound("skill candidate", id);
    return row;
  }

  candidates(
    owner: string,
    filter: { status: string | null; skill_key: string | null },
    page: PageRequest,
  ): Page<CandidateRow> {
    const status = filter.status === null ? undefined : oneOf(CANDIDATE_STATUSES, filter.status, "status");
    return this.store.candidates(owner, { status, skillKey: filter.skill_key ?? undefined }, page);
  }

  evaluate(
    owner: string,
    id: string,
    given: { passed: boolean; score: number | null; benchmark_id: string | null; report: unknown },
  ): EvaluationRow {
    const { status } = this.candidate(owner, id);
    this.requireRoom(owner);
    const released = status.startsWith("promoted");
    const at = now();
    const row: EvaluationRow = {
      id: newId("se"),
      candidateId: id,
      benchmarkId: given.benchmark_id,
      score: given.score,
      passed: given.passed,
      report: given.report,
      evaluatedBy: owner,
      createdAt: at,
    };
    this.context.store.atomically(() => {
      this.store.insertEvaluation(row);
      this.store.updateCandidate(id, {
        latestScore: given.score,
        latestPass: given.passed,
        lastEvaluatedAt: at,
        updatedAt: at,
        status: !given.passed ? "rejected" : released ? status : "evaluating",
      });
    });
    return row;
  }

  /** Makes a candidate the active version of its skill. @throws BayError conflict without a passed evaluation */
  promote(owner: string, id: string, given: Promotion): ReleaseRow {
    const candidate = this.candidate(owner, id);
    this.requireRoom(owner);
    const stage = oneOf(STAGES, given.stage, "stage");
    if (!candidate.latestPass)
      throw new BayError("conflict", `skill candidate ${id} has not passed an evaluation`, { candidate_id: id });
    if (given.upgrade_of_release_id !== null) this.release(owner, given.upgrade_of_release_id);
    return this.context.store.atomically(() => {
      const row = this.addRelease(owner, candidate, stage, {
        upgradeOfReleaseId: given.upgrade_of_release_id,
        upgradeReason: given.upgrade_reason,
        changeSummary: given.change_summary,
      });
      this.store.updateCandidate(id, {
        status: stage === "stable" ? "promoted_stable" : "promoted_canary",
        promotionReleaseId: row.id,
        updatedAt: row.promotedAt,
      });
      return row;
    });
  }

  /** @throws BayError not_found */
  release(owner: string, id: string): ReleaseRow {
    const row = this.store.release(owner, id);
    if (!row) throw notFound("skill release", id);
    return row;
  }

  releases(
    owner: string,
    filter: { skill_key: string | null; active_only: boolean; stage: string | null },
    page: PageRequest,
  ): Page<ReleaseRow> {
    const stage = filter.stage === null ? undefined : oneOf(STAGES, filter.stage, "stage");
    return this.store.releases(
      owner,
      { skillKey: filter.skill_key ?? undefined, activeOnly: filter.active_only, stage },
      page,
    );
  }

  /**
   * Makes the version before this one the active one again, as a new version. @throws BayError conflict when there is
   * none
   */
  rollback(owner: string, id: string): ReleaseRow {
    const release = this.release(owner, id);
    this.requireRoom(owner);
    const previous = this.store.releaseBefore(release);
    const candidate = previous && this.store.candidate(owner, previous.candidateId);
    if (!previous || !candidate)
      throw new BayError("conflict", `skill release ${id} has no version before it to go back to`, { release_id: id });
    return this.context.store.atomically(() => {
      const row = this.addRelease(owner, candidate, previous.stage, { rollbackOf: id });
      this.store.updateCandidate(release.candidateId, { status: "rolled_back", updatedAt: row.promotedAt });
      return row;
    });
  }

  /** @throws BayError conflict while a release of it is active */
  removeCandidate(owner: string, id: string, reason: string | null): CandidateRow {
    const row = this.candidate(owner, id);
    const active = this.store.activeReleases(owner, row.skillKey).find(({ candidateId }) => candidateId === id);
    if (active)
      throw new BayError("conflict", `skill candidate ${id} has an active release`, {
        candidate_id: id,
        release_id: active.id,
      });
    const deletion = { deletedAt: now(), deletedBy: owner, deleteReason: reason };
    this.store.updateCandidate(id, deletion);
    return { ...row, ...deletion };
  }

  removeRelease(owner: string, id: string, reason: string | null): ReleaseRow {
    const row = this.release(owner, id);
    const deletion = { deletedAt: now(), deletedBy: owner, deleteReason: reason, isActive: false };
    this.context.store.atomically(() => {
      this.store.updateRelease(id, deletion);
      this.store.clearPromotion(owner, id);
    });
    return { ...row, ...deletion };
  }

  /** @throws BayError quota_exceeded */
  private requireRoom(owner: string): void {
    requireRoom(this.context);
    const most = this.context.config.limits.skill_records_per_owner;
    if (this.store.count(owner) >= most)
      throw overLimit(`this owner has ${most} records of skills, which is the limit`, { reason: "skill_records" });
  }

  private get store() {
    return this.context.store.skills;
  }

  /** The next version, active in place of all others of its skill. */
  private addRelease(
    owner: string,
    { id, skillKey }: CandidateRow,
    stage: Stage,
    more: Partial<ReleaseRow>,
  ): ReleaseRow {
    const at = now();
    for (const active of this.store.activeReleases(owner, skillKey))
      this.store.updateRelease(active.id, { isActive: false });
    const row: ReleaseRow = {
      id: newId("sr"),
      owner,
      skillKey,
      candidateId: id,
      version: this.store.lastVersion(owner, skillKey) + 1,
      stage,
      isActive: true,
      promotedAt: at,
      rollbackOf: null,
      healthWindowEndAt: stage === "canary" ? at + WINDOW_MS : null,
      upgradeOfReleaseId: null,
      upgradeReason: null,
      changeSummary: null,
      deletedAt: null,
      deletedBy: null,
      deleteReason: null,
      ...more,
    };
    this.store.insertRelease(row);
    return row;
  }
}

function oneOf<T extends string>(values: readonly T[], given: string, field: string): T {
  const found = values.find((each) => each === given);
  if (found === undefined)
    throw new BayError("validation_error", `${field} is "${given}"; wanted one of ${values.join(", ")}`);
  return found;
}
