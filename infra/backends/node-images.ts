import * as pulumi from "@pulumi/pulumi";
import { PREFIX } from "../naming";
import type { ImageOutput } from "../outputs";
import { execIn, localImages, saveInto, tagImage } from "../support/docker";
import { UserError } from "../support/errors";
import { record } from "../support/facts";
import type { Look } from "../support/wait";
import { waitFor } from "../support/wait";
import type { LocalImage } from "./backend";

const CTR = ["ctr", "-n", "k8s.io", "images"] as const;

/** The reference under which a cluster knows a local image: its tag is its content, so a name never lies. */
export function contentReference(image: LocalImage): ImageOutput {
  return {
    reference: `docker.io/${PREFIX}/${image.name}:${image.id.replace("sha256:", "").slice(0, 12)}`,
    id: image.id,
  };
}

/** What `Backend.load` gives where the nodes are containers of this host; in a preview nothing is loaded. */
export function loadInto(
  nodes: pulumi.Input<string[]>,
  images: pulumi.Input<pulumi.Unwrap<LocalImage>[]>,
  timeout: number,
): pulumi.Output<Record<string, ImageOutput>> {
  return pulumi.all([nodes, images]).apply(async ([names, list]) => {
    if (!pulumi.runtime.isDryRun()) await Promise.all(names.map((node) => loadIntoNode(node, list, { timeout })));
    return references(list);
  });
}

/** Each image's reference by its name. */
export function references(images: readonly LocalImage[]): Record<string, ImageOutput> {
  return Object.fromEntries(images.map((image) => [image.name, contentReference(image)]));
}

/**
 * Gives images of the local store the names by which a cluster knows them.
 * @throws UserError E_IMAGE_LOST when the store has one no longer
 */
export async function tagLocally(images: readonly LocalImage[]): Promise<void> {
  const local = await localImages(images.map((image) => image.id));
  const lost = images.filter((image) => !local.has(image.id));
  if (lost.length > 0) {
    throw new UserError("E_IMAGE_LOST", {
      seen: `${lost.map((image) => `${image.name} (${image.id})`).join(", ")} is in the stack's state, but no longer in the local image store`,
      wanted: "the image in the store, or on the node",
      next: `pulumi up --yes ${lost.map((image) => `--replace '**docker:index/image:Image::*-${image.name}'`).join(" ")}`,
    });
  }
  await Promise.all(
    images.map((image) => tagImage(image.id, contentReference(image).reference.replace(/^docker\.io\//, ""))),
  );
}

/**
 * Loads into a node container what it lacks, and looks again.
 * @param node id or name of a container with containerd's `ctr`
 * @throws UserError E_IMAGE_LOST when the local store does not have an image either, E_IMAGE_NOT_ON_NODE
 *   when an import went through and the image is still not there
 */
export async function loadIntoNode(
  node: string,
  images: readonly LocalImage[],
  options: { timeout: number },
): Promise<void> {
  const present = await waitFor(
    () => imagesOn(node),
    { deadline: options.timeout * 1000 },
    (reason) => notOnNode(node, "any image list", reason),
  );
  const missing = images.filter((image) => !present.has(contentReference(image).reference));
  if (missing.length === 0) return;
  await tagLocally(missing);
  const names = missing.map((image) => contentReference(image).reference);
  const bytes = await saveInto(names, node, [...CTR, "import", "--local", "-"]);
  record({ imageBytesLoaded: bytes, imagesLoaded: names });
  await verify(node, names);
}

async function imagesOn(node: string): Promise<Look<Set<string>>> {
  const list = await execIn(node, [...CTR, "ls", "-q"]);
  return list.exitCode === 0 ? { value: new Set(list.stdout.split("\n")) } : { reason: list.stderr };
}

async function verify(node: string, references: readonly string[]): Promise<void> {
  const after = await imagesOn(node);
  const absent = "value" in after ? references.filter((reference) => !after.value.has(reference)) : references;
  if (absent.length > 0)
    throw notOnNode(node, absent.join(", "), "reason" in after ? after.reason : "the import ended without an error");
}

function notOnNode(node: string, image: string, reason: string): UserError {
  return new UserError("E_IMAGE_NOT_ON_NODE", {
    seen: `${image} is missing on node ${node.slice(0, 12)}: ${reason}`,
    wanted: "the image on the node before a pod asks for it",
    next: `docker exec ${node.slice(0, 12)} ${[...CTR, "ls"].join(" ")}`,
  });
}
