/** PersistentVolumeClaim, Service and CustomResourceDefinition. */
import { at, listAt, mapAt, namespaceOf, nameOf, textAt } from "../objects";
import { condition, shown } from "./conditions";
import { READY, waiting, type Awaiter } from "./verdict";

/** A claim: bound; one whose class binds with its first consumer is as ready as it can be. */
export const claimAwaiter: Awaiter = {
  timeoutMs: 300_000,
  related: (live) => ({
    classes: {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      namespace: "",
      name: textAt(live, "spec", "storageClassName") || "-",
    },
  }),
  evaluate: (live, { classes = [] }) => {
    const phase = textAt(live, "status", "phase");
    if (phase === "Bound" || textAt(classes[0], "volumeBindingMode") === "WaitForFirstConsumer") return READY;
    const name = shown(live);
    if (phase === "Lost")
      return { state: "hopeless", message: `PersistentVolumeClaim "${name}" has lost its volume`, details: [] };
    const className = textAt(live, "spec", "storageClassName");
    const reason =
      className === ""
        ? "no storage class"
        : classes.length === 0
          ? `storage class "${className}" not found`
          : `storage class "${className}" has provisioned no volume yet`;
    return waiting(`Waiting for PersistentVolumeClaim "${name}" to be bound`, [
      `[PersistentVolumeClaim ${name}]: ${reason}`,
    ]);
  },
};

/** A Service: it has an endpoint that is ready, unless nobody is to be selected; a load balancer also an address. */
export const serviceAwaiter: Awaiter = {
  timeoutMs: 600_000,
  related: (live) => ({
    slices: {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      namespace: namespaceOf(live),
      labelSelector: `kubernetes.io/service-name=${nameOf(live)}`,
    },
  }),
  evaluate: (live, { slices = [] }) => {
    const type = textAt(live, "spec", "type");
    if (type === "ExternalName") return READY;
    const selects =
      Object.keys(mapAt(live, "spec", "selector")).length > 0 && textAt(live, "spec", "clusterIP") !== "None";
    const targeted = slices.some((slice) =>
      listAt(slice, "endpoints").some((endpoint) => at(endpoint, "conditions", "ready") === true),
    );
    if (selects && !targeted) {
      return waiting("Finding Pods to direct traffic to", [
        "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match labels on any Pods",
      ]);
    }
    if (type === "LoadBalancer" && listAt(live, "status", "loadBalancer", "ingress").length === 0) {
      return waiting("Attempting to allocate IP address to Service", [
        "Service was not allocated an IP address; does your cloud provider support this?",
      ]);
    }
    return READY;
  },
};

/** A definition: the API server serves its kind. */
export const definitionAwaiter: Awaiter = {
  timeoutMs: 60_000,
  evaluate: (live) => {
    const names = condition(live, "NamesAccepted");
    if (names.status === "False")
      return {
        state: "hopeless",
        message: `names of "${nameOf(live)}" are not accepted`,
        details: [`[${names.reason}] ${names.message}`],
      };
    return condition(live, "Established").status === "True"
      ? READY
      : waiting(`Waiting for CustomResourceDefinition "${nameOf(live)}" to be established`);
  },
};
