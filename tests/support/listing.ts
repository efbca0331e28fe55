import type { E2ESession } from "./session";

/** Whether the tests are only listed: their files are loaded, none of them runs, and no stack is needed. */
export function isListing(): boolean {
  return process.env["BAY_E2E_LIST"] === "1";
}

/**
 * What test files find while they are only listed. Nothing answers there: a test whose name depended on it would be
 * wrong.
 */
export const LISTING: E2ESession = {
  url: "http://127.0.0.1:9",
  reference: true,
  outputs: {
    backend: "k3s",
    namespace: "none",
    pod: "none",
    port: 9,
    apiKey: "none",
    kubeconfig: JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "none",
      contexts: [{ name: "none", context: { cluster: "none", user: "none" } }],
      clusters: [{ name: "none", cluster: { server: "https://127.0.0.1:9" } }],
      users: [{ name: "none", user: {} }],
    }),
    cluster: { name: "none", version: "none", nodes: [], runtime: "none", distribution: "none" },
    images: { bay: { reference: "none", id: "" }, ship: { reference: "none", id: "" } },
    profiles: [],
    checkpointRuntimeClass: "",
    checkpoint: {
      source: "none",
      reason: "the tests are only listed",
      url: "",
      forward: null,
      clusterId: "",
      namespace: "",
      release: "",
      chart: "",
    },
    propagatorToken: "",
  },
};
