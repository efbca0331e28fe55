import * as pulumi from "@pulumi/pulumi";
import { isDeepStrictEqual } from "node:util";
import { saysReady } from "../support/conditions";
import { BAY_STORAGE } from "../quota";
import { UserError } from "../support/errors";
import { type KubeApi, openKubeApi } from "../support/kube-api";
import { type Look, waitFor } from "../support/wait";
import { type BayArgs, keySecretOf, sessionSecretOf } from "./bay";
import { digestOf } from "./bay-config";
import { bayPodSpec, CONFIG_DIGEST, type BayContainerArgs, type BayPodDraft } from "./bay-pod";
import type { ObjectArgs } from "./component";

/** Label `app` of a Bay that is only tried. */
export const REHEARSAL_LABEL = "bay-rehearsal";

/** The Bay that is to come, and where it is to come. */
export interface RehearsalArgs extends ObjectArgs, BayContainerArgs {
  /** Kubeconfig (YAML) of the cluster. */
  kubeconfig: pulumi.Input<string>;
  /** Name of Bay's pod. Default `bay`. */
  name?: string;
  namespace: pulumi.Input<string>;
  /** Names of the Secrets by which the image may be pulled. Default none. */
  pullSecrets?: pulumi.Input<string[]>;
  /** Words that begin a `kubectl` command for this cluster, in messages. Default `kubectl`. */
  kubectl?: string;
  /**
   * The same as Bay's: the pod that is tried, and compared with the serving one, is the transformed one. It runs once
   * more for that, and must not wait for the configuration that is to be approved.
   */
  transform?: Pick<NonNullable<BayArgs["transform"]>, "pod">;
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
        .apply(([kubeconfig, namespace, image, pullSecrets, text]) => {
          const known = { ...args, namespace, image, pullSecrets, content: text };
          // A transformation may put outputs of other resources into the pod.
          return pulumi.output(draftOf(known)).apply(async (draft) => {
            await rehearse(kubeconfig, known, asSent(draft));
            return text;
          });
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
  env?: { name: string; valueFrom?: { secretKeyRef?: { name: string } } }[];
}
interface Volume {
  name: string;
  persistentVolumeClaim?: { readOnly?: boolean };
}
interface PodSpec {
  securityContext?: object;
  containers: Container[];
  initContainers?: Container[];
  volumes?: Volume[];
}
/** A pod that is to come: what `transform.pod` made of it, with all outputs known. */
interface Draft {
  metadata: { name: string; annotations?: Record<string, string> };
  spec: PodSpec;
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
  spec: PodSpec;
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

/** Bay's pod as it would be declared, but for what a trial must not have: an account with rights, and the records. */
function draftOf(args: Known): BayPodDraft {
  const { name = "bay", namespace, labels } = args;
  const draft: BayPodDraft = {
    metadata: {
      name,
      namespace,
      labels: { ...labels, app: "bay" },
      annotations: { [CONFIG_DIGEST]: digestOf(args.content) },
    },
    spec: bayPodSpec(args, {
      serviceAccount: NO_RIGHTS,
      pullSecrets: args.pullSecrets.map((secret) => ({ name: secret })),
      configMap: trialName(name),
      secret: keySecretOf(name),
      records: NO_RECORDS,
      // A stack from before has none yet.
      sessionSecret: { name: sessionSecretOf(name), optional: true },
    }),
  };
  args.transform?.pod?.(draft, {});
  return draft;
}

/** An account that nobody gave rights; without its token a Bay might not start at all. */
const NO_RIGHTS = "default";
const NO_RECORDS = { emptyDir: { sizeLimit: BAY_STORAGE } };

function trialName(name: string): string {
  return `${name}-rehearsal`;
}

/** What the API server gets: no fields that are undefined. */
function asSent(draft: object): Draft {
  return JSON.parse(JSON.stringify(draft)) as Draft;
}

/**
 * Tries a pod that is to come, if a Bay serves and the pod differs from it.
 * @throws UserError E_BAY_UPGRADE when it does not become ready
 */
export async function rehearse(kubeconfig: string, args: Known, draft: Draft): Promise<void> {
  const { namespace, name = "bay" } = args;
  const api = await openKubeApi(kubeconfig);
  const stage = {
    api,
    place: `/api/v1/namespaces/${namespace}`,
    name: trialName(name),
    kubectl: args.kubectl ?? "kubectl",
  };
  try {
    const serving = await api.get<Pod>(`${stage.place}/pods/${draft.metadata.name}`);
    if (serving && isReady(serving) && !isSame(serving, draft)) await hold(stage, serving, args, draft);
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

async function hold(stage: Stage, serving: Pod, args: Known, draft: Draft): Promise<void> {
  const deadline = (args.readyTimeout ?? 120) * 1000;
  await remove(stage, deadline); // What a killed program left.
  try {
    await begin(stage, serving, args, draft);
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
async function begin({ api, place, name }: Stage, serving: Pod, args: Known, draft: Draft): Promise<void> {
  const metadata = {
    name,
    // Not the pod's own labels: a Service that selects by them would send calls to the trial.
    labels: { app: REHEARSAL_LABEL },
    ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: serving.metadata.name, uid: serving.metadata.uid }],
  };
  const refuse = (error: Error): never => {
    throw new Refusal(`the cluster has no place for it beside the old one: ${error.message}`);
  };
  await api.create(`${place}/configmaps`, { metadata, data: { "config.yaml": args.content } }).catch(refuse);
  await api
    .create(`${place}/pods`, {
      metadata: { ...metadata, annotations: draft.metadata.annotations },
      spec: {
        ...trialSpec(draft.spec, serving.spec),
        activeDeadlineSeconds: (args.readyTimeout ?? 120) + 60,
      },
    })
    .catch(refuse);
}

/** The pod's specification without what a trial must not have, whatever a transformation put there. */
function trialSpec(spec: PodSpec, serving: PodSpec): object {
  const key = (container: Container | undefined) => container?.env?.find(({ name }) => name === "BAY_API_KEY");
  const keySecret = key(bayOf(serving))?.valueFrom?.secretKeyRef?.name;
  const containers = structuredClone(spec.containers);
  const wanted = key(bayOf({ containers }))?.valueFrom?.secretKeyRef;
  // The Secret of the serving Bay is there; one that a transformation names may not be yet.
  if (wanted && keySecret) wanted.name = keySecret;
  return {
    ...spec,
    containers,
    volumes: spec.volumes?.map((volume) =>
      volume.persistentVolumeClaim && !volume.persistentVolumeClaim.readOnly
        ? { name: volume.name, ...NO_RECORDS }
        : volume,
    ),
    serviceAccountName: NO_RIGHTS,
    automountServiceAccountToken: true,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 0,
  };
}

function bayOf({ containers }: Pick<PodSpec, "containers">): Container | undefined {
  return containers.find(({ name }) => name === "bay");
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
  const states = status.containerStatuses?.map(({ state }) => state) ?? [];
  const terminated = states.find((state) => state?.terminated)?.terminated;
  const waiting = states.find((state) => state?.waiting)?.waiting;
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

/** Whether a pod runs the images, the configuration and the security of the one that is to come. */
function isSame(serving: Pod, draft: Draft): boolean {
  const all = ({ initContainers = [], containers }: PodSpec) => [...initContainers, ...containers];
  const digest = (pod: Draft) => pod.metadata.annotations?.[CONFIG_DIGEST];
  const same = (found: object = {}, asked: object = {}) => isDeepStrictEqual(found, asked);
  return (
    digest(serving) === digest(draft) &&
    same(serving.spec.securityContext, draft.spec.securityContext) &&
    // What a cluster adds to each pod, such as a mesh's sidecar, is no change.
    all(draft.spec).every((asked) => {
      const found = all(serving.spec).find(({ name }) => name === asked.name);
      return found?.image === asked.image && same(found.securityContext, asked.securityContext);
    })
  );
}

async function lastLines({ api, place, name }: Stage): Promise<string> {
  return (await api.get<string>(`${place}/pods/${name}/log?container=bay&tailLines=20`).catch(() => undefined)) ?? "";
}

function refused({ namespace, name = "bay" }: Known, reason: string, log = ""): UserError {
  return new UserError("E_BAY_UPGRADE", {
    seen: `beside pod ${namespace}/${name}, ${reason}`,
    wanted: `a Bay that answers /health with the new image and configuration; ${namespace}/${name} serves on with the old ones`,
    next: `pulumi config --stack ${pulumi.getStack()}   (mend bayImage, bayContext or what else was changed, then up again)`,
    ...(log === "" ? {} : { detail: log }),
  });
}
