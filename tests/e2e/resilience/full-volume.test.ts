import type { V1Pod } from "@kubernetes/client-node";
import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { lacks } from "../../support/lacking";
import { uniqueName } from "../../support/names";
import { cluster, expectRefusal, newSandbox, perTest, stack } from "../../support/suite";
import { notYet, waitFor } from "../../support/wait";

const mine = perTest();
const { kube } = cluster;
const SIZE = 4 << 20;

/** Runs a command as root in the mount namespace of a node's folder, from a pod that is gone afterwards. */
async function onNode(model: V1Pod, folder: string, command: string): Promise<void> {
  const name = uniqueName("on-node");
  const { image, imagePullPolicy } = model.spec!.containers[0]!;
  await kube.createPod(stack.namespace, {
    metadata: { name },
    spec: {
      nodeName: model.spec!.nodeName!,
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: "root",
          image: image!,
          ...(imagePullPolicy ? { imagePullPolicy } : {}),
          command: ["sh", "-c", command],
          securityContext: { privileged: true, runAsUser: 0 },
          volumeMounts: [{ name: "folder", mountPath: "/folder", mountPropagation: "Bidirectional" }],
        },
      ],
      volumes: [{ name: "folder", hostPath: { path: folder, type: "Directory" } }],
    },
  });
  try {
    await waitFor(
      `the end of ${command}`,
      async () => {
        const phase = (await kube.pod(stack.namespace, name))?.status?.phase;
        if (phase === "Failed") throw new Error(`${command} failed: ${await kube.log(stack.namespace, name)}`);
        return phase === "Succeeded" || notYet(`its pod is ${phase}`);
      },
      { deadline: 30_000 },
    );
  } finally {
    await kube.deletePod(stack.namespace, name, 0);
  }
}

/** Puts a small file system of memory where a sandbox's volume is; the sandbox is stopped. */
async function shrink(sandbox: SandboxClient, cargoId: string): Promise<void> {
  expectStatus(await sandbox.shell("true"), 200);
  const pod = await cluster.sessionPod(sandbox.id);
  const volume = await kube.volume((await cluster.claim(cargoId))!.spec!.volumeName!);
  const path =
    volume?.spec?.hostPath?.path ?? volume?.spec?.local?.path ?? lacks("volumes that are folders of their node");
  expectStatus(await sandbox.stop(), 200);
  const [, parent, name] = /^(.*)\/([^/]+)$/.exec(path)!;
  mine.add(`mount on ${path}`, () => onNode(pod, parent!, `umount --lazy '/folder/${name}'`));
  await onNode(pod, parent!, `mount -t tmpfs -o size=${SIZE},mode=0777 tmpfs '/folder/${name}'`);
}

describe("a sandbox whose volume is full @resilience", () => {
  it("says so in each call that writes, keeps what was there, and works on once there is room @slow", async () => {
    const sandbox = await newSandbox(mine);
    await shrink(sandbox, sandbox.created.cargo_id);
    expectStatus(await sandbox.writeFile("small.txt", "kept"), 200);
    expect(expectStatus(await sandbox.shell(`head -c ${2 * SIZE} /dev/zero > filler`), 200)).toMatchObject({
      success: false,
      error: expect.stringMatching(/No space left/),
    });
    expectRefusal(await sandbox.upload("big.bin", Buffer.alloc(SIZE)), 502, "ship_error");
    expectRefusal(await sandbox.writeFile("more.txt", "x".repeat(100_000)), 502, "ship_error");
    expect(expectStatus(await sandbox.python("open('x.bin', 'wb').write(bytes(1 << 20))"), 200)).toMatchObject({
      success: false,
      error: expect.stringMatching(/No space left/),
    });
    expect(expectStatus(await sandbox.readFile("small.txt"), 200).content).toBe("kept");
    expectStatus(await sandbox.deleteFile("filler"), 200);
    expectStatus(await sandbox.writeFile("more.txt", "there is room"), 200);
    expect(expectStatus(await sandbox.readFile("more.txt"), 200).content).toBe("there is room");
  });
});
