import { describedBy, duration, phase } from "../../../cli/progress";

describe("durations for people", () => {
  test.each([
    [0, "0.0 s"],
    [4249, "4.2 s"],
    [59_940, "59.9 s"],
    [60_000, "1 min 00 s"],
    [185_900, "3 min 05 s"],
  ])("%i ms is %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
});

describe("a phase in a log", () => {
  let printed: string;
  beforeEach(() => {
    printed = "";
    process.env["CI"] = "true";
    jest.spyOn(process.stderr, "write").mockImplementation((text) => {
      printed += String(text);
      return true;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  test("is a line at its start, one for each thing it tells, and one at its end", async () => {
    await expect(
      phase("Work", async (tell) => {
        tell("half of it");
        return Promise.resolve(7);
      }),
    ).resolves.toBe(7);
    expect(printed).toMatch(/^> Work\n {2}half of it {2}\[0\.\d s\]\nok Work \(0\.\d s\)\n$/);
  });

  test("that is silent for long says what it waits for: its last line, or what the innermost wait says", async () => {
    jest.useFakeTimers();
    try {
      const work = phase("Work", async (tell) => {
        await new Promise((resolve) => {
          setTimeout(resolve, 26_000);
        });
        tell("removing network x");
        await new Promise((resolve) => {
          setTimeout(resolve, 26_000);
        });
        await describedBy(
          () => "create Pod bay: no node has taken it",
          () =>
            new Promise((resolve) => {
              setTimeout(resolve, 26_000);
            }),
        );
      });
      await jest.advanceTimersByTimeAsync(80_000);
      await work;
    } finally {
      jest.useRealTimers();
    }
    const waits = printed
      .split("\n")
      .filter((line) => line.includes("waiting for"))
      .map((line) => line.replace(/ {2}\[.*/, ""));
    expect(waits).toEqual([
      "  waiting for: Work",
      "  waiting for: removing network x",
      "  waiting for: create Pod bay: no node has taken it",
    ]);
    expect(printed).not.toContain("still at it");
  });

  test("that fails says so, and passes its error on", async () => {
    await expect(phase("Work", () => Promise.reject(new Error("why")))).rejects.toThrow("why");
    expect(printed).toMatch(/failed Work \(0\.\d s\)\n$/);
  });
});
