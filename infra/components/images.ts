import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { join, relative, resolve } from "node:path";
import type { LocalImage } from "../backends/backend";
import { PREFIX } from "../naming";
import type { ImageOutput } from "../outputs";
import { bundle } from "../support/bundle";
import { Component, type ComponentOptions } from "./component";
import { hostOf, type Registry } from "./registry";

/** Where one image comes from. */
export interface ImageSource {
  /**
   * Ready reference, or the content id (`sha256:…`) of an image of the local store; everything else is ignored when it
   * is not empty.
   */
  reference: string;
  /** Build context, relative to `root`. */
  context: string;
  /** Dockerfile relative to `root`; empty means the one in the context. */
  dockerfile: string;
  /** Build argument BASE_IMAGE. */
  baseImage: string;
}

export interface ImagesArgs<Name extends string> {
  /** Folder that relative paths start from. Default the program's. */
  root?: string;
  /** Part of the built images' names, so that stacks do not overwrite each other's. Default the stack's name. */
  stack?: string;
  sources: Record<Name, ImageSource>;
  /** Where built images are pushed to; without it they are loaded. */
  registry?: Registry | undefined;
  /** Brings local images to the cluster and gives their references: `loadInto` of node containers, for example. */
  load: (images: pulumi.Output<LocalImage[]>) => pulumi.Output<Record<string, ImageOutput>>;
  /** Changes what is declared. */
  transform?: { image?: (args: docker.ImageArgs, options: pulumi.CustomResourceOptions) => void };
}

/** The images of the stack: built here and loaded into the cluster or pushed to a registry, or taken as given. */
export class Images<Name extends string> extends Component {
  /** Each image as the cluster knows it, once the cluster has it. */
  readonly images: Record<Name, pulumi.Output<ImageOutput>>;
  /** Each image's pull policy: what was loaded must never be pulled. */
  readonly pullPolicy: Record<Name, "Never" | "IfNotPresent">;

  constructor(name: string, args: ImagesArgs<Name>, options: ComponentOptions = {}) {
    super("Images", name, options);
    const sources = Object.entries(args.sources) as [Name, ImageSource][];
    const local = new Map(
      sources
        .filter(([, { reference }]) => isLocal(reference))
        .map(([image, source]) => [
          image,
          source.reference === ""
            ? this.build(image, source, args)
            : pulumi.output<LocalImage>({ name: image, id: source.reference }),
        ]),
    );
    const deliver = (images: pulumi.Output<LocalImage>[]) =>
      args.registry ? pulumi.all(images).apply(pushed) : args.load(pulumi.all(images));
    // At once, as images share layers; in a preview nothing is brought anywhere, and one that is to be built must not
    // hide another's name.
    const delivered = pulumi.runtime.isDryRun() ? undefined : deliver([...local.values()]);
    const each = <T>(value: (image: Name, source: ImageSource) => T) =>
      Object.fromEntries(sources.map(([image, source]) => [image, value(image, source)])) as Record<Name, T>;
    this.images = each((image, { reference }) =>
      isLocal(reference)
        ? (delivered ?? deliver([local.get(image)!])).apply((all) => all[image]!)
        : pulumi.output({ reference, id: "" }),
    );
    this.pullPolicy = each((_, { reference }) => (isLocal(reference) && !args.registry ? "Never" : "IfNotPresent"));
    this.registerOutputs(this.images);
  }

  private build(
    image: Name,
    source: ImageSource,
    { root = process.cwd(), stack = pulumi.getStack(), registry, transform }: ImagesArgs<Name>,
  ): pulumi.Output<LocalImage> {
    const context = resolve(root, source.context);
    const dockerfile = source.dockerfile === "" ? join(context, "Dockerfile") : resolve(root, source.dockerfile);
    bundle(context);
    // Paths in the state are relative to the program's folder, so that a moved checkout is no change.
    const here = (path: string) => relative(process.cwd(), path);
    const args: docker.ImageArgs = {
      imageName: `${registry ? registry.prefix : PREFIX}/${image}:${stack}`,
      build: {
        context: here(context),
        dockerfile: here(dockerfile),
        platform: `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`,
        args: { BASE_IMAGE: source.baseImage },
      },
      skipPush: !registry,
      ...(registry?.login ? { registry: { server: hostOf(registry), ...registry.login } } : {}),
    };
    const options = this.child({ deletedWith: undefined });
    transform?.image?.(args, options);
    const built = new docker.Image(this.childName(image), args, options);
    return built.repoDigest.apply((id): LocalImage => ({ name: image, id }));
  }
}

/** Whether an image is, or will be, in the local store, and must be brought to the cluster. */
function isLocal(reference: string): boolean {
  return reference === "" || reference.startsWith("sha256:");
}

/** What was pushed is known by its manifest's digest: `registry/bay@sha256:…`. */
function pushed(images: LocalImage[]): Record<string, ImageOutput> {
  return Object.fromEntries(images.map(({ name, id }) => [name, { reference: id, id: id.slice(id.indexOf("@") + 1) }]));
}
