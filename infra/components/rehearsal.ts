import * as pulumi from "@pulumi/pulumi";
import { saysReady } from "../support/conditions";
import { BAY_STORAGE } from "../quota";
import { UserError } from "../support/errors";
import { type KubeApi, openKubeApi } from "../support/kube-api";
import { type Look, waitFor } from "../support/wait";
import { keySecretOf, sessionSecretOf } from "./bay";
import { digestOf } from "./bay-config";
import { bayPodSpec, CONFIG_DIGEST, type BayContainerArgs } from "./bay-pod";

/** Label `app` of a Bay that is only tried. */
export const REHEARSAL_LABEL = "bay-rehearsal";

/** The Bay that is to come, and where it is to come. */
export interface RehearsalArgs extends BayContainerArgs {
  /** Kubeconfig (YAML) of the cluster. */
  kubeconfig: pulumi.Input<string>;
  /** Name of Bay's pod. Default `bay`. */
  name?: string;
  namespace: pulumi.Input<string>;
  /** Names of the Secrets by which the image may be pulled. Default none. */
  pullSecrets?: pulumi.Input<string[]>;
  /** Words that begin a `kubectl` command for this cluster, in messages. Default `kubectl`. */
  kubectl?: string;
}

/**
 * For `BayConfigArgs.approve`: before a Bay that serves is replaced, the new one must have started beside it. Its
 * volume is for one Bay at a time, so the rehearsal has an empty one and an account without rights: it can write
 * neither records nor objects. Where no Bay serves, or nothing of it changes, there is no rehearsal; nor is there one
 * in a preview.
 * @returns throws UserError E_BAY_UPGRADE, and nothing was changed, when the new Bay does not become ready
 */
export function rehearsed(args: RehearsalArgs): (content: pulumi.Output<string>) => pulumi.Output<string> {
  // A preview is to show what would change, and the image of a Bay that is to come is not known in it.
  if (pulumi.runtime.isDryRun()) return (content) => content;
  return (content) =>
    pulumi.unsecret(
      pulumi
        .all([args.kubeconfig, args.namespace, args.image, args.pullSecrets ?? [], content])
        .apply(async ([kubeconfig, namespace, image, pullSecrets, text]) => {
          await rehearse(kubeconfig, { ...args, namespace, image, pullSecrets, content: text });
          return text;
        }),
    );
}

type Known = Omit<RehearsalArgs, "kubeconfig" | "namespace" | "image" | "pullSecrets"> & {
  namespace: string;
  image: string;
  pullSecrets: string[];
  content: string;
};

interface Container {
  name: string;
  image: string;
  securityContext?: object;
}
interface ContainerStatus {
  ready: boolean;
  state?: {
    waiting?: { reason?: string; message?: string };
    terminated?: { exitCode: number; reason?: string; message?: string };
  };
}
interface Pod {
  metadata: { name: string; uid: string; annotations?: Record<string, string>; deletionTimestamp?: string };
  spec: { securityContext?: object; containers: Container[] };
  status: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: { type: string; status: string; message?: string }[];
    containerStatuses?: ContainerStatus[];
  };
}

/** Reasons of a waiting container that no time mends. */
const HOPELESS =
  /^(ErrImageNeverPull|InvalidImageName|ImagePullBackOff|CreateContainerConfigError|CreateContainerError|RunContainerError)$/;

async function rehearse(kubeconfig: string, args: Known): Promise<void> {
  const { namespace, name = "bay" } = args;
  const api = await openKubeApi(kubeconfig);
  const stage = {
    api,
    place: `/api/v1/namespaces/${namespace}`,
    name: `${name}-rehearsal`,
    kubectl: args.kubectl ?? "kubectl",
  };
  try {
    const serving = await api.get<Pod>(`${stage.place}/pods/${name}`);
    if (serving && isReady(serving) && !isSame(serving, args)) await hold(stage, serving, args);
  } finally {
    api.close();
  }
}

/** Where a rehearsal is held, and the name of its objects. */
interface Stage {
  api: KubeApi;
  place: string;
  name: string;
  kubectl: string;
}

async function hold(stage: Stage, serving: Pod, args: Known): Promise<void> {
  const deadline = (args.readyTimeout ?? 120) * 1000;
  await remove(stage, deadline); // What a killed program left.
  try {
    await begin(stage, serving, args);
    await waitFor(
      () => lookAt(stage),
      { deadline, interval: 250 },
      (reason, seconds) => new Refusal(`after ${seconds} s: ${reason}`),
    );
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw refused(args, error.message, await lastLines(stage));
  } finally {
    await remove(stage, deadline);
  }
}

/** Why the new Bay will not start, as the cluster tells it. */
class Refusal extends Error {}

/** Makes the pod and its configuration; both are the serving pod's, with which they go when the program is killed. */
async function begin({ api, place, name }: Stage, serving: Pod, args: Known): Promise<void> {
  const metadata = {
    name,
    labels: { app: REHEARSAL_LABEL },
    ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: serving.metadata.name, uid: serving.metadata.uid }],
  };
  const spec = bayPodSpec(args, {
    // An account that nobody gave rights; without its token a Bay might not start at all.
    serviceAccount: "default",
    pullSecrets: args.pullSecrets.map((secret) => ({ name: secret })),
    configMap: name,
    secret: keySecretOf(serving.metadata.name),
    records: { emptyDir: { sizeLimit: BAY_STORAGE } },
    // A stack from before has none yet.
    sessionSecret: { name: sessionSecretOf(serving.metadata.name), optional: true },
  });
  const refuse = (error: Error): never => {
    throw new Refusal(`the cluster has no place for it beside the old one: ${error.message}`);
  };
  await api.create(`${place}/configmaps`, { metadata, data: { "config.yaml": args.content } }).catch(refuse);
  await api
    .create(`${place}/pods`, {
      metadata,
      spec: {
        ...spec,
        automountServiceAccountToken: true,
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 0,
        activeDeadlineSeconds: (args.readyTimeout ?? 120) + 60,
      },
    })
    .catch(refuse);
}

async function remove({ api, place, name, kubectl }: Stage, deadline: number): Promise<void> {
  await Promise.all([api.remove(`${place}/pods/${name}`), api.remove(`${place}/configmaps/${name}`)]);
  await waitFor(
    async (): Promise<Look<true>> =>
      (await api.get(`${place}/pods/${name}`)) ? { reason: "it is still there" } : { value: true },
    { deadline },
    (reason, seconds) =>
      new UserError("E_BAY_UPGRADE", {
        seen: `pod ${name} was deleted ${seconds} s ago: ${reason}`,
        wanted: "its end",
        next: `${kubectl} describe ${place.replace("/api/v1/namespaces/", "--namespace ")} pod ${name}`,
      }),
  );
}

async function lookAt({ api, place, name }: Stage): Promise<Look<true>> {
  const pod = await api.get<Pod>(`${place}/pods/${name}`);
  if (!pod) throw new Refusal(`pod ${name} was removed by somebody`);
  if (isReady(pod)) return { value: true };
  const { status } = pod;
  const { waiting, terminated } = status.containerStatuses?.[0]?.state ?? {};
  if (terminated)
    throw new Refusal(
      `its container ended with exit code ${terminated.exitCode}${terminated.reason === "OOMKilled" ? ": out of memory" : ""}`,
    );
  if (status.phase === "Failed") throw new Refusal(status.message ?? status.reason ?? "its pod failed");
  if (HOPELESS.test(waiting?.reason ?? "")) throw new Refusal(`${waiting!.reason!}: ${waiting!.message ?? ""}`);
  return {
    reason:
      waiting?.message ??
      waiting?.reason ??
      status.conditions?.find((condition) => condition.status === "False" && condition.message)?.message ??
      "its container has not started",
  };
}

function isReady({ metadata, status }: Pod): boolean {
  return !metadata.deletionTimestamp && saysReady(status);
}

/** Whether a pod runs the image, the configuration and the security that are wanted. */
function isSame({ metadata, spec }: Pod, args: Known): boolean {
  const wanted = bayPodSpec(args, {
    serviceAccount: "",
    pullSecrets: [],
    configMap: "",
    secret: "",
    sessionSecret: { name: "" },
    records: {},
  });
  const same = (found: object = {}, asked: unknown = {}) =>
    Object.entries(asked as object).length === Object.keys(found).length &&
    Object.entries(asked as object).every(
      ([key, value]) => JSON.stringify((found as Record<string, unknown>)[key]) === JSON.stringify(value),
    );
  const bay = spec.containers.find(({ name }) => name === "bay");
  return (
    bay?.image === args.image &&
    metadata.annotations?.[CONFIG_DIGEST] === digestOf(args.content) &&
    same(spec.securityContext, wanted.securityContext) &&
    same(bay.securityContext, wanted.containers[0]!.securityContext)
  );
}

async function lastLines({ api, place, name }: Stage): Promise<string> {
  return (await api.get<string>(`${place}/pods/${name}/log?tailLines=20`).catch(() => undefined)) ?? "";
}

function refused({ namespace, name = "bay" }: Known, reason: string, log = ""): UserError {
  return new UserError("E_BAY_UPGRADE", {
    seen: `beside pod ${namespace}/${name}, ${reason}`,
    wanted: `a Bay that answers /health with the new image and configuration; ${namespace}/${name} serves on with the old ones`,
    next: `pulumi config --stack ${pulumi.getStack()}   (mend bayImage, bayContext or what else was changed, then up again)`,
    ...(log === "" ? {} : { detail: log }),
  });
}
