import { expectStatus } from "../../support/bay-client";
import type { Candidate, Release } from "../../support/bay-types";
import { uniqueName } from "../../support/names";
import { bay, expectRefusal, newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let execution: string;
beforeAll(async () => {
  execution = expectStatus(await (await newSandbox(mine)).python("1"), 200).execution_id;
});

const propose = async (skill_key: string, more: object = {}): Promise<Candidate> =>
  expectStatus(
    await bay.skills<Candidate>("POST", "/candidates", { skill_key, source_execution_ids: [execution], ...more }),
    201,
  );
const evaluate = (id: string, passed: boolean, more: object = {}) =>
  bay.skills<{ passed: boolean }>("POST", `/candidates/${id}/evaluate`, { passed, ...more });
const promote = (id: string, stage: string, more: object = {}) =>
  bay.skills<Release>("POST", `/candidates/${id}/promote`, { stage, ...more });
const releases = async (params: object): Promise<{ items: Release[]; total: number }> =>
  expectStatus(await bay.skills<{ items: Release[]; total: number }>("GET", "/releases", undefined, params), 200);

/** A candidate of its own skill, with a release. */
async function released(
  skill_key = uniqueName("skill"),
  stage = "stable",
  more: object = {},
): Promise<{ skill_key: string; candidate: Candidate; release: Release }> {
  const candidate = await propose(skill_key);
  expectStatus(await evaluate(candidate.id, true), 200);
  return { skill_key, candidate, release: expectStatus(await promote(candidate.id, stage, more), 200) };
}

describe("a skill @core", () => {
  it("SKILL-1 goes from candidate over evaluation to release, to a second version, and back", async () => {
    const skill_key = uniqueName("csv-loader");
    const candidate = await propose(skill_key, { scenario_key: "csv", summary: "reads tables" });
    expect(candidate).toMatchObject({
      id: expect.stringMatching(/^sc-/),
      skill_key,
      status: "draft",
      scenario_key: "csv",
      summary: "reads tables",
      source_execution_ids: [execution],
    });
    expect(expectStatus(await evaluate(candidate.id, true, { score: 0.9 }), 200)).toMatchObject({
      candidate_id: candidate.id,
      passed: true,
      score: 0.9,
    });
    const first = expectStatus(await promote(candidate.id, "stable"), 200);
    expect(first).toMatchObject({
      id: expect.stringMatching(/^sr-/),
      skill_key,
      candidate_id: candidate.id,
      version: 1,
      stage: "stable",
      is_active: true,
      rollback_of: null,
    });

    const { candidate: better, release: second } = await released(skill_key, "canary", {
      upgrade_of_release_id: first.id,
      upgrade_reason: "faster",
      change_summary: "a new parser",
    });
    expect(second).toMatchObject({
      version: 2,
      stage: "canary",
      is_active: true,
      upgrade_of_release_id: first.id,
      upgrade_reason: "faster",
      change_summary: "a new parser",
    });
    expect((await releases({ skill_key, active_only: true })).items.map(({ id }) => id)).toEqual([second.id]);

    const back = expectStatus(await bay.skills<Release>("POST", `/releases/${second.id}/rollback`), 200);
    expect(back).toMatchObject({ version: 3, is_active: true, rollback_of: second.id, candidate_id: candidate.id });
    expect(expectStatus(await bay.skills<Candidate>("GET", `/candidates/${better.id}`), 200).status).toBe(
      "rolled_back",
    );
  });

  it("SKILL-2 is listed by its key and by its state, page by page", async () => {
    const skill_key = uniqueName("skill");
    const [one, two] = [await propose(skill_key), await propose(skill_key)];
    expectStatus(await evaluate(two.id, false), 200);
    const list = async (params: object) =>
      expectStatus(
        await bay.skills<{ items: Candidate[]; total: number }>("GET", "/candidates", undefined, {
          skill_key,
          ...params,
        }),
        200,
      );
    expect(await list({})).toMatchObject({ total: 2 });
    const rejected = await list({ status: "rejected" });
    expect([rejected.total, rejected.items.map(({ id }) => id)]).toEqual([1, [two.id]]);
    expect((await list({ limit: 1 })).items).toHaveLength(1);
    expect((await list({ status: "draft" })).items.map(({ id }) => id)).toEqual([one.id]);
  });

  it("SKILL-3 cannot be released without a passed evaluation", async () => {
    const candidate = await propose(uniqueName("skill"));
    expectRefusal(await promote(candidate.id, "stable"), 409, "conflict");
    expectStatus(await evaluate(candidate.id, false), 200);
    expectRefusal(await promote(candidate.id, "stable"), 409, "conflict");
  });

  it("SKILL-4 is refused for a state, a stage or an execution that does not exist", async () => {
    const { candidate } = await released();
    expectRefusal(await bay.skills("GET", "/candidates", undefined, { status: "nonsense" }), 400, "validation_error");
    expectRefusal(await bay.skills("GET", "/releases", undefined, { stage: "nonsense" }), 400, "validation_error");
    expectRefusal(await promote(candidate.id, "nonsense"), 400, "validation_error");
    expectRefusal(
      await bay.skills("POST", "/candidates", { skill_key: "x", source_execution_ids: ["exec-000000000000"] }),
      400,
      "validation_error",
    );
  });

  it("SKILL-5 tells the health of a release", async () => {
    const { release } = await released();
    expect(expectStatus(await bay.skills<object>("GET", `/releases/${release.id}/health`), 200)).toMatchObject({
      release_id: release.id,
      success_rate: expect.any(Number),
      error_rate: expect.any(Number),
      p95_duration: expect.any(Number),
      should_rollback: false,
    });
  });

  it("SKILL-6, SKILL-7, SKILL-8 keeps a payload, refuses a place it does not know, and says when there is none", async () => {
    const payload = { steps: [{ say: "æ漢" }], depth: { n: 1 } };
    const { payload_ref } = expectStatus(
      await bay.skills<{ payload_ref: string }>("POST", "/payloads", { payload, kind: "recipe" }),
      201,
    );
    expect(payload_ref).toMatch(/^blob:blob-[0-9a-f]{12}$/);
    expect(expectStatus(await bay.skills("GET", `/payloads/${payload_ref}`), 200)).toMatchObject({
      payload_ref,
      kind: "recipe",
      payload,
    });
    expect(
      expectRefusal(await bay.skills("GET", "/payloads/s3://bucket/key"), 400, "validation_error").message,
    ).toContain("Unsupported payload_ref");
    expectRefusal(await bay.skills("GET", "/payloads/blob:blob-000000000000"), 404, "not_found");
  });

  it("SKILL-9 is deleted: the release first, then its candidate, each with a reason", async () => {
    const { skill_key, candidate, release } = await released();
    expectRefusal(await bay.skills("DELETE", `/candidates/${candidate.id}`), 409, "conflict");
    expect(expectStatus(await bay.skills("DELETE", `/releases/${release.id}`, { reason: "wrong" }), 200)).toMatchObject(
      { id: release.id, delete_reason: "wrong", deleted_at: expect.any(String) },
    );
    expect((await releases({ skill_key })).total).toBe(0);
    expect(
      expectStatus(await bay.skills<Candidate>("GET", `/candidates/${candidate.id}`), 200).promotion_release_id,
    ).toBeNull();
    expectStatus(await bay.skills("DELETE", `/candidates/${candidate.id}`), 200);
    expectRefusal(await bay.skills("GET", `/candidates/${candidate.id}`), 404, "not_found");
    expect(
      expectStatus(await bay.skills<{ total: number }>("GET", "/candidates", undefined, { skill_key }), 200).total,
    ).toBe(0);
  });
});
