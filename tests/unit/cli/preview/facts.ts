import type { FoundPreview } from "../../../../cli/preview/facts";

export const NOW = Date.parse("2026-11-22T16:00:00Z");

/** A preview that is up, an hour old and used ten minutes ago; `more` says what is different. */
export function preview(more: Partial<FoundPreview> = {}): FoundPreview {
  const given: FoundPreview = {
    name: "pr-7",
    owner: "octo-shop",
    created: "2026-11-22T15:00:00Z",
    lastUsed: "2026-11-22T15:50:00Z",
    expires: "2026-11-22T19:00:00Z",
    ttl: 14_400,
    idle: 0,
    keep: false,
    template: "k3s",
    commit: "",
    stack: "preview-pr-7",
    condition: "up",
    whole: true,
    cluster: "k3s",
    clusterState: "answers",
    namespace: "bay-preview-pr-7",
    terminating: false,
    checkout: "/here",
    host: "this-host",
    ...more,
  };
  // A key that is there without a value is not the same to the code as one that is not.
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as unknown as FoundPreview;
}
