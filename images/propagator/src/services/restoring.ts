import { randomUUID } from "node:crypto";
import { isReady, type Pod } from "../cluster/pod";
import { Failed, failureOf, Refused } from "../errors";
import type { ActionRow, CheckpointRow } from "../store/rows";
import { Background } from "./background";
import type { Clusters } from "./clusters";
import { agentOn, type Context, now } from "./context";
import { failureIn, restoreOutcome, whyNotReady } from "./restore-outcome";
import { ACTION_ANNOTATION, restoredName, restoredPod } from "./restored-pod";

export interface RestoreRequest {
  /** The checkpoint's action. */
  action_id: string;
  cluster_id?: string | undefined;
  reason?: string | undefined;
  overrides?: Record<string, unknown> | undefined;
}

/** Most restores that are under way: each follows a pod. */
const MOST_RUNNING = 200;

/** Restores pods: makes a new pod on the checkpoint's node and follows it until it is Ready. */
export class Restoring {
  /** Its end is what a propagator that ends waits for. */
  readonly background: Background;

  constructor(
    private readonly context: Context,
    private readonly clusters: Clusters,
  ) {
    this.background = new Background("a restore", context.log);
  }

  /** Checks the request and begins. @returns the new action's id @throws Refused with what stands against it */
  async start(request: RestoreRequest): Promise<string> {
    const { records } = this.context;
    if (Object.values(request.overrides ?? {}).some((value) => value !== null && value !== ""))
      throw new Refused(
        "overrides_unsupported",
        `overrides are not offered: ${Object.keys(request.overrides!).join(", ")}`,
      );
    const from = this.checkpointOf(request.action_id);
    const cluster = this.clusters.meant(request.cluster_id);
    if (from.clusterId !== cluster.id)
      throw new Refused(
        "wrong_cluster",
        `the checkpoint is of cluster ${from.clusterId}, this propagator runs in ${cluster.id}`,
      );
    if (!(await agentOn(this.context, from.nodeName)))
      throw new Refused(
        "node_unavailable",
        `the checkpoint lies on node ${from.nodeName}, which has no ready agent; it cannot be restored on another node`,
      );
    if (records.countRunning("restore_pod") >= MOST_RUNNING)
      throw new Refused("too_many", `${MOST_RUNNING} restores are under way, which is the limit`);
    await this.context.cluster.requireAccess(from.namespace);
    // The node was asked meanwhile.
    this.checkpointOf(request.action_id);
    const action: ActionRow = {
      id: randomUUID(),
      type: "restore_pod",
      status: "initialized",
      clusterId: cluster.id,
      checkpointId: from.id,
      namespace: from.namespace,
      podName: restoredName(from.podName),
      podId: null,
      nodeName: from.nodeName,
      reason: request.reason ?? "manual",
      request: { ...request },
      failure: null,
      createdAt: now(),
      endedAt: null,
    };
    records.atomically(() => {
      records.insertAction(action);
      records.forget(this.context.config.PROPAGATOR_HISTORY);
    });
    this.launch(action, from);
    return action.id;
  }

  /** Goes on with an action that an earlier start had begun: its pod has a name already, so it is not made twice. */
  resume(action: ActionRow): void {
    const from = this.context.records.checkpoint(action.checkpointId);
    if (from) this.launch(action, from);
  }

  private launch(action: ActionRow, from: CheckpointRow): void {
    this.background.launch(action.id, this.run(action, from));
  }

  private checkpointOf(actionId: string): CheckpointRow {
    const { records } = this.context;
    const action = records.action(actionId);
    if (!action) throw new Refused("action_not_found", `there is no action ${actionId}`);
    if (action.type !== "checkpoint_pod")
      throw new Refused(
        "not_a_checkpoint",
        `action ${actionId} is no checkpoint but a ${action.type}; wanted the checkpoint's action`,
      );
    const checkpoint = records.checkpoint(action.checkpointId);
    if (action.status === "error" || !checkpoint)
      throw new Refused(
        "checkpoint_failed",
        `the checkpoint of action ${actionId} failed: ${action.failure?.message ?? "it is not there"}`,
      );
    if (action.status !== "ready")
      throw new Refused("checkpoint_not_ready", `the checkpoint of action ${actionId} is ${action.status}`);
    if (checkpoint.deprecatedAt !== null)
      throw new Refused(
        "checkpoint_deprecated",
        `checkpoint ${checkpoint.id} was removed: ${checkpoint.deprecatedWhy ?? ""}`,
      );
    return checkpoint;
  }

  private async run(action: ActionRow, from: CheckpointRow): Promise<void> {
    const { records, ending, metrics, log } = this.context;
    let made: Pod | undefined;
    try {
      records.updateAction(action.id, { status: "processing" });
      made = await this.makePod(action, from);
      records.updateAction(action.id, { podId: made.metadata.uid });
      await this.untilReady(action, made, isReady(from.pod));
    } catch (error) {
      if (!ending.aborted) await this.fail(action, made, failureOf(error)); // else the next start goes on with it
      return;
    }
    const endedAt = now();
    records.updateAction(action.id, { status: "completed", endedAt });
    metrics.ended("restore_pod", "completed", endedAt - action.createdAt);
    log.info(
      {
        action: action.id,
        checkpoint: from.id,
        pod: `${action.namespace}/${action.podName}`,
        ms: Math.round(endedAt - action.createdAt),
      },
      "pod restored",
    );
  }

  private async makePod(action: ActionRow, from: CheckpointRow): Promise<Pod> {
    const { cluster, config } = this.context;
    const body = restoredPod({
      pod: from.pod,
      name: action.podName,
      node: from.nodeName,
      checkpointId: from.id,
      actionId: action.id,
      runtimeClass: config.PROPAGATOR_RUNTIME_CLASS,
    });
    const pod =
      (await cluster.createPod(body, action.namespace)) ?? (await cluster.pod(action.namespace, action.podName));
    if (pod?.metadata.annotations?.[ACTION_ANNOTATION] === action.id) return pod;
    throw new Failed("name_taken", `a pod ${action.namespace}/${action.podName} exists that this restore did not make`);
  }

  private async untilReady(
    { namespace, podName }: ActionRow,
    { metadata: { uid } }: Pod,
    wantReady: boolean,
  ): Promise<void> {
    const { cluster, config, ending } = this.context;
    const seconds = config.PROPAGATOR_RESTORE_SECONDS;
    let last: Pod | undefined;
    const outcome = await cluster.followPod(
      namespace,
      podName,
      (pod) => {
        last = pod ?? last;
        return restoreOutcome(pod?.metadata.uid === uid ? pod : undefined, wantReady);
      },
      { deadline: Date.now() + seconds * 1000, signal: ending },
    );
    if (outcome === "done") return;
    const warnings = await cluster.warnings(namespace, uid).catch(() => []);
    // The kubelet's own words come first in the status; the runtime's stand in the events.
    const said = warnings
      .reverse()
      .map(failureIn)
      .find((failure) => failure !== undefined);
    if (outcome) throw outcome.code === "restore_failed" && said ? said : outcome;
    throw (
      said ??
      new Failed(
        "restore_timeout",
        `the restored pod was not ready within ${seconds} s: ${last ? whyNotReady(last) : "it was not seen"}${warnings.length > 0 ? `; last warning: ${warnings[0]!}` : ""}`,
      )
    );
  }

  /** A pod whose restore failed would try again for ever: it is deleted, and the action says what its events said. */
  private async fail(action: ActionRow, made: Pod | undefined, { code, message, criu }: Failed): Promise<void> {
    const { records, cluster, metrics, log } = this.context;
    if (made)
      await cluster.deletePod(action.namespace, action.podName, made.metadata.uid).catch((error: unknown) => {
        log.warn(
          { action: action.id, error: (error as Error).message },
          "the pod of a failed restore could not be deleted",
        );
      });
    const endedAt = now();
    records.updateAction(action.id, { status: "error", failure: { code, message, criu }, endedAt });
    metrics.ended("restore_pod", "error", endedAt - action.createdAt);
    log.warn(
      { action: action.id, pod: `${action.namespace}/${action.podName}`, code, error: message, criu },
      "restore failed",
    );
  }
}
