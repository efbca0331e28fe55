import type { V1Pod } from "@kubernetes/client-node";
import type { Kube } from "./kube";
import type { Scope } from "./scope";
import { notYet, waitFor } from "./wait";

/** Where Bay's pod is. */
interface Place {
  namespace: string;
  pod: string;
}

/**
 * Deletes Bay's pod and makes it anew, as it was asked for; its owner sees to it that there is one again whatever
 * happens.
 * @param between What is done while there is none.
 * @returns the one that was there
 */
export async function replaceBayPod(
  owner: Pick<Scope, "add">,
  kube: Kube,
  { namespace, pod: name }: Place,
  between?: () => Promise<void>,
): Promise<V1Pod> {
  const old = (await kube.pod(namespace, name))!;
  owner.add(`pod ${name}`, () => makeUnlessThere(kube, old));
  await kube.deletePod(namespace, name);
  await waitFor(
    "removal of Bay's pod",
    async () => (await kube.pod(namespace, name)) === undefined || notYet("it is still there"),
    { deadline: 60_000 },
  );
  await between?.();
  await makeUnlessThere(kube, old);
  return old;
}

/** Makes the pod anew as it was asked for at first, with the owner of its fields: to Pulumi it is the same object. */
async function makeUnlessThere(kube: Kube, old: V1Pod): Promise<void> {
  const { name, namespace } = old.metadata as { name: string; namespace: string };
  if (await kube.pod(namespace, name)) return;
  const manager = old.metadata?.managedFields?.find(({ subresource }) => subresource === undefined)?.manager;
  const { volumes = [], containers, ...spec } = { ...old.spec!, nodeName: undefined };
  const mayStay = ({ name: volume }: { name: string }): boolean => !volume.startsWith("kube-api-access-");
  await kube.createPod(
    namespace,
    {
      metadata: { name, labels: old.metadata?.labels, annotations: old.metadata?.annotations },
      spec: {
        ...spec,
        volumes: volumes.filter(mayStay),
        containers: containers.map((container) => ({
          ...container,
          volumeMounts: container.volumeMounts?.filter(mayStay),
        })),
      },
    },
    manager,
  );
}
