import { spawn } from "node:child_process";
import { isAlive, readIfThere } from "../../../cli/clean-up/procfs";
import { waitFor } from "../../../infra/support/wait";

describe("a process", () => {
  test("runs while it runs, and no more once it ended, collected or not", async () => {
    // `sleep` never collects the child of the shell that it replaced; a child that ended before that the shell could
    // collect itself.
    const parent = spawn("sh", ["-c", "while ! grep -q sleep /proc/$$/comm; do :; done & echo $!; exec sleep 60"]);
    try {
      const pid = Number(
        await new Promise<string>((resolve) => {
          parent.stdout.once("data", (data: Buffer) => {
            resolve(data.toString());
          });
        }),
      );
      await waitFor(
        async () =>
          Promise.resolve(
            /\) Z /.test(readIfThere(`/proc/${pid}/stat`)) ? { value: true } : { reason: "it has not ended" },
          ),
        { deadline: 10_000 },
        (reason) => new Error(reason),
      );
      expect([isAlive(parent.pid!), isAlive(pid)]).toEqual([true, false]);
    } finally {
      parent.kill("SIGKILL");
    }
  });
});
