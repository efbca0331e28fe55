import type { Database, Value } from "./database";
import { upTo } from "./pages";
import { Table } from "../../../common/src/table";

export const CANDIDATE_STATUSES = [
  "draft",
  "evaluating",
  "promoted",
  "promoted_canary",
  "promoted_stable",
  "rejected",
  "rolled_back",
] as const;
export type CandidateStatus = (typeof CANDIDATE_STATUSES)[number];
export const STAGES = ["canary", "stable"] as const;
export type Stage = (typeof STAGES)[number];

/** What deletion leaves on a row. */
export interface Deletion {
  deletedAt: number | null;
  deletedBy: string | null;
  deleteReason: string | null;
}

export interface PayloadRow {
  id: string;
  owner: string;
  kind: string;
  payload: unknown;
  createdAt: number;
}

/** A skill that might be released. */
export interface CandidateRow extends Deletion {
  id: string;
  owner: string;
  skillKey: string;
  skillType: "code" | "browser";
  scenarioKey: string | null;
  payloadRef: string | null;
  sourceExecutionIds: string[];
  summary: string | null;
  usageNotes: string | null;
  preconditions: unknown;
  postconditions: unknown;
  status: CandidateStatus;
  latestScore: number | null;
  latestPass: boolean | null;
  lastEvaluatedAt: number | null;
  promotionReleaseId: string | null;
  createdAt: number;
  updatedAt: number;
}

export interface EvaluationRow {
  id: string;
  candidateId: string;
  benchmarkId: string | null;
  score: number | null;
  passed: boolean;
  report: unknown;
  evaluatedBy: string;
  createdAt: number;
}

/** A version of a skill. */
export interface ReleaseRow extends Deletion {
  id: string;
  owner: string;
  skillKey: string;
  candidateId: string;
  version: number;
  stage: Stage;
  isActive: boolean;
  promotedAt: number;
  rollbackOf: string | null;
  healthWindowEndAt: number | null;
  upgradeOfReleaseId: string | null;
  upgradeReason: string | null;
  changeSummary: string | null;
}

/** Which rows of a list are wanted; a page ends early beyond `most` characters. */
export interface PageRequest {
  limit: number;
  offset: number;
  most: number;
}

export interface Page<R> {
  rows: R[];
  total: number;
}

const plain = "plain";
const deletion = { deletedAt: plain, deletedBy: plain, deleteReason: "json" } as const;

/** Skills of all owners; what is deleted is not found. Lists are newest first. */
export class SkillStore {
  private readonly payloads: Table<PayloadRow>;
  private readonly candidateRows: Table<CandidateRow>;
  private readonly evaluations: Table<EvaluationRow>;
  private readonly releaseRows: Table<ReleaseRow>;

  constructor(private readonly database: Database) {
    this.payloads = new Table<PayloadRow>(
      database,
      "skill_payloads",
      { id: plain, owner: plain, kind: "json", payload: "json", createdAt: plain },
      "id",
    );
    this.candidateRows = new Table<CandidateRow>(
      database,
      "skill_candidates",
      {
        id: plain,
        owner: plain,
        skillKey: "json",
        skillType: plain,
        scenarioKey: "json",
        payloadRef: "json",
        sourceExecutionIds: "json",
        summary: "json",
        usageNotes: "json",
        preconditions: "json",
        postconditions: "json",
        status: plain,
        latestScore: plain,
        latestPass: "boolean",
        lastEvaluatedAt: plain,
        promotionReleaseId: plain,
        createdAt: plain,
        updatedAt: plain,
        ...deletion,
      },
      "id",
    );
    this.evaluations = new Table<EvaluationRow>(
      database,
      "skill_evaluations",
      {
        id: plain,
        candidateId: plain,
        benchmarkId: "json",
        score: plain,
        passed: "boolean",
        report: "json",
        evaluatedBy: plain,
        createdAt: plain,
      },
      "id",
    );
    this.releaseRows = new Table<ReleaseRow>(
      database,
      "skill_releases",
      {
        id: plain,
        owner: plain,
        skillKey: "json",
        candidateId: plain,
        version: plain,
        stage: plain,
        isActive: "boolean",
        promotedAt: plain,
        rollbackOf: plain,
        healthWindowEndAt: plain,
        upgradeOfReleaseId: plain,
        upgradeReason: "json",
        changeSummary: "json",
        ...deletion,
      },
      "id",
    );
  }

  insertPayload(row: PayloadRow): void {
    this.payloads.insert(row);
  }
  payload(owner: string, id: string): PayloadRow | undefined {
    return this.payloads.first("owner = ? AND id = ?", owner, id);
  }

  insertCandidate(row: CandidateRow): void {
    this.candidateRows.insert(row);
  }
  candidate(owner: string, id: string): CandidateRow | undefined {
    return this.candidateRows.first("owner = ? AND id = ? AND deleted_at IS NULL", owner, id);
  }
  updateCandidate(id: string, changes: Partial<CandidateRow>): void {
    this.candidateRows.update(id, changes);
  }
  candidates(
    owner: string,
    filter: { status?: CandidateStatus; skillKey?: string },
    page: PageRequest,
  ): Page<CandidateRow> {
    return this.page(
      "skill_candidates",
      this.candidateRows,
      owner,
      { status: filter.status, skill_key: filter.skillKey && JSON.stringify(filter.skillKey) },
      page,
    );
  }
  /** No candidate points to this release any more. */
  clearPromotion(owner: string, releaseId: string): void {
    for (const { id } of this.candidateRows.select("owner = ? AND promotion_release_id = ?", owner, releaseId))
      this.candidateRows.update(id, { promotionReleaseId: null });
  }

  insertEvaluation(row: EvaluationRow): void {
    this.evaluations.insert(row);
  }

  insertRelease(row: ReleaseRow): void {
    this.releaseRows.insert(row);
  }
  release(owner: string, id: string): ReleaseRow | undefined {
    return this.releaseRows.first("owner = ? AND id = ? AND deleted_at IS NULL", owner, id);
  }
  updateRelease(id: string, changes: Partial<ReleaseRow>): void {
    this.releaseRows.update(id, changes);
  }
  releases(
    owner: string,
    filter: { skillKey?: string; stage?: Stage; activeOnly?: boolean },
    page: PageRequest,
  ): Page<ReleaseRow> {
    return this.page(
      "skill_releases",
      this.releaseRows,
      owner,
      {
        stage: filter.stage,
        skill_key: filter.skillKey && JSON.stringify(filter.skillKey),
        is_active: filter.activeOnly ? 1 : undefined,
      },
      page,
    );
  }
  activeReleases(owner: string, skillKey: string): ReleaseRow[] {
    return this.releaseRows.select(
      "owner = ? AND skill_key = ? AND is_active = 1 AND deleted_at IS NULL",
      owner,
      JSON.stringify(skillKey),
    );
  }
  /** The version before this one that is not deleted. */
  releaseBefore({ owner, skillKey, version }: ReleaseRow): ReleaseRow | undefined {
    return this.releaseRows.first(
      "owner = ? AND skill_key = ? AND version < ? AND deleted_at IS NULL ORDER BY version DESC",
      owner,
      JSON.stringify(skillKey),
      version,
    );
  }
  /** The highest version that was ever given, deleted ones too; 0 when there is none. */
  lastVersion(owner: string, skillKey: string): number {
    return (
      this.releaseRows.first("owner = ? AND skill_key = ? ORDER BY version DESC", owner, JSON.stringify(skillKey))
        ?.version ?? 0
    );
  }

  /** Number of records that an owner has, deleted ones too. */
  count(owner: string): number {
    const tables = [this.payloads, this.candidateRows, this.releaseRows];
    return tables.reduce(
      (sum, table) => sum + table.count("owner = ?", owner),
      this.evaluations.count("evaluated_by = ?", owner),
    );
  }

  private page<R extends object>(
    name: string,
    table: Table<R>,
    owner: string,
    filter: Record<string, Value | undefined>,
    { limit, offset, most }: PageRequest,
  ): Page<R> {
    const wanted = Object.entries(filter).flatMap(([column, value]) =>
      value === undefined || value === "" ? [] : [{ column, value }],
    );
    const where = ["owner = ?", "deleted_at IS NULL", ...wanted.map(({ column }) => `${column} = ?`)].join(" AND ");
    const values = [owner, ...wanted.map(({ value }) => value)];
    const found = this.database.all<{ seq: number }>(
      `SELECT seq FROM ${name} WHERE ${where} ORDER BY seq DESC LIMIT ? OFFSET ?`,
      ...values,
      limit,
      offset,
    );
    return {
      rows: upTo(
        found,
        most,
        ({ seq }) => table.first("seq = ?", seq),
        (row) => JSON.stringify(row).length,
      ),
      total: table.count(where, ...values),
    };
  }
}
