import * as pulumi from "@pulumi/pulumi";

/**
 * Names that children of components had before they were named after their component, by the ones of now. A stack that
 * was made then goes on with what it has; programs of others have no such stacks, so the components know nothing of it.
 */
export const FORMER_NAMES: Readonly<Record<string, string>> = {
  "access-service-account": "service-account",
  "access-role": "role",
  "access-role-binding": "role-binding",
  "network-sandboxes": "bay-sandboxes",
  "network-internet": "bay-sandboxes-internet",
  "network-bay": "bay",
  "bay-config": "config",
  "bay-api-key": "api-key",
  "bay-data": "data",
  "bay-pod": "pod",
  "images-bay": "bay",
  "images-ship": "ship",
  "checkpoint-images-propagator": "propagator",
  "checkpoint-namespace": "namespace",
  "checkpoint-pull-secret": "pull-secret",
  "checkpoint-release": "release",
};

/** Tells Pulumi the former names of the stack's resources; to be called before anything is declared. */
export function knowFormerNames(): void {
  pulumi.runtime.registerStackTransformation(({ name, props, opts, type }) => {
    const former = FORMER_NAMES[name];
    // A component's own name never changed.
    if (former === undefined || type.startsWith("bay-e2e:")) return undefined;
    return { props, opts: pulumi.mergeOptions(opts, { aliases: [{ name: former }] }) };
  });
}
