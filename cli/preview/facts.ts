import type { Preview } from "../../infra/preview";
import type { OwnedNamespace } from "../cluster/namespaces";

/** A preview as it was found: by its namespace, by its stack in this checkout, or by both. */
export interface PreviewFacts extends Preview {
  /** ISO 8601; empty where nobody wrote it. */
  lastUsed: string;
  /** Its stack in this checkout; nothing where neither state nor file of it is here. */
  stack?: string;
  /** What the state of this checkout says of it; `elsewhere`: nothing. */
  condition: "up" | "interrupted" | "not up" | "elsewhere";
  /** Whether the state holds Bay's pod: the first `up` was done. */
  whole: boolean;
  /** The stack or the context whose cluster it is on. */
  cluster: string;
  /** `gone`: the stack that made the cluster is not up any more. */
  clusterState: "answers" | "silent" | "gone";
  /** Its namespace, where that is there. */
  namespace?: string;
  /** Whether the namespace is being deleted. */
  terminating: boolean;
  /** Folder of the checkout that made it; empty where nobody knows. */
  checkout: string;
  /** Host that made it; empty where it does not say. */
  host: string;
  /** Who works on it now, in words. */
  busy?: string;
}

/** A preview with the way into its cluster, which is secret, and its namespace as it was found. */
export interface FoundPreview extends PreviewFacts {
  kubeconfig?: string;
  live?: OwnedNamespace;
}

/** The same without the secret and the namespace, for JSON. */
export function openFacts({ kubeconfig, live, ...facts }: FoundPreview): PreviewFacts {
  void [kubeconfig, live];
  return facts;
}
