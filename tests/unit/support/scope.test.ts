import { CleanupError, Scope } from "../../support/scope";

describe("Scope", () => {
  it("removes the last thing made first, and each once", async () => {
    const removed: string[] = [];
    const scope = new Scope();
    for (const name of ["first", "second", "third"]) scope.add(name, async () => removed.push(name));
    await scope.close();
    await scope.close();
    expect(removed).toEqual(["third", "second", "first"]);
  });

  it("goes on after a failed removal, and names every failure at the end", async () => {
    const removed: string[] = [];
    const scope = new Scope();
    scope.add("first", async () => removed.push("first"));
    scope.add("second", () => Promise.reject(new Error("still in use")));
    scope.add("third", () => Promise.reject(new Error("not there")));
    const error = await scope.close().catch((thrown: unknown) => thrown);
    expect(removed).toEqual(["first"]);
    expect(error).toBeInstanceOf(CleanupError);
    expect((error as Error).message).toMatch(/^2 of the things[^]*third: not there\n.*second: still in use/);
  });

  it("refuses what comes after its end", async () => {
    const scope = new Scope();
    let closed = false;
    scope.add("outer", async () => undefined);
    await scope.close();
    expect(() =>
      scope.add("late", async () => {
        closed = true;
      }),
    ).toThrow(/late was made after its scope was closed/);
    expect(closed).toBe(false);
  });
});
