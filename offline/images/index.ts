import { requireDisk, requireLinux } from "../host/preconditions";
import type { Step } from "../steps";
import { OFFICIAL_IMAGES, OFFICIAL_KIND_NODE, VERSIONS } from "../versions";
import { baseTags, makeBases } from "./bases";
import { presentImages } from "./docker";
import { makeNodeImage, makeNodeOs, makeNodePrograms, missingParts, type NodeKind, nodeImageTag } from "./node";

/** Which image stands in for which: the official name to the name of what is made here. */
export function substitutes(): Record<string, string> {
  const bases = baseTags();
  return {
    [OFFICIAL_IMAGES.node]: nodeImageTag("k3s"),
    [OFFICIAL_IMAGES.bay]: bases.bay,
    [OFFICIAL_IMAGES.ship]: bases.ship,
  };
}

/** The same for kind, whose image is made only where a stack asks for kind. */
export function kindSubstitutes(): Record<string, string> {
  return { [OFFICIAL_KIND_NODE]: nodeImageTag("kind") };
}

/**
 * The steps to the images that the daemon lacks.
 * @param nodes node images that are wanted
 * @param bases whether the base images are wanted
 */
export async function imageSteps(nodes: readonly NodeKind[], bases: boolean): Promise<Step[]> {
  const tags = baseTags();
  const present = await presentImages([...Object.values(tags), ...nodes.map(nodeImageTag)]);
  const steps: Step[] = [];
  if (bases && !(present.has(tags.bay) && present.has(tags.ship))) {
    steps.push({
      name: "baseImages",
      title: `base images: Debian ${VERSIONS.suites.base}, Node.js ${VERSIONS.node}, Python`,
      work: makeBases,
    });
  }
  const missing = nodes.filter((kind) => !present.has(nodeImageTag(kind)));
  if (missing.length > 0) steps.push(...(await partSteps()));
  for (const kind of missing)
    steps.push({ name: `${kind}Node`, title: `node image ${nodeImageTag(kind)}`, work: () => makeNodeImage(kind) });
  if (steps.length > 0) {
    requireLinux();
    requireDisk(10);
  }
  return steps;
}

/** The steps to what all node images share. */
async function partSteps(): Promise<Step[]> {
  const missing = await missingParts();
  return [
    ...(missing.os
      ? [
          {
            name: "nodeOs",
            title: `node image's system: Debian ${VERSIONS.suites.node} with containerd, runc, criu`,
            work: makeNodeOs,
          },
        ]
      : []),
    ...(missing.programs
      ? [
          {
            name: "nodePrograms",
            title: `Kubernetes ${VERSIONS.kubernetes}, etcd and CoreDNS from their Go modules (about 6 min on 2 cores)`,
            work: async () => {
              await makeNodePrograms();
            },
          },
        ]
      : []),
  ];
}

/** One line for each image that stands in for an official one. */
export function imageNotes(): string[] {
  return Object.entries(substitutes()).map(
    ([official, made]) => `image ${made} made here in place of ${official} (image registry not reachable)`,
  );
}

export function kindImageNotes(): string[] {
  const [[official, made]] = Object.entries(kindSubstitutes()) as [[string, string]];
  return [
    `image ${made} made here in place of ${official.replace(/@.*/, "")}: Kubernetes ${VERSIONS.kubernetes}, no systemd (image registry not reachable)`,
  ];
}
