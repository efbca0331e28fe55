import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";

/** Prefix of every name and label that this project makes outside the cluster. */
export const PREFIX = "bay-e2e";

/** Labels by which everything is found again; deleting goes by these, never by remembered ids. */
export const LABELS = {
  /** Which stack of which checkout made it: the value is `Owner.id`. */
  owner: "bay-e2e.dev/owner",
  /** The stack's name, for people who look. */
  stack: "bay-e2e.dev/stack",
  /** Folder of the checkout. On Docker's things a label; in a cluster, whose labels are short, an annotation. */
  checkout: "bay-e2e.dev/checkout",
  /** Annotation: name of the host that made a namespace. The folder of a checkout means nothing on another. */
  host: "bay-e2e.dev/host",
  /** On a namespace that one run of tests made for itself: the suite. */
  tests: "bay-e2e.dev/tests",
} as const;

/** Annotation of such a namespace: host, process id and start of the run, to see whether it still lives. */
export const RUN_ANNOTATION = "bay-e2e.dev/run";

/** On an image that the runner builds for itself: what it is for. */
export const IMAGE_LABEL = "bay-e2e.dev/image";

/** On an image whose nodes can checkpoint and restore pods: the name of containerd's handler for it. */
export const CHECKPOINT_LABEL = "dev.runc-cr.handler";

/** Who owns what a stack makes on this host. */
export interface Owner {
  stack: string;
  /** Folder that holds Pulumi.yaml. */
  checkout: string;
  /** Twelve hex digits that differ between checkouts and between stacks. */
  id: string;
}

/**
 * The owner of a stack. Two checkouts on one host have different owners even for stacks of one name, so
 * that two runs do not meet.
 * @param root the folder that holds Pulumi.yaml
 */
export function ownerOf(root: string, stack: string): Owner {
  return { stack, checkout: root, id: digest(`${root}\0${stack}`, 12) };
}

/**
 * Name of the cluster that a stack makes and, on k3s, of its node container; short enough that kind can add
 * `-control-plane`.
 */
export function clusterName(owner: Owner): string {
  return shorten(`${PREFIX}-${owner.stack}-${owner.id.slice(0, 6)}`, 48);
}

/** The kubeconfig file that a stack's own tools may write: one for each stack, beside the state, never the user's. */
export function kubeconfigFile(root: string, stack: string): string {
  return join(root, ".state", "kubeconfig", `${shorten(stack)}.yaml`);
}

/** The labels of an object that `owner` makes in a cluster. */
export function labelsOf(owner: Owner): Record<string, string> {
  return { [LABELS.owner]: owner.id, [LABELS.stack]: shorten(owner.stack) };
}

/** The annotations of such an object: what does not fit into a label. */
export function annotationsOf(owner: Owner): Record<string, string> {
  return { [LABELS.checkout]: owner.checkout };
}

/** The annotations of a namespace that `owner` makes: checkout and host, for whoever finds it from elsewhere. */
export function namespaceAnnotationsOf(owner: Owner): Record<string, string> {
  return { ...annotationsOf(owner), [LABELS.host]: hostname() };
}

/** The labels of something that `owner` makes in Docker. */
export function dockerLabelsOf(owner: Owner): Record<string, string> {
  return { ...labelsOf(owner), ...annotationsOf(owner) };
}

/**
 * A legal DNS label made of `name`: lower case, other characters become `-`; what is too long or had to be
 * changed ends in six hex digits of the whole name, so that two names never become one.
 * @param limit longest result, default 63
 */
export function shorten(name: string, limit = 63): string {
  const clean = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "");
  if (clean === name && clean.length <= limit) return clean;
  const suffix = digest(name, 6);
  return `${clean.slice(0, limit - 7).replace(/-+$/, "")}-${suffix}`.replace(/^-/, "");
}

function digest(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}
