import { LABELS, PREFIX } from "../naming";
import { containersOf, type Declared, labelsOf, podOf, SANDBOX_LABEL } from "./objects";

/** One rule of the pack. */
export interface Rule {
  name: string;
  description: string;
  /**
   * What is wrong with a resource, each in words that name the place; nothing where the rule has no say or all is well.
   */
  violations(resource: Declared): string[];
}

/** Components whose resources are the nodes, or work on them. */
const NEAR_NODES = /bay-e2e:index:(Cluster|Checkpoint)\$/;

/** A digest, or a tag that is the content id of an image which this project loaded into the nodes. */
const BY_CONTENT = new RegExp(`@sha256:[0-9a-f]{64}$|^docker\\.io/${PREFIX}/[\\w-]+:[0-9a-f]{12,64}$`);

/** Kinds that outlive every namespace, and Docker's things: they are found again, and removed, by their labels. */
const LABELLED =
  /^kubernetes:(core\/v1:Namespace|node\.k8s\.io\/v1:RuntimeClass|rbac\.authorization\.k8s\.io\/v1:Cluster\w+|storage\.k8s\.io\/v1:StorageClass)$|^docker:index\/(container:Container|network:Network|volume:Volume)$/;

/** Every rule, in the order in which they are shown. */
export const RULES: readonly Rule[] = [
  {
    name: "no-wildcard-rbac",
    description: "Roles name what they allow: no *, and no binding to cluster-admin.",
    violations({ type, props }) {
      if (/:rbac\.authorization\.k8s\.io\/v1:(Role|ClusterRole)$/.test(type)) {
        return ((props["rules"] ?? []) as Record<string, string[] | undefined>[]).flatMap((rule, index) =>
          ["apiGroups", "resources", "verbs", "nonResourceURLs"]
            .filter((key) => rule[key]?.some((value) => value.includes("*")))
            .map((key) => `rules[${index}].${key} has a wildcard`),
        );
      }
      const bound =
        /:(Role|ClusterRole)Binding$/.test(type) &&
        (props["roleRef"] as { name?: string } | undefined)?.name === "cluster-admin";
      return bound ? ["it binds cluster-admin, which may do everything"] : [];
    },
  },
  {
    name: "no-privileged-pod",
    description:
      "Pods are privileged, or share the node's namespaces and folders, in the components of the node and of checkpoints alone.",
    violations(resource) {
      if (NEAR_NODES.test(resource.urn)) return [];
      if (resource.type === "docker:index/container:Container")
        return resource.props["privileged"] === true ? ["privileged is set"] : [];
      if (resource.type === "kubernetes:core/v1:Namespace")
        return labelsOf(resource)["pod-security.kubernetes.io/enforce"] === "privileged"
          ? ["it admits privileged pods"]
          : [];
      const spec = podOf(resource)?.spec;
      if (!spec) return [];
      const shared = (["hostPID", "hostIPC", "hostNetwork"] as const)
        .filter((key) => spec[key] === true)
        .map((key) => `${key} is set`);
      const folders = (spec.volumes ?? [])
        .filter((volume) => volume["hostPath"] !== undefined)
        .map((volume) => `volume ${String(volume["name"])} is a folder of the node`);
      const privileged = containersOf(spec)
        .filter(({ securityContext }) => securityContext?.privileged === true)
        .map(({ name }) => `container ${name} is privileged`);
      return [...shared, ...folders, ...privileged];
    },
  },
  {
    name: "images-by-content",
    description:
      "Pods name images by their content: a digest, or the content id under which this project loads an image.",
    violations: (resource) =>
      containersOf(podOf(resource)?.spec)
        .filter(({ image }) => !BY_CONTENT.test(image ?? ""))
        .map(
          ({ name, image }) =>
            `container ${name} has the image ${image ?? "(none)"}, which may become another one under its name`,
        ),
  },
  {
    name: "resources-set",
    description: "Containers ask for processor time and memory, and have a limit of memory.",
    violations: (resource) =>
      containersOf(podOf(resource)?.spec).flatMap(({ name, resources }) =>
        [
          ["requests", "cpu"],
          ["requests", "memory"],
          ["limits", "memory"],
        ]
          .filter(([kind, what]) => !resources?.[kind as "requests" | "limits"]?.[what!])
          .map(([kind, what]) => `container ${name} has no ${kind}.${what}`),
      ),
  },
  {
    name: "no-token-in-sandboxes",
    description: "Pods of sandboxes mount no token of the API server, and no pod mounts that of the account default.",
    violations(resource) {
      const pod = podOf(resource);
      if (!pod || pod.spec.automountServiceAccountToken === false) return [];
      if (pod.labels[SANDBOX_LABEL] === "true")
        return ["automountServiceAccountToken is not false, and this is a sandbox"];
      return (pod.spec.serviceAccountName ?? "default") === "default"
        ? ["it mounts the token of the account default: name an account, or set automountServiceAccountToken to false"]
        : [];
    },
  },
  {
    name: "labels-present",
    description: "What outlives namespaces, and all that is made in Docker, has the labels by which it is found again.",
    violations: (resource) =>
      LABELLED.test(resource.type)
        ? [LABELS.owner, LABELS.stack]
            .filter((label) => !labelsOf(resource)[label])
            .map((label) => `label ${label} is missing`)
        : [],
  },
];
