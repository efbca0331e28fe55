import { expectStatus } from "../../support/bay-client";
import { uniqueName } from "../../support/names";
import { bay, cluster, expectRefusal, newCargo, newSandbox, owned, perTest } from "../../support/suite";

const mine = perTest();

/** Ids of all cargos of a kind, page by page. */
async function listed(managed?: boolean): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>();
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = expectStatus(
      await bay.listCargos({
        limit: 200,
        ...(managed === undefined ? {} : { managed }),
        ...(cursor ? { cursor } : {}),
      }),
      200,
    );
    for (const cargo of page.items) found.set(cargo.id, cargo.managed);
    cursor = page.next_cursor;
  }
  return found;
}

describe("an external cargo @core", () => {
  it("CARGO-1 is made on its own: not managed, of nobody's sandbox, with a claim in the cluster", async () => {
    const cargo = await newCargo(mine);
    expect(cargo).toEqual({
      id: expect.stringMatching(/^ws-[0-9a-f]{12}$/),
      managed: false,
      managed_by_sandbox_id: null,
      backend: "docker_volume",
      size_limit_mb: expect.any(Number),
      created_at: expect.stringMatching(/^\d{4}-/),
      last_accessed_at: expect.stringMatching(/^\d{4}-/),
    });
    expect((await cluster.claim(cargo.id))?.metadata?.labels).toMatchObject({
      "bay.cargo_id": cargo.id,
      "bay.managed": "false",
    });
  });

  it("CARGO-2, CARGO-8 keeps its size limit, and is found by its id", async () => {
    expect((await newCargo(mine, 2048)).size_limit_mb).toBe(2048);
    const cargo = await newCargo(mine, 512);
    expect(expectStatus(await bay.getCargo(cargo.id), 200)).toEqual(cargo);
  });

  it("CARGO-3 is made once for the same key and body", async () => {
    const headers = { "Idempotency-Key": uniqueName("cargo") };
    const [first, again] = [
      await bay.createCargo({ size_limit_mb: 100 }, { headers }),
      await bay.createCargo({ size_limit_mb: 100 }, { headers }),
    ];
    mine.add(`cargo ${first.data.id}`, async () => expectStatus(await bay.deleteCargo(first.data.id), 204));
    expect([200, 201]).toContain(again.status);
    expect(again.data).toEqual(expectStatus(first, 201));
    expectRefusal(await bay.createCargo({ size_limit_mb: 200 }, { headers }), 409, "conflict");
  });

  it.each([0, -1, 65537, 100000])("CARGO-4 cannot have a size limit of %i MB", async (size) => {
    const { status, data } = await bay.createCargo({ size_limit_mb: size });
    expect({ status, where: (data as unknown as { detail: { loc: string[] }[] }).detail[0]?.loc }).toEqual({
      status: 422,
      where: ["body", "size_limit_mb"],
    });
  });

  it("CARGO-5, CARGO-6 stands in the list, managed ones in another", async () => {
    const cargo = await newCargo(mine);
    const sandbox = await newSandbox(mine);
    const [external, managed] = [await listed(), await listed(true)];
    expect([external.get(cargo.id), external.has(sandbox.created.cargo_id)]).toEqual([false, false]);
    expect([managed.get(sandbox.created.cargo_id), managed.has(cargo.id)]).toEqual([true, false]);
    expect(new Set(managed.values())).toEqual(new Set([true]));
  });

  it("CARGO-7 is listed in pages no longer than asked for", async () => {
    await Promise.all([newCargo(mine), newCargo(mine), newCargo(mine)]);
    const page = expectStatus(await bay.listCargos({ limit: 2 }), 200);
    expect(page.items).toHaveLength(2);
    expect(page.next_cursor).toBe(page.items[1]!.id);
    const next = expectStatus(await bay.listCargos({ limit: 2, cursor: page.next_cursor! }), 200);
    expect(next.items.some(({ id }) => page.items.some((seen) => seen.id === id))).toBe(false);
  });

  it("CARGO-9 is not found by an unknown id", async () => {
    expectRefusal(await bay.getCargo("ws-000000000000"), 404, "not_found");
    expectRefusal(await bay.deleteCargo("ws-000000000000"), 404, "not_found");
  });

  it("CARGO-10 takes its claim with it when it is deleted, and cannot be deleted twice", async () => {
    const cargo = await newCargo(mine);
    expect(await cluster.claim(cargo.id)).toBeDefined();
    expectStatus(await bay.deleteCargo(cargo.id), 204);
    expectRefusal(await bay.deleteCargo(cargo.id), 404, "not_found");
    await cluster.claimGone(cargo.id);
  });

  it("CARGO-11, CARGO-12 is kept while a sandbox uses it, and can be deleted after that sandbox", async () => {
    const cargo = await newCargo(mine);
    const sandbox = await newSandbox(mine, { cargo_id: cargo.id });
    expect(expectRefusal(await bay.deleteCargo(cargo.id), 409, "conflict").details).toMatchObject({
      active_sandbox_ids: [sandbox.id],
    });
    expectStatus(await sandbox.delete(), 204);
    expectStatus(await bay.getCargo(cargo.id), 200);
    expectStatus(await bay.deleteCargo(cargo.id), 204);
  });

  it("CARGO-14 is the workspace of the sandboxes made on it, one after the other", async () => {
    const cargo = await newCargo(mine);
    const first = await newSandbox(mine, { cargo_id: cargo.id });
    expect(first.created.cargo_id).toBe(cargo.id);
    expect(expectStatus(await first.python("open('left.txt', 'w').write('for the next')"), 200).success).toBe(true);
    expectStatus(await first.delete(), 204);
    const second = await newSandbox(mine, { cargo_id: cargo.id });
    expect(expectStatus(await second.readFile("left.txt"), 200).content).toBe("for the next");
  });
});

describe("a managed cargo @core", () => {
  it("CARGO-13 cannot be deleted from under its sandbox", async () => {
    const { created } = await newSandbox(mine);
    expect(expectRefusal(await bay.deleteCargo(created.cargo_id), 409, "conflict").details).toMatchObject({
      managed_by_sandbox_id: created.id,
    });
    expect(expectStatus(await bay.getCargo(created.cargo_id), 200)).toMatchObject({
      managed: true,
      managed_by_sandbox_id: created.id,
    });
  });

  it("cannot be lent to another sandbox, which would take it along when it is deleted @reference", async () => {
    const { created } = await newSandbox(mine);
    const answer = await bay.createSandbox({ cargo_id: created.cargo_id });
    if (answer.status === 201) owned(mine, answer.data.id);
    expectRefusal(answer, 409, "conflict");
  });
});
