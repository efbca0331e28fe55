import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { overview } from "../../../cli/commands/sweep";
import type { KnownStack } from "../../../cli/stack/known-stacks";
import { ROOT } from "../../../cli/paths";
import { claimsOf, type Mark } from "../../../cli/clean-up/claims";
import { ownerOf } from "../../../infra/naming";

const known: KnownStack[] = (["up", "interrupted", "not up"] as const).map((condition) => ({
  name: `sweep-${condition.replace(" ", "-")}`,
  condition,
  inState: true,
  images: [],
}));
const names = known.map(({ name }) => name);
const claims = (all = false, checkout?: string) =>
  claimsOf(names, known, [{ stack: "sweep-interrupted", why: "killed" }], {
    all,
    ...(checkout === undefined ? {} : { checkout }),
  });
const other = (checkout: string): Mark => ({ id: "aaaabbbbcccc", stack: "k3s", checkout });
const ours = (stack: string): Mark => ({ id: ownerOf(ROOT, stack).id, stack, checkout: ROOT });

let elsewhere: string;
beforeAll(() => {
  elsewhere = mkdtempSync(join(tmpdir(), "bay-e2e-checkout-"));
  writeFileSync(join(elsewhere, "Pulumi.yaml"), "name: bay-e2e\n");
});
afterAll(() => {
  rmSync(elsewhere, { recursive: true, force: true });
});

describe("a sweep", () => {
  test.each([
    ["of an interrupted stack of this checkout", ours("sweep-interrupted"), "killed"],
    ["of a stack whose state is gone", ours("sweep-not-up"), "no state knows it"],
    ["of a stack of this checkout that nobody knows any more", ours("sweep-forgotten"), "no state knows it"],
  ])("takes what is %s", (_, mark, why) => {
    expect(claims().whyOf(mark)).toBe(why);
  });

  test("takes what is of a checkout that is gone, of a folder that is there", () => {
    expect(claims().whyOf(other(join(elsewhere, "gone")))).toBe("its checkout is gone");
  });

  test("leaves what a checkout made that cannot be looked for from here, and says which, unless it is asked for by name", () => {
    const empty = mkdtempSync(join(tmpdir(), "bay-e2e-disk-"));
    try {
      for (const checkout of ["/nowhere/at/all", "/media/bob/disk", join(empty, "app"), empty]) {
        const judged = claims();
        expect([judged.whyOf(other(checkout)), [...judged.unknown]]).toEqual([undefined, [checkout]]);
        expect(claims(false, checkout).whyOf(other(checkout))).toBe("its checkout was named by --checkout");
      }
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  });

  test("leaves what another host made in a cluster, also of a folder of the same name", () => {
    const mark = { ...other(join(elsewhere, "gone")), shared: true };
    expect(claims().whyOf(mark)).toBeUndefined();
    expect(claims().whyOf({ ...mark, host: "elsewhere" })).toBeUndefined();
    expect(claims().whyOf({ ...mark, host: hostname() })).toBe("its checkout is gone");
    expect(claims().whyOf({ ...ours("sweep-interrupted"), shared: true, host: "elsewhere" })).toBeUndefined();
    expect(claims().whyOf({ ...ours("sweep-interrupted"), shared: true, host: hostname() })).toBe("killed");
  });

  test("leaves what is up on purpose, unless all is asked for", () => {
    expect(claims().whyOf(ours("sweep-up"))).toBeUndefined();
    expect(claims(true).whyOf(ours("sweep-up"))).toMatch(/--all/);
  });

  test("leaves what another checkout made that still exists, and what does not tell whose it is", () => {
    for (const checkout of [elsewhere, ""])
      expect(claims(true).whyOf({ id: "aaaabbbbcccc", stack: "k3s", checkout })).toBeUndefined();
  });

  test("shows each thing with its age and why it may go", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    const shown = overview(
      [
        { kind: "volume", name: "v", stack: "s", checkout: ROOT, created: "2026-01-01T21:00:00Z", why: "killed" },
        { kind: "file", name: join(ROOT, "x"), stack: "", checkout: ROOT, created: "", why: "old" },
      ],
      undefined,
      now,
    );
    expect(shown).toMatch(/^volume +v +s +this one +3 h +killed$/m);
    expect(shown).toMatch(/^file +x +this one +old$/m);
  });
});
