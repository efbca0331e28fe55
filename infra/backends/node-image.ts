import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { join, relative } from "node:path";
import { checkpointMode, substitute } from "../config";
import { CHECKPOINT_LABEL, PREFIX } from "../naming";
import { labelOfLocalImage } from "../support/docker";
import type { BackendArgs } from "./backend";

/**
 * The image that a stack's nodes run: the configured one, or one built on top of it that has the runtime of
 * checkpoints, where the configuration wants that and the image does not have it by itself.
 * @param kind the contract that the image answers, which is also the Dockerfile's target
 */
export function nodeImage(
  kind: "k3s" | "kind",
  configured: string,
  { settings, owner, root }: BackendArgs,
  parent: pulumi.Resource,
): pulumi.Input<string> {
  const use = (reference: string) => substitute(reference, settings.imageSubstitutes);
  const image = use(configured);
  // An image that is not here yet is an official one, which has no such label.
  if (checkpointMode(settings) !== true || labelOfLocalImage(image, CHECKPOINT_LABEL) !== "") return image;
  const here = (path: string) => relative(process.cwd(), join(root, "images", "runc-cr", path));
  return new docker.Image(
    "node-image",
    {
      imageName: `${PREFIX}/checkpoint-node:${owner.stack}`,
      build: {
        context: here("."),
        dockerfile: here("Dockerfile"),
        target: kind,
        platform: `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`,
        args: { NODE_IMAGE: image, GO_IMAGE: use(settings.goImage), DEBIAN_IMAGE: use(settings.criuImage) },
      },
      skipPush: true,
    },
    { parent },
  ).repoDigest;
}
