import { expectStatus } from "../support/bay-client";
import { cluster, newSandbox, perTest } from "../support/suite";
import { notYet, waitFor } from "../support/wait";

const mine = perTest();

/** Descriptors of the interpreter's that lead to Ship, as its own code finds them. */
const CHANNELS =
  "import os, stat\nchannels = [n for n in map(int, os.listdir('/proc/self/fd')) if n > 2 and os.path.exists(f'/proc/self/fd/{n}') and stat.S_ISSOCK(os.stat(f'/proc/self/fd/{n}').st_mode)]\n";
/** Its process, and not the command that looks for it. */
const SHIP = "$(pgrep -f '[/]app/server.js')";

describe("the runtime beside the code that it runs @hostile", () => {
  it("opens no inspector and shows nothing of itself to code of its uid", async () => {
    const sandbox = await newSandbox(mine);
    const looks = [
      `kill -USR1 ${SHIP}`,
      "sleep 1",
      "grep -c ':240D ' /proc/net/tcp",
      `cat /proc/${SHIP}/environ`,
      `ls /proc/${SHIP}/fd/`,
      `head -c 1 /proc/${SHIP}/mem`,
      "cat /proc/1/environ",
    ];
    const { output, error } = expectStatus(await sandbox.shell(looks.join("; ")), 200);
    expect(output).toBe("0");
    expect(error!.match(/Permission denied/g)).toHaveLength(4);
    const attached = `import ctypes, os, subprocess\nlibc = ctypes.CDLL(None, use_errno=True)\npid = int(subprocess.check_output(['pgrep', '-f', '/app/server.js']))\nlibc.ptrace(16, pid, 0, 0), os.strerror(ctypes.get_errno())`;
    expect(expectStatus(await sandbox.python(attached), 200).output).toBe("(-1, 'Operation not permitted')");
  });

  it.each([
    ["closes", "for n in channels: os.close(n)"],
    ["writes garbage to", "for n in channels: os.write(n, b'}{\\n[[[[\\nnull\\n')"],
    ["shuts down", "import socket\nfor n in channels: socket.socket(fileno=os.dup(n)).shutdown(socket.SHUT_RDWR)"],
    ["is ended with", "os.kill(os.getpid(), 9)"],
  ])(
    "outlives an interpreter that %s its channels: what was printed is kept, the next call works in the same pod",
    async (_what, code) => {
      const sandbox = await newSandbox(mine);
      const first = expectStatus(await sandbox.python(`print('before')\n${CHANNELS}${code}`), 200);
      expect(first.output).toBe("before");
      const { uid } = (await cluster.sessionPod(sandbox.id)).metadata!;
      expect(expectStatus(await sandbox.python("print('next')"), 200)).toMatchObject({ success: true, output: "next" });
      expect((await cluster.sessionPod(sandbox.id)).metadata!.uid).toBe(uid);
    },
  );

  it("is named when its own code ends it, and the next call has another, with the files of before", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.writeFile("kept.txt", "kept"), 200);
    const { uid } = (await cluster.sessionPod(sandbox.id)).metadata!;
    const answer = await sandbox.shell(`kill -9 ${SHIP}; sleep 30`);
    expect({ status: answer.status, data: answer.data }).toMatchObject({
      status: 502,
      data: {
        error: {
          code: "ship_error",
          message: expect.stringMatching(/connection to the runtime broke.*(137|exit code)/),
        },
      },
    });
    expect(expectStatus(await sandbox.shell("cat kept.txt"), 200)).toMatchObject({ success: true, output: "kept" });
    const pod = await waitFor(
      "the new pod alone",
      async () => {
        const pods = await cluster.sessionPods(sandbox.id);
        return pods.length === 1 ? pods[0]! : notYet(`${pods.length} pods`);
      },
      { deadline: 30_000 },
    );
    expect(pod.metadata!.uid).not.toBe(uid);
  });

  it("keeps what a command printed before its timeout, in the answer and in the history", async () => {
    const sandbox = await newSandbox(mine);
    const answer = expectStatus(await sandbox.shell("echo begun; echo aside >&2; sleep 60", { timeout: 1 }), 200);
    expect(answer).toMatchObject({ success: false, exit_code: -1, output: "begun", error: "Command timed out\naside" });
    const { entries } = expectStatus(await sandbox.history(), 200);
    expect(entries).toEqual([
      expect.objectContaining({
        id: answer.execution_id,
        success: false,
        output: "begun",
        error: "Command timed out\naside",
      }),
    ]);
    expect(expectStatus(await sandbox.shell("echo started; sleep 300 &"), 200)).toMatchObject({
      success: true,
      output: "started",
      error: expect.stringContaining("background"),
    });
  });
});
