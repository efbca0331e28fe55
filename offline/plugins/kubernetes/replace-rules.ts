/** Which changed fields cannot be applied to an existing object, so that it must be replaced. */
import { isMap, type Value, type ValueMap } from "../rpc/values";
import { at, gvkOf } from "./objects";

/** Settings of the provider that relax the rules. */
export interface ReplaceSettings {
  /** ConfigMaps are updated in place. Default false: a change of data replaces them. */
  enableConfigMapMutable?: boolean;
  /** Secrets are updated in place. Default false. */
  enableSecretMutable?: boolean;
}

/** Field paths, `*` for each element of a list, whose change replaces an object of this kind. */
export function replaceFields(object: ValueMap, settings: ReplaceSettings = {}): string[] {
  const { group, version, kind } = gvkOf(object);
  const fields = ["metadata.name", "metadata.namespace"];
  if (group === "" && version === "v1") {
    const immutable = at(object, "immutable") === true;
    if (kind === "Secret")
      fields.push("type", ...(settings.enableSecretMutable && !immutable ? [] : ["stringData", "data"]));
    if (kind === "ConfigMap" && !(settings.enableConfigMapMutable && !immutable)) fields.push("binaryData", "data");
  }
  return [...fields, ...(RULES[`${group}/${kind}`] ?? [])];
}

/**
 * Whether a change at `path` touches one of the fields: it lies in one, or `value`, the new value, holds one.
 * A removed value (`undefined`) touches only the fields that it lies in.
 */
export function isReplacing(
  fields: readonly string[],
  path: readonly (string | number)[],
  value: Value | undefined,
): boolean {
  const steps = path.map((step) => (typeof step === "number" ? "*" : step));
  return fields.some((field) => {
    const wanted = field.split(".");
    const common = Math.min(wanted.length, steps.length);
    if (wanted.slice(0, common).some((step, index) => step !== steps[index])) return false;
    return wanted.length <= steps.length || holds(value, wanted.slice(common));
  });
}

function holds(value: Value | undefined, path: readonly string[]): boolean {
  const [first, ...rest] = path;
  if (first === undefined) return value !== undefined;
  if (first === "*") return Array.isArray(value) && value.some((element) => holds(element, rest));
  return isMap(value) && Object.hasOwn(value, first) && holds(value[first], rest);
}

const under = (prefix: string, names: string): string[] => names.split(" ").map((name) => `${prefix}.${name}`);

const CONTAINER =
  "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources securityContext stdin stdinOnce " +
  "terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir";

const POD = [
  ...under(
    "spec",
    "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork hostPID hostname " +
      "imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority priorityClassName readinessGates restartPolicy runtimeClassName " +
      "schedulerName securityContext serviceAccount serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds volumes",
  ),
  ...under("spec.containers.*", CONTAINER),
  ...under("spec.initContainers.*", CONTAINER),
];

const VOLUME_SOURCES =
  "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs hostPath iscsi " +
  "local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume";

/** By group and kind; the versions of a kind do not differ in this. */
const RULES: Record<string, string[]> = {
  "/Pod": POD,
  "/PersistentVolume": under("spec", VOLUME_SOURCES),
  "/PersistentVolumeClaim": under("spec", "accessModes selector storageClassName volumeName"),
  "/ResourceQuota": ["spec.scopes"],
  "/Service": ["spec.clusterIP"],
  "apps/DaemonSet": ["spec.selector"],
  "apps/Deployment": ["spec.selector"],
  "apps/StatefulSet": under(
    "spec",
    "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates",
  ),
  "batch/Job": under("spec", "completions parallelism selector template"),
  "rbac.authorization.k8s.io/ClusterRoleBinding": ["roleRef"],
  "rbac.authorization.k8s.io/RoleBinding": ["roleRef"],
  "storage.k8s.io/StorageClass": ["parameters", "provisioner"],
};
