import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CoreV1Api, KubeConfig, PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import { namespaceOfPreview } from "../../infra/preview";
import { Kube } from "../support/kube";
import { ROOT } from "./host";
import { npmRun, type Running } from "./runner";
import { onK3s, stackFile } from "./stack-file";

// Namespaces that cannot go, in the cluster of a k3s stack that is used as somebody's existing one, and of a preview.
jest.setTimeout(300_000);

const [SHARED, EXISTING, SPACE, HOLD] = ["stuck", "stuck-existing", "stuck-space", "example.com/hold"] as const;
const CONTEXT = join(ROOT, "artifacts", "stuck.yaml");
const APISERVICE = {
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  metadata: { name: "v1.dead.example.com" },
};

const on = (command: string, stack: string) => npmRun([command, "--", "--stack", stack]);

let kube: Kube;
let core: CoreV1Api;
let files: string[] = [];

beforeAll(async () => {
  files = [stackFile(SHARED)];
  await upOk(on("up", SHARED));
  const kubeconfig = on("kubeconfig", SHARED);
  await kubeconfig.done;
  const text = kubeconfig.output().slice(kubeconfig.output().indexOf("apiVersion:"));
  mkdirSync(dirname(CONTEXT), { recursive: true });
  writeFileSync(CONTEXT, text, { mode: 0o600 });
  kube = new Kube(text);
  const config = new KubeConfig();
  config.loadFromString(text);
  core = config.makeApiClient(CoreV1Api);
  files.push(
    CONTEXT,
    stackFile(EXISTING, {
      backend: "existing",
      kubeconfig: CONTEXT,
      kubeContext: "default",
      namespace: SPACE,
      checkpoint: false,
    }),
  );
});
afterAll(async () => {
  for (const stack of [EXISTING, SHARED]) await on("down", stack).done;
  for (const file of files) rmSync(file, { force: true });
});

async function upOk(run: Running): Promise<void> {
  expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/Bay is pod bay|is up/)]);
}

/** Makes something whose finalizer nobody takes away; gives what takes it away. */
async function held(kind: "ConfigMap" | "Pod", namespace: string): Promise<() => Promise<void>> {
  const metadata = { name: "kept", namespace, finalizers: [HOLD] };
  await kube.create(
    kind === "Pod"
      ? ({
          apiVersion: "v1",
          kind,
          metadata,
          spec: {
            nodeName: "no-such-node",
            containers: [
              {
                name: "c",
                image: "none",
                resources: { limits: { cpu: "10m", memory: "16Mi" } },
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
              },
            ],
            securityContext: { runAsNonRoot: true, runAsUser: 1, seccompProfile: { type: "RuntimeDefault" } },
          },
        } as never)
      : ({ apiVersion: "v1", kind, metadata } as never),
  );
  const body = { metadata: { finalizers: null } };
  const merge = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
  return async () => {
    if (kind === "Pod") await core.patchNamespacedPod({ name: "kept", namespace, body }, merge);
    else await core.patchNamespacedConfigMap({ name: "kept", namespace, body }, merge);
  };
}

/** Lets a `down` say what holds it, takes that away, and sees it come to its end. */
async function explains(run: Running, pattern: RegExp, free: () => Promise<unknown>, end: RegExp): Promise<void> {
  const start = Date.now();
  let begun = start;
  await run.until(/removing namespace/).then(() => {
    begun = Date.now();
  });
  await run.until(pattern);
  expect((Date.now() - begun) / 1000).toBeLessThan(20);
  await free();
  expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(end)]);
  expect(run.output()).not.toMatch(/still at it/);
}

describe("a namespace that cannot go says why within 20 seconds, and goes once that is taken away", () => {
  onK3s(
    "a ConfigMap with a finalizer of somebody else, at the down of a stack on an existing cluster; an up meanwhile is refused",
    async () => {
      await upOk(on("up", EXISTING));
      const free = await held("ConfigMap", SPACE);
      const words = new RegExp(
        `namespace ${SPACE} waits: configmaps kept has the finalizer ${HOLD}[^\\n]*Try: kubectl --kubeconfig ${CONTEXT} --context default --namespace ${SPACE} patch configmaps kept`,
      );
      await explains(
        on("down", EXISTING),
        words,
        async () => {
          const up = on("up", EXISTING);
          expect([await up.done, up.output()]).toEqual([2, expect.stringMatching(/E_STACK_LOCKED/)]);
          await free();
        },
        /Nothing of stack/,
      );
    },
  );

  onK3s("an API whose service is gone", async () => {
    await upOk(on("up", EXISTING));
    await kube.create({
      ...APISERVICE,
      spec: {
        group: "dead.example.com",
        version: "v1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        service: { namespace: "default", name: "dead" },
        insecureSkipTLSVerify: true,
      },
    } as never);
    await explains(
      on("down", EXISTING),
      /the API v1\.dead\.example\.com, served by default\/dead, does not answer[\s\S]*Try: kubectl [^\n]* delete apiservice v1\.dead\.example\.com/,
      () => kube.remove(APISERVICE),
      /Nothing of stack/,
    );
  });

  onK3s("a pod with a finalizer, whose node is not there, of a preview", async () => {
    const up = npmRun(["preview", "--", "up", "stuck", "--from", SHARED]);
    await upOk(up);
    const free = await held("Pod", namespaceOfPreview("stuck"));
    await explains(
      npmRun(["preview", "--", "down", "stuck"]),
      new RegExp(`pods kept has the finalizer ${HOLD}`),
      free,
      /Nothing of the preview stuck is left/,
    );
  });

  onK3s("an up on a namespace that is still being deleted waits for it, says what holds it, and goes on", async () => {
    await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: SPACE } });
    const free = await held("ConfigMap", SPACE);
    await kube.remove({ apiVersion: "v1", kind: "Namespace", metadata: { name: SPACE } });
    const up = on("up", EXISTING);
    await up.until(new RegExp(`namespace ${SPACE} is still being deleted: [^\\n]*${HOLD}`));
    await free();
    await upOk(up);
  });
});
