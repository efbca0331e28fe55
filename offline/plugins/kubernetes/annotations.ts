/** The `pulumi.com/...` annotations by which a program steers the plugin. */
import type { ValueMap } from "../rpc/values";
import { textAt } from "./objects";

const PREFIX = "pulumi.com/";

/** An annotation of the plugin on an object; "" when it is not set. */
export function annotation(object: ValueMap, name: string): string {
  return textAt(object, "metadata", "annotations", `${PREFIX}${name}`);
}

function flag(object: ValueMap, name: string): boolean {
  return annotation(object, name).toLowerCase() === "true";
}

/** Whether the program asked not to wait for readiness. */
export function skipsAwait(object: ValueMap): boolean {
  return flag(object, "skipAwait");
}

/** Whether conflicts with other field managers are to be overridden. */
export function forcesPatch(object: ValueMap): boolean {
  return flag(object, "patchForce");
}

/** Whether the name was made by the plugin. */
export function isAutonamed(object: ValueMap): boolean {
  return flag(object, "autonamed");
}

/** Name and value of the annotation that marks a name as made by the plugin. */
export const AUTONAMED = { key: `${PREFIX}autonamed`, value: "true" } as const;

/** How dependents are deleted. Default: foreground, so that the object is gone only after them. */
export function propagationPolicy(object: ValueMap): "Foreground" | "Background" | "Orphan" {
  switch (annotation(object, "deletionPropagationPolicy").toLowerCase()) {
    case "background":
      return "Background";
    case "orphan":
      return "Orphan";
    default:
      return "Foreground";
  }
}

/**
 * Milliseconds to wait: `customTimeouts` of the program (seconds, 0 for none), else the annotation, else the default.
 */
export function timeoutMs(requestSeconds: number, object: ValueMap, defaultMs: number): number {
  if (requestSeconds > 0) return requestSeconds * 1000;
  const seconds = Number(annotation(object, "timeoutSeconds"));
  return seconds > 0 ? seconds * 1000 : defaultMs;
}
