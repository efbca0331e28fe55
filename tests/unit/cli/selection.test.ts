import { conditionOf, fulfils, readSelection, type Share } from "../../../cli/testing/selection";

const file = (name: string, ...tags: string[]) => ({ path: `tests/e2e/${name}.test.ts`, tags: new Set(tags) });
const chosen = (words: { k?: string; m?: string }, where: ReturnType<typeof file>, name: string, share?: Share) =>
  fulfils(conditionOf(readSelection(words), where, share), name);

describe("-k", () => {
  test.each([
    ["wakes", "lifecycle", "a stopped sandbox wakes", true],
    ["WAKES", "lifecycle", "a stopped sandbox wakes", true],
    ["wakes", "lifecycle", "is deleted", false],
    ["lifecycle", "lifecycle", "is deleted", true],
    ["cycle and deleted", "lifecycle", "is deleted", true],
    ["not lifecycle", "lifecycle", "is deleted", false],
    ["files or wakes", "files", "anything", true],
    ["files or wakes", "paths", "wakes", true],
    ["files or wakes", "paths", "sleeps", false],
    ["test.ts", "files", "anything", false],
    ["e2e", "files", "anything", false],
  ])("%j in file %s takes %j: %j", (k, name, test, expected) => {
    expect(chosen({ k }, file(name), test)).toBe(expected);
  });

  test("leaves a file out as a whole, or takes all of it, where its name alone decides", () => {
    expect(conditionOf(readSelection({ k: "not files" }), file("files"))).toBe(false);
    expect(conditionOf(readSelection({ k: "files or x" }), file("files"))).toBe(true);
  });
});

describe("-m", () => {
  test.each([
    ["serial", "a b @core @serial", true],
    ["@serial", "a b @core @serial", true],
    ["not serial", "a b @core", true],
    ["core and not slow", "x @core @slow y", false],
    ["shell", "a shell @core", false],
    ["serial", "mail to a@serial", false],
    ["serial", "@serially", false],
    ["Core", "x @core", true],
  ])("%j takes %j: %j", (m, test, expected) => {
    expect(chosen({ m }, file("x", "core", "serial", "slow", "shell", "serially"), test)).toBe(expected);
  });

  test("knows without loading a file that a marker is on none of its tests", () => {
    expect(conditionOf(readSelection({ m: "slow" }), file("x", "core"))).toBe(false);
    expect(conditionOf(readSelection({ m: "not slow" }), file("x", "core"))).toBe(true);
  });

  test.each([
    ["seriel", /no marker is called "seriel", did you mean serial\? \(column 1\)/, `npm test -- --list -m "serial"`],
    [
      "core and filesytem",
      /no marker is called "filesytem", did you mean filesystem\? \(column 10\)/,
      `npm test -- --list -m "core and filesystem"`,
    ],
    ["wakes", /no marker is called "wakes" \(column 1\)/, `npm test -- --list -k "wakes"`],
  ])("%j is refused with the nearest marker", (m, seen, next) => {
    expect(() => readSelection({ m })).toThrow(
      expect.objectContaining({
        code: "E_USAGE",
        seen: expect.stringMatching(seen),
        wanted: expect.stringContaining("serial, slow, reference, core"),
        next,
      }) as Error,
    );
  });
});

test("-k and -m together are both wanted", () => {
  const both = { k: "stop", m: "core" };
  expect([
    chosen(both, file("x", "core"), "stop @core"),
    chosen(both, file("x", "core"), "stop"),
    chosen(both, file("x", "core"), "go @core"),
  ]).toEqual([true, false, false]);
});

describe("the two shares", () => {
  test.each([
    [{}, true],
    [{ m: "core" }, true],
    [{ m: "not serial" }, false],
    [{ m: "serial" }, true],
    [{ k: "nothing" }, false],
  ])("of %j: a serial test is in the second alone: %j", (words, expected) => {
    const where = file("x", "core", "serial");
    expect([
      chosen(words, where, "a @core @serial", "parallel"),
      chosen(words, where, "a @core @serial", "serial"),
    ]).toEqual([false, expected]);
  });

  test("are known to be empty where no test can be in them", () => {
    const where = file("x", "core", "serial");
    expect(conditionOf(readSelection({ m: "serial" }), where, "parallel")).toBe(false);
    expect(conditionOf(readSelection({ m: "not serial" }), where, "serial")).toBe(false);
    expect(conditionOf({}, file("x", "core"), "serial")).toBe(false);
    expect(conditionOf({}, file("x", "core"), "parallel")).toBe(true);
  });
});

test("an expression that cannot be read is told with the place", () => {
  expect(() => readSelection({ k: "a and" })).toThrow(
    expect.objectContaining({
      code: "E_USAGE",
      seen: expect.stringMatching(/^-k: .*at column 6$/),
      detail: "a and\n     ^",
    }) as Error,
  );
});
