import type { V1Pod } from "@kubernetes/client-node";
import { expectStatus, type SandboxClient } from "../../support/bay-client";
import type { Sandbox } from "../../support/bay-types";
import { cluster, newSandbox, perFile, stack } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient & { created: Sandbox };
let pod: V1Pod;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
  expectStatus(await sandbox.python("1"), 200);
  pod = await cluster.sessionPod(sandbox.id);
});

const shell = async (command: string): Promise<string> => expectStatus(await sandbox.shell(command), 200).output;

describe("a session's pod @isolation", () => {
  it("says by its labels whose it is", () => {
    expect(pod.metadata?.name).toMatch(/^bay-session-sess-[0-9a-f]{12}$/);
    expect(pod.metadata?.labels).toMatchObject({
      "bay.sandbox_id": sandbox.id,
      "bay.cargo_id": sandbox.created.cargo_id,
      "bay.profile_id": "python-default",
      "bay.managed": "true",
      "bay.session_id": pod.metadata?.name?.replace("bay-session-", ""),
    });
  });

  it("runs the stack's Ship image, never restarts, and mounts the sandbox's claim at /workspace", () => {
    const container = pod.spec!.containers[0]!;
    expect(pod.spec?.restartPolicy).toBe("Never");
    expect(container.image).toBe(stack.images.ship.reference);
    const mount = container.volumeMounts?.find(({ mountPath }) => mountPath === "/workspace");
    const volume = pod.spec?.volumes?.find(({ name }) => name === mount?.name);
    expect(volume?.persistentVolumeClaim?.claimName).toBe(`bay-cargo-${sandbox.created.cargo_id}`);
  });

  it("has limits of processor and memory", () => {
    expect(pod.spec?.containers[0]?.resources?.limits).toMatchObject({
      cpu: expect.any(String),
      memory: expect.any(String),
    });
  });

  it("has no service account token", async () => {
    expect(pod.spec?.automountServiceAccountToken).toBe(false);
    expect(await shell("ls -A /var/run/secrets/kubernetes.io/serviceaccount 2>/dev/null | wc -l")).toBe("0");
    expect(pod.spec?.serviceAccountName).not.toBe(
      (await cluster.kube.pod(stack.namespace, stack.pod))?.spec?.serviceAccountName,
    );
  });

  it("runs without root, without capabilities, and cannot gain them", async () => {
    const python = expectStatus(await sandbox.python("import os; print(os.getuid())"), 200).output;
    expect({ python, shell: await shell("id -u") }).toEqual({ python: "1000", shell: "1000" });
    const status = await shell("grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs):' /proc/self/status | tr '\\t' ' '");
    expect(status.split("\n").sort()).toEqual([
      "CapBnd: 0000000000000000",
      "CapEff: 0000000000000000",
      "CapPrm: 0000000000000000",
      "NoNewPrivs: 1",
    ]);
  });

  it("shares no namespace with its node", () => {
    expect([pod.spec?.hostNetwork, pod.spec?.hostPID, pod.spec?.hostIPC].some(Boolean)).toBe(false);
    expect(pod.spec?.containers.some(({ securityContext }) => securityContext?.privileged)).toBe(false);
  });

  it("ENV-1, ENV-2 has the profile's environment in the shell and in Python", async () => {
    expect(await shell("echo $BAY_TEST_ENV_VAR")).toBe("test-value-12345");
    expect(expectStatus(await sandbox.python("import os; print(os.environ.get('BAY_TEST_ENV_VAR'))"), 200).output).toBe(
      "test-value-12345",
    );
  });
});
