import type { ContainerSpec } from "../../config/profiles";
import type { Config } from "../../config/schema";
import type { Logger } from "../../../../common/src/logger";
import {
  type CargoVolume,
  type Driver,
  DriverError,
  type ListedCargo,
  type ListedSession,
  type SessionCondition,
  type SessionSpec,
} from "../driver";
import { loadAccess } from "../../../../common/src/kubernetes/access";
import { KubeClient, KubeError } from "../../../../common/src/kubernetes/client";
import { diagnose } from "./diagnose";
import {
  cargoClaim,
  type Claim,
  claimName,
  GRACE_SECONDS,
  labelValue,
  listedCargo,
  type ObjectSettings,
  type Pod,
  podName,
  sessionPod,
  SET_ASIDE,
} from "./objects";
import { PodCache } from "./pod-cache";

/**
 * A pod may be without a node for this long (its volume is being made, another pod is going) before that is an error.
 */
const UNSCHEDULABLE_MS = 8_000;
/** Longest wait for a deleted pod to be gone; then Bay goes on with a warning. */
const GONE_MS = 30_000;
/** Wait for the status of a pod whose runtime broke off a call. */
const WHY_LOST_MS = 2_000;
const PULL_POLICY = { always: "Always", if_not_present: "IfNotPresent", never: "Never" } as const;

/** Sessions as pods, cargos as persistent volume claims, in one namespace. */
export class KubernetesDriver implements Driver {
  private readonly client: KubeClient;
  private readonly pods: PodCache;
  private readonly settings: ObjectSettings;
  private readonly podsPath: string;
  private readonly claimsPath: string;
  private readonly startupMs: number;
  /** Labels of what this instance manages. */
  private readonly selector: string;
  /** Labels of all volumes of this instance, those of clients too. */
  private readonly claimSelector: string;

  constructor(
    config: Config,
    instanceId: string,
    env: NodeJS.ProcessEnv,
    private readonly log: Logger,
  ) {
    const { k8s, image_pull_policy } = config.driver;
    this.client = new KubeClient(loadAccess(k8s.kubeconfig, env));
    this.settings = {
      namespace: k8s.namespace,
      labelPrefix: k8s.label_prefix,
      instanceId,
      pullPolicy: PULL_POLICY[image_pull_policy],
      pullSecrets: k8s.image_pull_secrets,
      storageClass: k8s.storage_class,
      storageSize: k8s.default_storage_size,
      volumeNode: k8s.volume_node,
    };
    this.startupMs = k8s.pod_startup_timeout * 1000;
    this.podsPath = `/api/v1/namespaces/${k8s.namespace}/pods`;
    this.claimsPath = `/api/v1/namespaces/${k8s.namespace}/persistentvolumeclaims`;
    this.selector = `${k8s.label_prefix}.managed=true,${k8s.label_prefix}.instance_id=${labelValue(instanceId)}`;
    this.claimSelector = `${k8s.label_prefix}.instance_id=${labelValue(instanceId)},${k8s.label_prefix}.cargo_id`;
    this.pods = new PodCache(this.client, this.podsPath, this.selector, log);
  }

  async createCargo(cargo: CargoVolume): Promise<void> {
    await this.ask("POST", this.claimsPath, cargoClaim(cargo, this.settings), 409);
  }

  async deleteCargo(id: string): Promise<void> {
    await this.ask("DELETE", `${this.claimsPath}/${claimName(id)}`, undefined, 404);
  }

  async startSession(spec: SessionSpec): Promise<Record<string, string>> {
    const name = podName(spec.id);
    const deadline = Date.now() + this.startupMs;
    await this.createPod(spec, name, deadline);
    return endpointsOf(await this.address(name, deadline), spec.containers);
  }

  async locateSession(sessionId: string, containers: ContainerSpec[]): Promise<Record<string, string> | undefined> {
    const pod = await this.podOf(sessionId).catch((error: unknown) => {
      throw toDriverError(error);
    });
    const diagnosis = diagnose(pod);
    return diagnosis.state === "ready" ? endpointsOf(diagnosis.ip, containers) : undefined;
  }

  async inspectSession(sessionId: string): Promise<SessionCondition> {
    try {
      const pod = await this.podOf(sessionId);
      const condition = conditionOf(pod);
      return condition.alive ? { alive: true, moved: pod?.metadata.name !== podName(sessionId) } : condition;
    } catch (error) {
      this.log.warn(
        { session: sessionId, error: (error as Error).message },
        "the cluster cannot be asked about a session, the record is trusted",
      );
      return { alive: true };
    }
  }

  async whyLost(sessionId: string): Promise<SessionCondition | undefined> {
    const name = (await this.podOf(sessionId).catch(() => undefined))?.metadata.name ?? podName(sessionId);
    return this.pods.until(
      name,
      (pod) => {
        const condition = conditionOf(pod);
        return condition.alive ? undefined : condition;
      },
      WHY_LOST_MS,
    );
  }

  async destroySession(sessionId: string, { wait = true }: { wait?: boolean } = {}): Promise<void> {
    for (const { metadata } of await this.restoredPods(sessionId).catch(() => []))
      await this.destroyPod(metadata.name, wait);
    await this.destroyPod(podName(sessionId), wait);
  }

  /** The pod of a session: its own while that lives, else one that was restored from its checkpoint. */
  private async podOf(sessionId: string): Promise<Pod | undefined> {
    const own = await this.pods.get(podName(sessionId));
    if (diagnose(own).state !== "failed") return own;
    return (await this.restoredPods(sessionId)).find((pod) => diagnose(pod).state !== "failed") ?? own;
  }

  /** A restored pod has its original's labels and a name of its own. */
  private async restoredPods(sessionId: string): Promise<Pod[]> {
    return (await this.pods.labelled(`${this.settings.labelPrefix}.session_id`, sessionId)).filter(
      ({ metadata }) => metadata.name !== podName(sessionId),
    );
  }

  private async destroyPod(name: string, wait: boolean): Promise<void> {
    const present = await this.ask(
      "DELETE",
      `${this.podsPath}/${name}`,
      { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: GRACE_SECONDS },
      404,
    );
    if (!wait || !present) return;
    const gone = await this.pods.until(name, (pod) => (pod ? undefined : true), GONE_MS);
    if (!gone) this.log.warn({ pod: name, seconds: GONE_MS / 1000 }, "the pod is still there after its deletion");
  }

  async listSessions(): Promise<ListedSession[]> {
    const pods = await this.client.list<Pod>(this.podsPath, this.selector).catch((error: unknown) => {
      throw toDriverError(error);
    });
    return pods.map(({ metadata: { labels = {}, deletionTimestamp } }) => {
      const label = (key: string): string | undefined => labels[`${this.settings.labelPrefix}.${key}`];
      return {
        sessionId: label("session_id") ?? "",
        sandboxId: label("sandbox_id") ?? "",
        cargoId: label("cargo_id") ?? "",
        owner: label("owner") ?? "",
        profileId: label("profile_id") ?? "",
        origin: label("origin") ?? null,
        ending: deletionTimestamp !== undefined,
      };
    });
  }

  async listCargos(): Promise<ListedCargo[]> {
    const claims = await this.client.list<Claim>(this.claimsPath, this.claimSelector).catch((error: unknown) => {
      throw toDriverError(error);
    });
    return claims
      .filter(({ metadata }) => !metadata.deletionTimestamp)
      .flatMap((claim) => listedCargo(claim, this.settings.labelPrefix) ?? []);
  }

  async markCargo(id: string, setAside: boolean): Promise<boolean> {
    const labels = { [`${this.settings.labelPrefix}.${SET_ASIDE}`]: setAside ? "true" : null };
    try {
      await this.client.call("PATCH", `${this.claimsPath}/${claimName(id)}`, { metadata: { labels } });
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return true; // gone meanwhile: there is nothing to mark
      if (error instanceof KubeError && error.status === 403) return false;
      throw toDriverError(error);
    }
  }

  close(): void {
    this.pods.close();
    this.client.close();
  }

  /** Makes the pod; one of that name that is dead or going is waited for and replaced, a living one is taken over. */
  private async createPod(spec: SessionSpec, name: string, deadline: number): Promise<void> {
    for (;;) {
      try {
        this.pods.note(await this.client.call<Pod>("POST", this.podsPath, sessionPod(spec, this.settings)));
        return;
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === "AlreadyExists")) throw toDriverError(error);
      }
      const present = await this.pods.refresh(name).catch((error: unknown) => {
        throw toDriverError(error);
      });
      if (diagnose(present).state !== "failed") return;
      if (present && !present.metadata.deletionTimestamp) await this.destroySession(spec.id, { wait: false });
      const gone = await this.pods.until(name, (pod) => (pod ? undefined : true), Math.max(0, deadline - Date.now()));
      if (!gone) throw new DriverError("timeout", `the old pod ${name} did not go within ${this.startupMs / 1000} s`);
    }
  }

  private async address(name: string, deadline: number): Promise<string> {
    let unschedulableSince: number | undefined;
    let last = "nothing was seen of it";
    const found = await this.pods.until(
      name,
      (pod) => {
        const diagnosis = diagnose(pod);
        if (diagnosis.state === "ready") return diagnosis.ip;
        if (diagnosis.state === "failed")
          return new DriverError(diagnosis.failure, `pod ${name}: ${diagnosis.message}`);
        last = diagnosis.reason;
        unschedulableSince = diagnosis.unschedulable ? (unschedulableSince ?? Date.now()) : undefined;
        const tooLong = unschedulableSince !== undefined && Date.now() - unschedulableSince > UNSCHEDULABLE_MS;
        return tooLong
          ? new DriverError("unschedulable", `pod ${name} finds no node: ${diagnosis.unschedulable!}`)
          : undefined;
      },
      Math.max(0, deadline - Date.now()),
    );
    if (found === undefined)
      throw new DriverError("timeout", `pod ${name} did not start within ${this.startupMs / 1000} s: ${last}`);
    if (typeof found === "string") return found;
    if (found.failure === "crashed" || found.failure === "oom")
      throw new DriverError(found.failure, `${found.message}${await this.lastWords(name)}`);
    throw found;
  }

  private async lastWords(name: string): Promise<string> {
    const log = await this.client.call<string>("GET", `${this.podsPath}/${name}/log?tailLines=5`).catch(() => "");
    return typeof log === "string" && log.trim() ? `; its last words: ${log.trim().slice(-500)}` : "";
  }

  /** A call whose status `fine` counts as done; whether it did something. */
  private async ask(method: "POST" | "DELETE", path: string, body: object | undefined, fine: number): Promise<boolean> {
    try {
      await this.client.call(method, path, body);
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === fine) return false;
      throw toDriverError(error);
    }
  }
}

function endpointsOf(ip: string, containers: ContainerSpec[]): Record<string, string> {
  const host = ip.includes(":") ? `[${ip}]` : ip;
  return Object.fromEntries(containers.map(({ name, port }) => [name, `http://${host}:${port}`]));
}

function conditionOf(pod: Pod | undefined): SessionCondition {
  const diagnosis = diagnose(pod);
  return diagnosis.state === "failed"
    ? { alive: false, failure: diagnosis.failure, message: diagnosis.message }
    : { alive: true };
}

function toDriverError(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  if (!(error instanceof KubeError))
    return new DriverError("unreachable", `the Kubernetes API cannot be reached: ${(error as Error).message}`);
  const quota = error.status === 403 && /exceeded quota|maximum .* usage/i.test(error.message);
  return new DriverError(quota ? "quota" : "refused", `the Kubernetes API refused: ${error.message}`);
}
