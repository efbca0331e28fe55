import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { deadlineSignal } from "../../support/deadline";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Lets garbage be collected for some turns of the event loop. */
async function collectGarbage(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    collect();
    await new Promise((resolve) => { setImmediate(resolve); });
  }
}

/** Whether a signal that only its listeners know fires, after garbage was collected. */
async function fires(signal: () => AbortSignal): Promise<unknown> {
  const fired = new Promise((resolve) => { const made = signal(); made.addEventListener("abort", () => { resolve((made.reason as Error).name); }); });
  await collectGarbage();
  return fired;
}

describe("a signal with a deadline", () => {
  test("fires at its time, though nobody holds it", async () => {
    // The timer alone keeps no process alive, and a signal that never fires must fail this test, not hang it.
    let tooLate: NodeJS.Timeout | undefined;
    const never = new Promise((resolve) => { tooLate = setTimeout(() => { resolve("it never fired"); }, 3_000); });
    await expect(Promise.race([fires(() => deadlineSignal(50, new AbortController().signal)), never])).resolves.toBe("TimeoutError");
    clearTimeout(tooLate);
  });

  test("fires with the other signal, and at once where that has fired before", async () => {
    const controller = new AbortController();
    const signal = deadlineSignal(60_000, controller.signal);
    const fired = once(signal, "abort");
    controller.abort(new Error("enough"));
    await fired;
    expect((signal.reason as Error).message).toBe("enough");
    expect(deadlineSignal(60_000, controller.signal).aborted).toBe(true);
  });
});
