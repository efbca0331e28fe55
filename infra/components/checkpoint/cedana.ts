import * as pulumi from "@pulumi/pulumi";
import { given, overlay, type ReleasePlan, type Source, type SourceArgs } from "./source";

/** What its controller needs on a small test cluster. */
const LEAST = { requests: { cpu: "100m", memory: "64Mi" }, limits: { cpu: "200m", memory: "128Mi" } };
/** Where the kubelet's containerd listens, where the configuration does not say. */
const CONTAINERD = { k3s: "/run/k3s/containerd/containerd.sock", kind: "/run/containerd/containerd.sock" };

/** Cedana, by its own chart and with a token of its service. */
export const cedana: Source = {
  name: "cedana",

  // Its objects have fixed names, so a cluster has room for one release.
  namespace: () => "cedana-system",

  // --- release -------------------------------------------------------------------------------------------

  release({ settings }: SourceArgs): ReleasePlan {
    const { checkpointContainerdAddress, checkpointResources, backend } = settings;
    const containerdAddress =
      checkpointContainerdAddress || (backend === "k3s" || backend === "kind" ? CONTAINERD[backend] : "");
    const values = {
      config: {
        authToken: pulumi.secret(settings.cedanaToken),
        url: fullUrl(settings.cedanaUrl),
        clusterId: settings.cedanaClusterId,
        logLevel: settings.checkpointLogLevel,
        ...given("checkpointDir", settings.checkpointDirectory),
        checkpointCompression: settings.checkpointCompression,
        checkpointStreams: 0,
        // A test cluster has no GPU, and the service that gets the figures may have no place for them.
        pluginsGpuVersion: "none",
        metrics: false,
      },
      hostConfig: given("containerdAddress", containerdAddress),
      controllerManager: { manager: { resources: overlay(LEAST, checkpointResources) } },
    };
    return {
      name: "cedana",
      chart: settings.cedanaChart,
      version: settings.cedanaChartVersion,
      values: overlay(values, settings.checkpointValues),
      keep: [],
    };
  },

  // --- answers -------------------------------------------------------------------------------------------

  answers: ({ settings }) => ({
    url: fullUrl(settings.cedanaUrl).replace(/\/v1$/, ""),
    forward: null,
    clusterId: settings.cedanaClusterId,
  }),

  token: (values) => (values["config"] as unknown as { authToken: string }).authToken,
};

/** The form that the chart wants: with a scheme, and ending in /v1. */
export function fullUrl(url: string): string {
  const bare = url.replace(/\/$/, "").replace(/\/v1$/, "");
  return `${/^https?:\/\//.test(bare) ? "" : "https://"}${bare}/v1`;
}
