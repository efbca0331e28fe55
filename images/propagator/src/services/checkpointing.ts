import { randomUUID } from "node:crypto";
import { Locks } from "../../../common/src/locks";
import type { Manifest } from "../agent/protocol";
import type { Pod } from "../cluster/pod";
import { Failed, failureOf, Refused } from "../errors";
import type { ActionRow, CheckpointRow } from "../store/rows";
import { Background } from "./background";
import type { Clusters } from "./clusters";
import { agentOn, type Context, now } from "./context";
import { eligible } from "./eligible";
import type { Removals } from "./removals";

/** A request to checkpoint a pod, in both forms that are in use. */
export interface CheckpointRequest {
  pod_id?: string | undefined;
  pod_name?: string | undefined;
  namespace?: string | undefined;
  cluster_id?: string | undefined;
  runc_root?: string | undefined;
  kind?: string | undefined;
  reason?: string | undefined;
  overrides?: Record<string, unknown> | undefined;
}

/** Most checkpoints that are under way: they wait for each other by container. */
const MOST_RUNNING = 500;

/** After these a dump may have been made, or be under way. */
const UNCERTAIN = ["agent_timeout", "agent_unavailable", "agent_failed"];

/** Makes checkpoints of pods: one action, one container, one dump at a time for each container. */
export class Checkpointing {
  private readonly locks = new Locks();
  /** Its end is what a propagator that ends waits for. */
  readonly background: Background;

  constructor(
    private readonly context: Context,
    private readonly clusters: Clusters,
    private readonly removals: Removals,
  ) {
    this.background = new Background("a checkpoint", context.log);
  }

  /** Checks the request and begins. @returns the action's id @throws Refused with what stands against it */
  async start(request: CheckpointRequest): Promise<string> {
    const { records, config } = this.context;
    const cluster = this.clusters.meant(request.cluster_id);
    this.refuseOptions(request);
    const pod = await this.find(request);
    const subject = eligible(pod, { runtimeClass: config.PROPAGATOR_RUNTIME_CLASS });
    if (!(await agentOn(this.context, subject.node)))
      throw new Refused("agent_unavailable", `node ${subject.node} has no ready agent; its DaemonSet's pod says why`);
    if (records.countRunning("checkpoint_pod") >= MOST_RUNNING)
      throw new Refused("too_many", `${MOST_RUNNING} checkpoints are under way, which is the limit`);
    const { namespace, name: podName, uid: podId } = pod.metadata;
    const action: ActionRow = {
      id: randomUUID(),
      type: "checkpoint_pod",
      status: "initialized",
      clusterId: cluster.id,
      checkpointId: randomUUID(),
      namespace,
      podName,
      podId,
      nodeName: subject.node,
      reason: request.reason ?? "manual",
      request: { ...request },
      failure: null,
      createdAt: now(),
      endedAt: null,
    };
    const checkpoint: CheckpointRow = {
      id: action.checkpointId,
      actionId: action.id,
      clusterId: cluster.id,
      status: "initialized",
      namespace,
      podName,
      podId,
      nodeName: subject.node,
      containerName: subject.container,
      containerId: subject.containerId,
      image: subject.image,
      pod: worthKeeping(pod),
      bytes: null,
      memoryBytes: null,
      rootfsBytes: null,
      volumeBytes: null,
      freezeUs: null,
      dumpUs: null,
      checksum: null,
      info: null,
      createdAt: action.createdAt,
      deprecatedAt: null,
      deprecatedWhy: null,
    };
    records.atomically(() => {
      records.insertAction(action);
      records.insertCheckpoint(checkpoint);
      records.forget(config.PROPAGATOR_HISTORY);
    });
    this.launch(action, checkpoint);
    return action.id;
  }

  /**
   * Goes on with an action that an earlier start had begun: the dump has the id that it had, so it is not made twice.
   */
  resume(action: ActionRow): void {
    const checkpoint = this.context.records.checkpoint(action.checkpointId);
    if (checkpoint) this.launch(action, checkpoint);
  }

  private launch(action: ActionRow, checkpoint: CheckpointRow): void {
    this.background.launch(
      action.id,
      this.locks.run(checkpoint.containerId, () => this.run(action, checkpoint)),
    );
  }

  private async run(action: ActionRow, checkpoint: CheckpointRow): Promise<void> {
    const { records, ending } = this.context;
    if (ending.aborted || !records.action(action.id)) return; // ended, or its cluster was deregistered meanwhile
    this.become(action, "processing");
    try {
      const manifest = await this.dump(action, checkpoint);
      this.become(action, "checkpoint_created");
      this.succeed(action, checkpoint, manifest);
    } catch (error) {
      if (ending.aborted) return; // the next start goes on with it
      this.fail(action, failureOf(error));
      return;
    }
    await this.removals.retain(checkpoint);
  }

  private async dump(action: ActionRow, { containerId }: CheckpointRow): Promise<Manifest> {
    const { config, ending } = this.context;
    const agent = await agentOn(this.context, action.nodeName);
    if (!agent) throw new Failed("agent_unavailable", `node ${action.nodeName} has no ready agent`);
    const runcRoot = plainRoot(String(action.request["runc_root"] ?? config.PROPAGATOR_RUNC_ROOTS[0]!));
    return agent.dump(
      action.checkpointId,
      { container: containerId, runcRoot, maxBytes: config.PROPAGATOR_MAX_BYTES },
      config.PROPAGATOR_DUMP_SECONDS * 1000,
      ending,
    );
  }

  private succeed(action: ActionRow, checkpoint: CheckpointRow, manifest: Manifest): void {
    const { records, metrics, log } = this.context;
    const endedAt = now();
    records.atomically(() => {
      if (!records.action(action.id)) {
        this.removals.ask(checkpoint.id, checkpoint.nodeName);
        return;
      }
      records.updateAction(action.id, { status: "ready", endedAt });
      records.updateCheckpoint(checkpoint.id, {
        status: "ready",
        bytes: manifest.bytes,
        memoryBytes: manifest.memoryBytes,
        rootfsBytes: manifest.rootfsBytes,
        volumeBytes: manifest.volumeBytes,
        freezeUs: manifest.freezeMicroseconds,
        dumpUs: manifest.durationMicroseconds,
        checksum: manifest.checksum,
      });
    });
    metrics.ended("checkpoint_pod", "ready", endedAt - action.createdAt);
    metrics.froze(manifest.freezeMicroseconds);
    log.info(
      {
        action: action.id,
        checkpoint: checkpoint.id,
        pod: `${action.namespace}/${action.podName}`,
        bytes: manifest.bytes,
        freezeMs: manifest.freezeMicroseconds / 1000,
        ms: Math.round(endedAt - action.createdAt),
      },
      "checkpoint ready",
    );
  }

  private fail(action: ActionRow, { code, message, criu }: Failed): void {
    const { records, metrics, log } = this.context;
    const endedAt = now();
    records.atomically(() => {
      records.updateAction(action.id, { status: "error", failure: { code, message, criu }, endedAt });
      records.updateCheckpoint(action.checkpointId, { status: "error", info: `${code}: ${message}` });
      if (UNCERTAIN.includes(code)) this.removals.ask(action.checkpointId, action.nodeName);
    });
    metrics.ended("checkpoint_pod", "error", endedAt - action.createdAt);
    log.warn(
      { action: action.id, pod: `${action.namespace}/${action.podName}`, code, error: message, criu },
      "checkpoint failed",
    );
  }

  private become(action: ActionRow, status: "processing" | "checkpoint_created"): void {
    const { records } = this.context;
    records.atomically(() => {
      records.updateAction(action.id, { status });
      records.updateCheckpoint(action.checkpointId, { status });
    });
  }

  private refuseOptions({ kind, overrides, runc_root }: CheckpointRequest): void {
    if (kind !== undefined && kind !== "simple")
      throw new Refused("kind_unsupported", `kind ${JSON.stringify(kind)} is not offered; wanted simple, or nothing`);
    const given = Object.entries(overrides ?? {})
      .filter(([, value]) => value !== null && value !== "" && value !== 0 && value !== false && value !== "none")
      .map(([key]) => key);
    if (given.length > 0) throw new Refused("overrides_unsupported", `overrides are not offered: ${given.join(", ")}`);
    const roots = this.context.config.PROPAGATOR_RUNC_ROOTS;
    if (runc_root !== undefined && !roots.includes(plainRoot(runc_root)))
      throw new Refused("runc_root_unknown", `runc_root ${JSON.stringify(runc_root)} is none of ${roots.join(", ")}`);
  }

  private async find({ pod_id, pod_name, namespace }: CheckpointRequest): Promise<Pod> {
    const {
      cluster,
      config: { PROPAGATOR_NAMESPACES: searched },
    } = this.context;
    const pod =
      pod_name !== undefined && namespace !== undefined
        ? await cluster.pod(namespace, pod_name)
        : await cluster.podByUid(pod_id!);
    const asked: [string | undefined, string][] = pod
      ? [
          [pod_id, pod.metadata.uid],
          [pod_name, pod.metadata.name],
          [namespace, pod.metadata.namespace],
        ]
      : [];
    if (pod && asked.every(([wanted, found]) => wanted === undefined || wanted === found)) return pod;
    const what = [pod_name && [namespace, pod_name].filter(Boolean).join("/"), pod_id && `with UID ${pod_id}`]
      .filter(Boolean)
      .join(" ");
    const where =
      namespace === undefined && searched.length > 0
        ? ` in ${searched.join(", ")}; name a pod of another namespace by pod_name and namespace`
        : "";
    throw new Refused("pod_not_found", `there is no pod ${what}${where}`);
  }
}

/** A folder as it is configured: without the slash that a client may have put behind it. */
function plainRoot(folder: string): string {
  return folder.replace(/(.)\/$/, "$1");
}

/** What a restore needs of the pod: how it was asked for, and whether it was Ready. */
function worthKeeping({ metadata, spec, status }: Pod): Pod {
  return { metadata: { ...metadata, managedFields: undefined }, spec, status: { conditions: status?.conditions } };
}
