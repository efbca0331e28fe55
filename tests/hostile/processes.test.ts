import { expectStatus, type SandboxClient } from "../support/bay-client";
import { cluster, newSandbox, perTest } from "../support/suite";
import { notYet, waitFor } from "../support/wait";

const mine = perTest();

/** Most processes that the pod of a sandbox may hold, with what starts and watches them. */
const PIDS = 1024;
/** Longest call of a neighbour beside a bomb, in milliseconds. */
const NEIGHBOUR_MS = 20_000;

/** Calls another sandbox until what is under way has ended; gives the longest call. */
async function callMeanwhile(
  neighbour: SandboxClient,
  underWay: Promise<unknown>,
): Promise<{ calls: number; longest: number }> {
  let over = false;
  void underWay
    .finally(() => {
      over = true;
    })
    .catch(() => undefined);
  let [calls, longest] = [0, 0];
  do {
    const began = Date.now();
    expect(expectStatus(await neighbour.shell(`echo ${calls}`), 200)).toMatchObject({
      success: true,
      output: String(calls),
    });
    longest = Math.max(longest, Date.now() - began);
    calls++;
  } while (!over || calls < 2);
  return { calls, longest };
}

describe("a sandbox that takes what others need @hostile", () => {
  it.each([
    ["of a shell, held by its call", "bomb() { bomb | bomb & }; bomb; sleep 60"],
    ["of a shell, left in the background", "bomb() { bomb | bomb & }; bomb"],
    [
      "of programs in sessions of their own",
      "cat > bomb.sh <<'E'\nsetsid bash bomb.sh > /dev/null 2>&1 &\nexec bash bomb.sh\nE\nbash bomb.sh > /dev/null 2>&1 & sleep 60",
    ],
  ])(
    "with a fork bomb %s ends at its limit, others are answered, and it answers again after a stop",
    async (_what, bomb) => {
      const [attacker, neighbour] = await Promise.all([newSandbox(mine), newSandbox(mine)]);
      expectStatus(await Promise.all([attacker.shell("true"), neighbour.shell("true")]).then(([first]) => first), 200);
      const underWay = attacker.shell(bomb, { timeout: 4 });
      const { calls, longest } = await callMeanwhile(neighbour, underWay);
      expect([200, 502, 503, 504]).toContain((await underWay).status);
      expect({ calls: calls >= 2, longest: longest < NEIGHBOUR_MS }).toEqual({ calls: true, longest: true });
      expectStatus(await attacker.stop(), 200);
      await cluster.podsGone(attacker.id);
      expect(expectStatus(await attacker.shell("echo well"), 200)).toMatchObject({ success: true, output: "well" });
    },
  );

  it("has a limit of processes that its node keeps", async () => {
    const sandbox = await newSandbox(mine);
    // Threads count as well, and no watcher of processes sees them.
    const threads =
      "import threading\nheld = threading.Event(); started = []\ntry:\n  while len(started) < 5000:\n    thread = threading.Thread(target=held.wait, daemon=True); thread.start(); started.append(thread)\nexcept RuntimeError: pass\nheld.set()\nfor thread in started: thread.join()\nlen(started)";
    const count = Number(expectStatus(await sandbox.python(threads), 200).output);
    expect(count).toBeGreaterThan(100);
    expect(count).toBeLessThan(PIDS);
    expect(expectStatus(await sandbox.shell("echo well"), 200)).toMatchObject({ success: true, output: "well" });
  });

  it("that fills the disk outside of its volume is ended at its limit by name, others are not, and it goes on in a new pod", async () => {
    const [filler, neighbour] = await Promise.all([newSandbox(mine, { profile: "oom-test" }), newSandbox(mine)]);
    expectStatus(await filler.writeFile("kept.txt", "kept"), 200);
    expectStatus(await filler.shell("head -c 150000000 /dev/zero > /tmp/filler; sync"), 200);
    const { name } = (await cluster.sessionPod(filler.id)).metadata!;
    await waitFor(
      `eviction of ${name!}`,
      async () => {
        const pod = (await cluster.sessionPods(filler.id)).find(({ metadata }) => metadata!.name === name);
        return (
          pod === undefined ||
          pod.status?.phase === "Failed" ||
          notYet(`its phase is ${pod.status?.phase ?? "unknown"}`)
        );
      },
      { deadline: 45_000 },
    );
    expect(expectStatus(await neighbour.shell("echo well"), 200)).toMatchObject({ success: true, output: "well" });
    expect(expectStatus(await filler.shell("cat kept.txt; ls /tmp/filler"), 200)).toMatchObject({
      output: "kept",
      exit_code: 2,
    });
  });
});
