import { Budget, OverBudget } from "../src/budget";

const MIB = 1024 * 1024;

describe("A budget of bytes", () => {
  test("is given out up to its total, and given back", () => {
    const budget = new Budget(10 * MIB);
    const first = budget.hold("a");
    first.grow(9 * MIB);
    expect(() => {
      budget.hold("b").grow(2 * MIB);
    }).toThrow(OverBudget);
    first.release();
    first.grow(1); // counts no more
    expect(budget.inUse).toBe(0);
    const all = budget.hold("b");
    all.cover(9 * MIB);
    all.cover(10 * MIB);
    expect(budget.inUse).toBe(10 * MIB);
    expect(() => {
      budget.hold("c").grow(1);
    }).toThrow(OverBudget);
  });

  test("leaves room for small calls, and for other owners, beside large ones", () => {
    const budget = new Budget(100 * MIB);
    const grabs = Array.from({ length: 20 }, () => budget.hold("greedy"));
    const got = grabs.filter((hold) => {
      try {
        hold.grow(10 * MIB);
        return true;
      } catch {
        return false;
      }
    });
    expect(got).toHaveLength(6);
    budget.hold("other").grow(10 * MIB);
    expect(() => {
      budget.hold("third").grow(10 * MIB);
    }).toThrow(OverBudget);
    for (let n = 0; n < 100; n += 1) budget.hold("greedy").grow(100_000);
  });

  test("lets a call that is the only large one have nearly all of it", () => {
    const budget = new Budget(100 * MIB);
    const hold = budget.hold("a");
    hold.grow(60 * MIB);
    hold.grow(32 * MIB);
    expect([hold.fits(92 * MIB), hold.fits(93 * MIB)]).toEqual([true, false]);
    expect(() => {
      hold.grow(MIB);
    }).toThrow(OverBudget);
    budget.hold("b").grow(100_000);
  });

  test("is waited for, in vain only for so long", async () => {
    const budget = new Budget(10 * MIB);
    const first = budget.hold("a");
    first.grow(8 * MIB);
    const second = budget.hold("b");
    const waiting = second.growWithin(5 * MIB, 30_000);
    first.release();
    await waiting;
    expect(budget.inUse).toBe(5 * MIB);
    await expect(budget.hold("c").growWithin(8 * MIB, 20)).rejects.toThrow(OverBudget);
  });
});
