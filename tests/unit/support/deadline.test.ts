import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { deadlineSignal } from "../../support/deadline";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Lets garbage be collected for some turns of the event loop. */
async function collectGarbage(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    collect();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** With what a signal that only its listener knows fires, once garbage was collected; a text where it never does. */
async function firesWith(signal: () => AbortSignal): Promise<unknown> {
  const fired = new Promise((resolve) => {
    const made = signal();
    made.addEventListener("abort", () => {
      resolve((made.reason as Error).name);
    });
  });
  await collectGarbage();
  let tooLate: NodeJS.Timeout | undefined;
  const never = new Promise((resolve) => {
    tooLate = setTimeout(() => {
      resolve("it never fired");
    }, 20_000);
  });
  return Promise.race([fired, never]).finally(() => {
    clearTimeout(tooLate);
  });
}

describe("a signal with a deadline", () => {
  test("fires at its time, though nobody holds it", async () => {
    await expect(firesWith(() => deadlineSignal(50, new AbortController().signal))).resolves.toBe("TimeoutError");
  }, 60_000);

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
