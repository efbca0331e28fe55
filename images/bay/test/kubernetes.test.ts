import { profilesOf } from "../src/config/profiles";
import { configSchema } from "../src/config/schema";
import type { SessionSpec } from "../src/driver/driver";
import { diagnose } from "../src/driver/kubernetes/diagnose";
import {
  cargoClaim,
  type Claim,
  labelValue,
  listedCargo,
  memoryQuantity,
  type ObjectSettings,
  type Pod,
  sessionPod,
} from "../src/driver/kubernetes/objects";

describe("What a pod's status says", () => {
  const pod = (status: Pod["status"], deletionTimestamp?: string): Pod => ({
    metadata: { name: "p", deletionTimestamp },
    status,
  });
  const waiting = (reason: string): Pod =>
    pod({
      phase: "Pending",
      podIP: "10.0.0.9",
      containerStatuses: [{ name: "ship", state: { waiting: { reason, message: "why" } } }],
    });
  const ended = (reason: string, exitCode: number): Pod =>
    pod({
      phase: "Failed",
      podIP: "10.0.0.9",
      containerStatuses: [{ name: "ship", state: { terminated: { reason, exitCode } } }],
    });

  test.each<[string, Pod | undefined, object]>([
    ["no pod", undefined, { state: "failed", failure: "gone" }],
    [
      "a pod that goes",
      pod({ phase: "Running", podIP: "10.0.0.9" }, "2026-01-01T00:00:00Z"),
      { state: "failed", failure: "gone" },
    ],
    ["a pod without status", pod(undefined), { state: "waiting" }],
    [
      "a running pod",
      pod({ phase: "Running", podIP: "10.0.0.9", containerStatuses: [{ name: "ship", state: { running: {} } }] }),
      { state: "ready", ip: "10.0.0.9" },
    ],
    [
      "a container that is being made",
      pod({
        phase: "Pending",
        containerStatuses: [{ name: "ship", state: { waiting: { reason: "ContainerCreating" } } }],
      }),
      { state: "waiting", reason: "ContainerCreating" },
    ],
    [
      "an image that may not be pulled",
      waiting("ErrImageNeverPull"),
      { state: "failed", failure: "image", message: 'container "ship" cannot start: ErrImageNeverPull: why' },
    ],
    ["an image that cannot be pulled", waiting("ImagePullBackOff"), { state: "failed", failure: "image" }],
    ["a bad image name", waiting("InvalidImageName"), { state: "failed", failure: "image" }],
    ["a container that cannot be made", waiting("CreateContainerConfigError"), { state: "failed", failure: "config" }],
    [
      "a container that crashed",
      ended("Error", 1),
      { state: "failed", failure: "crashed", message: 'container "ship" ended with exit code 1 (Error)' },
    ],
    ["a container that ended well", ended("Completed", 0), { state: "failed", failure: "crashed" }],
    ["a container out of memory", ended("OOMKilled", 137), { state: "failed", failure: "oom" }],
    [
      "an evicted pod",
      pod({ phase: "Failed", reason: "Evicted", message: "disk" }),
      { state: "failed", failure: "evicted", message: "the pod ended: Evicted: disk" },
    ],
    [
      "a pod that the node refused",
      pod({ phase: "Failed", reason: "OutOfcpu" }),
      { state: "failed", failure: "unschedulable" },
    ],
    [
      "a pod of a node that goes down",
      pod({
        phase: "Failed",
        reason: "Terminated",
        message: "Pod was terminated in response to imminent node shutdown.",
      }),
      { state: "failed", failure: "evicted", message: expect.stringContaining("shutdown") },
    ],
    [
      "a pod that had to make room",
      pod({ phase: "Failed", reason: "Preempting" }),
      { state: "failed", failure: "evicted" },
    ],
    [
      "a pod that the node does not take in",
      pod({ phase: "Failed", reason: "UnexpectedAdmissionError" }),
      { state: "failed", failure: "unschedulable" },
    ],
    [
      "a pod whose node is lost",
      pod({ phase: "Running", reason: "NodeLost", podIP: "10.0.0.9" }),
      { state: "failed", failure: "gone" },
    ],
    [
      "a container whose program is not there",
      ended("StartError", 128),
      { state: "failed", failure: "crashed", message: expect.stringContaining("StartError") },
    ],
    ["an image whose signature is bad", waiting("SignatureValidationFailed"), { state: "failed", failure: "image" }],
    [
      "a volume that does not exist",
      pod({
        phase: "Pending",
        conditions: [{ type: "PodScheduled", status: "False", message: 'persistentvolumeclaim "x" not found' }],
      }),
      { state: "waiting", unschedulable: 'persistentvolumeclaim "x" not found' },
    ],
    [
      "a pod without a node",
      pod({
        phase: "Pending",
        conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" }],
      }),
      { state: "waiting", unschedulable: "0/1 nodes", reason: "not scheduled: 0/1 nodes" },
    ],
  ])("%s", (_what, given, expected) => {
    expect(diagnose(given)).toMatchObject(expected);
  });
});

describe("What Bay makes in the cluster", () => {
  const settings: ObjectSettings = {
    namespace: "ns",
    labelPrefix: "bay",
    instanceId: "me",
    pullPolicy: "Never",
    pullSecrets: ["s"],
    storageClass: null,
    storageSize: "1Gi",
    volumeNode: null,
  };
  const profile = profilesOf(
    configSchema.parse({
      driver: { type: "k8s" },
      profiles: [{ id: "p", image: "ship:1", resources: { cpus: 1.5, memory: "512m" }, env: { A: "1", B: "x:$(A)" } }],
    }),
  ).get("p")!;
  const spec: SessionSpec = {
    id: "sess-1",
    sandboxId: "sandbox-1",
    cargoId: "ws-1",
    profileId: "p",
    owner: "some body/else",
    containers: profile.containers,
    root: false,
    multi: false,
    shellEnv: profile.env,
    verifier: "ab12",
    origin: "0123456789ab-7",
  };

  test("a session's pod has the contract's names, labels, resources and variables, and no rights", () => {
    expect(sessionPod(spec, settings)).toMatchObject({
      metadata: {
        name: "bay-session-sess-1",
        namespace: "ns",
        labels: {
          "bay.owner": "some-body-else",
          "bay.sandbox_id": "sandbox-1",
          "bay.session_id": "sess-1",
          "bay.cargo_id": "ws-1",
          "bay.profile_id": "p",
          "bay.runtime_port": "8123",
          "bay.instance_id": "me",
          "bay.managed": "true",
          "bay.origin": "0123456789ab-7",
        },
      },
      spec: {
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        imagePullSecrets: [{ name: "s" }],
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          fsGroup: 1000,
          seccompProfile: { type: "RuntimeDefault" },
        },
        volumes: [{ name: "workspace", persistentVolumeClaim: { claimName: "bay-cargo-ws-1" } }],
        containers: [
          {
            name: "ship",
            image: "ship:1",
            imagePullPolicy: "Never",
            ports: [{ containerPort: 8123 }],
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
            resources: { limits: { cpu: "1500m", memory: "512Mi" }, requests: { cpu: "750m", memory: "512Mi" } },
            volumeMounts: [{ name: "workspace", mountPath: "/workspace" }],
            env: expect.arrayContaining([
              { name: "A", value: "1" },
              { name: "B", value: "x:$$(A)" },
              { name: "BAY_PROFILE_ENV", value: "A=1:B=x:$$(A)" },
              { name: "BAY_SESSION_ID", value: "sess-1" },
              { name: "BAY_SANDBOX_ID", value: "sandbox-1" },
              { name: "BAY_WORKSPACE_PATH", value: "/workspace" },
              { name: "SHIP_TOKEN_SHA256", value: "ab12" },
            ]),
          },
        ],
      },
    });
  });

  test("a profile may ask for less of the node than it may use", () => {
    const [small] = [
      ...profilesOf(
        configSchema.parse({
          driver: { type: "k8s" },
          profiles: [{ id: "p", resource_requests: { cpus: 0.1, memory: "64m" } }],
        }),
      ).values(),
    ];
    expect(sessionPod({ ...spec, containers: small!.containers }, settings)).toMatchObject({
      spec: {
        containers: [
          { resources: { limits: { cpu: "1000m", memory: "1Gi" }, requests: { cpu: "100m", memory: "64Mi" } } },
        ],
      },
    });
  });

  test("a cargo's claim names a class only when one is configured", () => {
    const cargo = {
      id: "ws-1",
      owner: "default",
      managed: true,
      sandboxId: "sandbox-1",
      profileId: "p",
      sizeLimitMb: 7,
      origin: "0123456789ab-8",
    };
    expect(cargoClaim(cargo, settings)).toMatchObject({
      metadata: {
        name: "bay-cargo-ws-1",
        labels: { "bay.managed": "true", "bay.owner": "default", "bay.cargo_id": "ws-1" },
      },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    });
    expect(cargoClaim(cargo, settings)).not.toHaveProperty("spec.storageClassName");
    expect(cargoClaim(cargo, { ...settings, storageClass: "fast" })).toHaveProperty("spec.storageClassName", "fast");
    expect(cargoClaim(cargo, settings)).not.toHaveProperty([
      "metadata",
      "annotations",
      "volume.kubernetes.io/selected-node",
    ]);
    expect(cargoClaim(cargo, { ...settings, volumeNode: "one" })).toHaveProperty(
      ["metadata", "annotations", "volume.kubernetes.io/selected-node"],
      "one",
    );
  });

  test("a claim says all that its record can be made again from, also of an owner that no label can hold", () => {
    const cargo = {
      id: "ws-1",
      owner: "some body/else",
      managed: true,
      sandboxId: "sandbox-1",
      profileId: "a profile",
      sizeLimitMb: 7,
      origin: "0123456789ab-8",
    };
    const claim = { ...cargoClaim(cargo, settings) } as Claim;
    claim.metadata.creationTimestamp = "2026-01-01T00:00:00Z";
    expect(listedCargo(claim, "bay")).toEqual({ ...cargo, createdAt: Date.UTC(2026, 0, 1), marked: false });
    claim.metadata.labels!["bay.set_aside"] = "true";
    claim.metadata.annotations!["bay.record"] = "not JSON";
    expect(listedCargo(claim, "bay")).toMatchObject({
      id: "ws-1",
      owner: "some-body-else",
      profileId: null,
      sizeLimitMb: null,
      marked: true,
    });
    claim.metadata.annotations!["bay.record"] = JSON.stringify({ owner: 7, profile_id: [], size_limit_mb: "1e9" });
    expect(listedCargo(claim, "bay")).toMatchObject({ owner: "some-body-else", profileId: null, sizeLimitMb: null });
    expect(listedCargo({ metadata: { name: "x" } }, "bay")).toBeUndefined();
  });

  test("a claim of a Bay from before says what it has", () => {
    const labels = { "bay.managed": "true", "bay.owner": "default", "bay.cargo_id": "ws-1", "bay.instance_id": "me" };
    expect(listedCargo({ metadata: { name: "bay-cargo-ws-1", labels } }, "bay")).toEqual({
      id: "ws-1",
      owner: "default",
      managed: true,
      sandboxId: null,
      profileId: null,
      sizeLimitMb: null,
      origin: null,
      createdAt: null,
      marked: false,
    });
  });

  test.each([
    ["1g", "1Gi"],
    ["512M", "512Mi"],
    ["64k", "64Ki"],
    ["1Gi", "1Gi"],
    ["2Ti", "2Ti"],
    ["1048576", "1048576"],
    ["1.5g", "1.5Gi"],
  ])("memory %s is %s", (given, quantity) => {
    expect(memoryQuantity(given)).toBe(quantity);
  });

  test.each([
    ["default", "default"],
    ["a b", "a-b"],
    ["--x--", "x"],
    ["x".repeat(80), "x".repeat(63)],
    ["ü", ""],
    ["a@b.c", "a-b.c"],
  ])("owner %j is labelled %j", (owner, label) => {
    expect(labelValue(owner)).toBe(label);
  });
});
