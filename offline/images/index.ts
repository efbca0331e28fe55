import { requireDisk, requireLinux } from "../host/preconditions";
import type { Step } from "../steps";
import { OFFICIAL_IMAGES, VERSIONS } from "../versions";
import { baseTags, makeBases } from "./bases";
import { presentImages } from "./docker";
import { makeNodeImage, makeNodeOs, makeNodePrograms, nodeImageTag } from "./node";

/** Which image stands in for which: the official name to the name of what is made here. */
export function substitutes(): Record<string, string> {
  const bases = baseTags();
  return { [OFFICIAL_IMAGES.node]: nodeImageTag(), [OFFICIAL_IMAGES.bay]: bases.bay, [OFFICIAL_IMAGES.ship]: bases.ship };
}

/** The steps to the images that the daemon lacks. */
export async function imageSteps(): Promise<Step[]> {
  const tags = substitutes();
  const present = await presentImages(Object.values(tags));
  const steps: Step[] = [];
  const node = tags[OFFICIAL_IMAGES.node]!;
  if (!present.has(tags[OFFICIAL_IMAGES.bay]!) || !present.has(tags[OFFICIAL_IMAGES.ship]!)) {
    steps.push({ name: "baseImages", title: `base images: Debian ${VERSIONS.suites.base}, Node.js ${VERSIONS.node}, Python`, work: makeBases });
  }
  if (!present.has(node)) {
    const made = { os: "", programs: "" };
    steps.push(
      { name: "nodeOs", title: `node image's system: Debian ${VERSIONS.suites.node} with containerd, runc, criu`, work: async () => { made.os = await makeNodeOs(async (tag) => (await presentImages([tag])).has(tag)); } },
      { name: "nodePrograms", title: `Kubernetes ${VERSIONS.kubernetes}, etcd and CoreDNS from their Go modules (about 6 min on 2 cores)`, work: async () => { made.programs = await makeNodePrograms(); } },
      { name: "nodeImage", title: `node image ${node}`, work: () => makeNodeImage(made.os, made.programs) },
    );
  }
  if (steps.length > 0) {
    requireLinux();
    requireDisk(10);
  }
  return steps;
}

/** One line for each image that stands in for an official one. */
export function imageNotes(): string[] {
  return Object.entries(substitutes()).map(([official, made]) => `image ${made} made here in place of ${official} (image registry not reachable)`);
}
