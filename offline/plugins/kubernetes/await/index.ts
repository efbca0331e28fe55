/** Which kinds are waited for, and how. */
import type { ValueMap } from "../../rpc/values";
import { gvkOf } from "../objects";
import { claimAwaiter, definitionAwaiter, serviceAwaiter } from "./others";
import { podAwaiter } from "./pod";
import type { Awaiter } from "./verdict";
import { daemonSetAwaiter, deploymentAwaiter, jobAwaiter, statefulSetAwaiter } from "./workloads";

const AWAITERS: Record<string, Awaiter> = {
  "/Pod": podAwaiter,
  "/PersistentVolumeClaim": claimAwaiter,
  "/Service": serviceAwaiter,
  "apps/Deployment": deploymentAwaiter,
  "apps/DaemonSet": daemonSetAwaiter,
  "apps/StatefulSet": statefulSetAwaiter,
  "batch/Job": jobAwaiter,
  "apiextensions.k8s.io/CustomResourceDefinition": definitionAwaiter,
};

/** How to wait for an object; `undefined` for kinds that are ready as soon as they exist. */
export function awaiterOf(object: ValueMap): Awaiter | undefined {
  const { group, kind } = gvkOf(object);
  return AWAITERS[`${group}/${kind}`];
}
