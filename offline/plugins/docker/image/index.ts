/** `docker.Image`: built from a folder, and pushed when the program does not skip that. */
import { status } from "@grpc/grpc-js";
import { basename } from "node:path";
import {
  containsUnknown,
  equal,
  isMap,
  markSecretsLike,
  RpcError,
  Secret,
  unwrapMap,
  type CheckRequest,
  type CheckResult,
  type DiffRequest,
  type DiffResult,
  type Value,
  type ValueMap,
} from "../../rpc";
import { Inputs } from "../inputs";
import type { Scope } from "../resources/resource";
import { buildImage } from "./build";
import { contextDigest, readContext } from "./context";
import { buildOptions, dockerfileInContext, isCanonical, problems, withDigest } from "./options";
import { pushImage } from "./push";

export const IMAGE_TYPE = "docker:index/image:Image";

export interface ImageHandlers {
  check(request: CheckRequest): Promise<CheckResult>;
  diff(request: DiffRequest): DiffResult;
  /** What is known before the build. */
  preview(properties: ValueMap): ValueMap;
  /** Builds (and pushes); the outputs. */
  build(properties: ValueMap, scope: Scope): Promise<ValueMap>;
}

export const imageHandlers: ImageHandlers = {
  async check({ news }) {
    const inputs = new Inputs(unwrapMap(news));
    const failures = problems(inputs);
    if (failures.length > 0) return { inputs: news, failures };
    const name = inputs.text("imageName");
    if (
      name !== undefined &&
      !(inputs.flag("skipPush") ?? false) &&
      !containsUnknown(news.skipPush) &&
      !isCanonical(name)
    )
      throw notCanonical(name);
    const build = news.build;
    // Without its paths known the context cannot be read; the next operation has them.
    const unknown =
      build !== undefined &&
      containsUnknown(build) &&
      (!isMap(build) || containsUnknown(build.context) || containsUnknown(build.dockerfile));
    const digest = unknown ? undefined : await contextDigest(await readContext(buildOptions(inputs)));
    return {
      inputs: { buildOnPreview: false, ...news, ...(digest === undefined ? {} : { build: withDigest(build, digest) }) },
    };
  },

  diff({ olds, oldInputs, news }) {
    const stored = olds.__inputs instanceof Secret ? olds.__inputs.value : olds.__inputs;
    const before = isMap(stored) ? stored : oldInputs;
    const detailed: NonNullable<DiffResult["detailed"]> = {};
    for (const key of [...new Set([...Object.keys(before), ...Object.keys(news)])].sort()) {
      const [old, next] =
        key === "registry" ? [withoutPassword(before[key]), withoutPassword(news[key])] : [before[key], news[key]];
      if (equal(old, next) && !containsUnknown(next)) continue;
      detailed[key] = { kind: old === undefined ? "add" : next === undefined ? "delete" : "update" };
    }
    return { changes: Object.keys(detailed).length > 0, detailed };
  },

  preview: (properties) => properties,

  async build(properties, scope) {
    const inputs = new Inputs(unwrapMap(properties));
    const options = buildOptions(inputs);
    const imageName = inputs.text("imageName") ?? "";
    const context = await readContext(options);
    scope.log.status("Starting Docker build");
    const built = await buildImage(imageName, options, context, scope);
    const image = await scope.client.json<{ Id: string; Os: string; Architecture: string }>(
      "GET",
      `/images/${built}/json`,
    );
    const registry = inputs.object("registry");
    const repoDigest = inputs.flag("skipPush") ? image.Id : await pushImage(imageName, registry, scope);
    scope.log.status(`Image built successfully, local id "${image.Id}"`);
    const outputs: ValueMap = {
      baseImageName: imageName,
      context: options.context,
      dockerfile: dockerfileInContext(options) ?? basename(options.dockerfile),
      imageName,
      platform: options.platform ?? `${image.Os}/${image.Architecture}`,
      registryServer: registry?.text("server") ?? "",
      repoDigest,
    };
    return { ...markSecretsLike(outputs, properties), __inputs: new Secret(inputs.values) };
  },
};

/** Another password for the same account is no reason to build. */
function withoutPassword(registry: Value | undefined): Value | undefined {
  const value = registry instanceof Secret ? registry.value : registry;
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== "password"));
}

function notCanonical(name: string): RpcError {
  return new RpcError(
    status.UNKNOWN,
    `"${name}": repository name must be canonical.\nThis resource requires all image names to be fully qualified.\nFor example, if you are attempting to push to Dockerhub, prefix your image name with \`docker.io\`:\n\n\`docker.io/repository/image:tag\`\n`,
  );
}
