import { notYet, waitFor, WaitError } from "../../support/wait";

describe("waitFor", () => {
  it("gives the first value that is not a reason", async () => {
    let asked = 0;
    const value = await waitFor("a value", () => (++asked < 3 ? notYet(`asked ${asked} times`) : `after ${asked}`), {
      deadline: 10_000,
      interval: 1,
    });
    expect(value).toBe("after 3");
  });

  it("tells the last reason at its deadline", async () => {
    const waiting = waitFor("the tide", () => notYet("the moon is not up"), { deadline: 30, interval: 1 });
    await expect(waiting).rejects.toMatchObject({ name: "WaitError", end: "deadline", why: "the moon is not up" });
    await expect(waiting).rejects.toThrow(/^the tide: did not happen after .*; the moon is not up$/);
  });

  it("says every half minute what it waits for, and why it goes on", async () => {
    jest.useFakeTimers();
    const said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
    try {
      const waiting = waitFor("the tide", () => notYet("the moon is not up"), { deadline: 70_000, interval: 1_000 });
      const ended = expect(waiting).rejects.toBeInstanceOf(WaitError);
      await jest.advanceTimersByTimeAsync(71_000);
      await ended;
      expect(said.mock.calls.map(([text]) => text)).toEqual([
        "  waiting for the tide, 30 s so far: the moon is not up\n",
        "  waiting for the tide, 60 s so far: the moon is not up\n",
      ]);
    } finally {
      said.mockRestore();
      jest.useRealTimers();
    }
  });

  it("keeps its deadline when a check never answers", async () => {
    await expect(waitFor("silence", () => new Promise<true>(() => undefined), { deadline: 30 })).rejects.toBeInstanceOf(
      WaitError,
    );
  });

  it("ends at once when what it waits for has died", async () => {
    let asked = 0;
    const waiting = waitFor("a pod", () => notYet(`asked ${++asked} times`), {
      deadline: 60_000,
      interval: 1,
      died: () => (asked === 2 ? "exit code 1" : undefined),
    });
    await expect(waiting).rejects.toMatchObject({ end: "died", why: "exit code 1" });
    expect(asked).toBe(2);
  });

  it.each(["before", "while"])("ends when its signal fires %s it waits", async (when) => {
    const abort = new AbortController();
    if (when === "before") abort.abort();
    const waiting = waitFor(
      "a pod",
      () => {
        abort.abort();
        return notYet("Pending");
      },
      { deadline: 60_000, signal: abort.signal },
    );
    await expect(waiting).rejects.toMatchObject({ end: "aborted" });
  });

  it("lets an error of a check through as it is", async () => {
    const fault = new TypeError("a bug in the check");
    await expect(
      waitFor(
        "anything",
        () => {
          throw fault;
        },
        { deadline: 60_000 },
      ),
    ).rejects.toBe(fault);
  });
});
