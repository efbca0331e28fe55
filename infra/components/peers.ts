/** Pods that a network policy lets in or out, by labels. */
export interface Peer {
  /** Labels of their namespace. Default: the policy's own namespace. */
  namespace?: Record<string, string>;
  /** Labels of the pods. Default: all pods of the namespace. */
  pod?: Record<string, string>;
}

/**
 * Peers as a NetworkPolicy has them. An empty list of them means everybody there, so a rule with none must be left out.
 */
export function peersOf(peers: readonly Peer[]): object[] {
  return peers.map(({ namespace, pod }) => ({
    ...(namespace ? { namespaceSelector: { matchLabels: { ...namespace } } } : {}),
    ...(pod || !namespace ? { podSelector: { matchLabels: { ...pod } } } : {}),
  }));
}
