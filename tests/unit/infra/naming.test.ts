import fc from "fast-check";
import { clusterName, labelsOf, ownerOf, shorten } from "../../../infra/naming";

describe("names", () => {
  test("are legal DNS labels of at most 63 characters, whatever they are made of", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 200 }), (name) => {
        expect(shorten(name)).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
      }),
    );
  });

  test("of different things stay different when they are shortened", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 120 }),
        fc.string({ minLength: 1, maxLength: 120 }),
        (one, other) => {
          fc.pre(one !== other);
          expect(shorten(one, 30)).not.toBe(shorten(other, 30));
        },
      ),
    );
  });

  test("stay as they are where they are legal", () => {
    expect(shorten("pr-123")).toBe("pr-123");
  });

  test("of one stack's cluster differ between two checkouts", () => {
    const [one, other] = [ownerOf("/a", "k3s"), ownerOf("/b", "k3s")];
    expect(clusterName(one)).not.toBe(clusterName(other));
    expect(labelsOf(one)).not.toEqual(labelsOf(other));
    expect(clusterName(one)).toMatch(/^bay-e2e-k3s-[0-9a-f]{6}$/);
  });
});
