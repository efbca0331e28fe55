/** The handlers of the docker plugin: which resource does what. */
import {
  containsSecret,
  markSecretsLike,
  notImplemented,
  UNKNOWN,
  UNKNOWN_STRING,
  unwrap,
  unwrapMap,
  type ConfigureRequest,
  type Context,
  type ProviderHandlers,
  type ResourceRequest,
  type Value,
  type ValueMap,
} from "../rpc";
import { DockerClient } from "./daemon/client";
import { findEndpoint } from "./daemon/endpoint";
import { userAuths, type RegistryAuth } from "./daemon/auth";
import { imageHandlers, IMAGE_TYPE, type ImageHandlers } from "./image";
import { Inputs } from "./inputs";
import { masked, secretTexts } from "./secrets";
import { container } from "./resources/container";
import { network } from "./resources/network";
import { remoteImage } from "./resources/remote-image";
import type { DockerResource, Scope } from "./resources/resource";
import { volume } from "./resources/volume";
import { checkInputs, diffInputs } from "./schema";

const RESOURCES: ReadonlyMap<string, DockerResource> = new Map(
  [container, volume, network, remoteImage].map((resource) => [resource.type, resource]),
);

interface Daemon {
  client: DockerClient;
  auths: RegistryAuth[];
}

/** The handlers; a fresh set of them for each plugin process (and each test). */
export function createHandlers(): ProviderHandlers {
  let daemon: Daemon | undefined;
  // The daemon is looked for when the first operation needs it: a preview of what needs none works without.
  let args: ValueMap = {};
  const scope = (context: Context): Scope => {
    daemon ??= connect(args);
    return { ...daemon, log: context.log, signal: context.signal };
  };
  return {
    configure: (request: ConfigureRequest) => {
      args = request.args;
      daemon = undefined;
    },
    ...dispatch(scope),
    invoke: ({ token }) => {
      throw notImplemented(`the function ${token}`);
    },
  };
}

type Dispatched = Required<Pick<ProviderHandlers, "check" | "diff" | "create" | "read" | "update" | "delete">>;

function dispatch(scope: (context: Context) => Scope): Dispatched {
  const of = (request: ResourceRequest): Dispatched => {
    if (request.type === IMAGE_TYPE) return withImage(imageHandlers, scope);
    const resource = RESOURCES.get(request.type);
    if (!resource) throw notImplemented(`the resource type ${request.type}`);
    return bridged(resource, scope);
  };
  return {
    check: (request, context) => of(request).check(request, context),
    diff: (request, context) => of(request).diff(request, context),
    create: (request, context) => of(request).create(request, context),
    read: (request, context) => of(request).read(request, context),
    update: (request, context) => of(request).update(request, context),
    delete: (request, context) => of(request).delete(request, context),
  };
}

/** A resource that is decided by its schema. Secrets are unwrapped for the work and marked again in the result. */
function bridged(resource: DockerResource, scope: (context: Context) => Scope): Dispatched {
  return {
    check(request) {
      const result = checkInputs(resource.schema, resource.type, request, resource.autoName ?? true);
      const problems = resource.problems?.(new Inputs(unwrapMap(result.inputs))) ?? [];
      return { inputs: result.inputs, failures: [...(result.failures ?? []), ...problems] };
    },
    diff: (request) => diffInputs(resource.schema, request),
    async create({ properties, preview }, context) {
      if (preview) return { id: "", properties: previewOutputs(properties) };
      const state = await guarded(properties, () => resource.create(new Inputs(unwrapMap(properties)), scope(context)));
      return { id: state.id, properties: markSecretsLike(state.outputs, properties) };
    },
    async read({ id, inputs, properties }, context) {
      const known = Object.keys(inputs).length > 0 ? inputs : {};
      const found = await guarded(known, () => resource.read(id, new Inputs(unwrapMap(known)), scope(context)));
      if (!found) return {};
      return {
        id: found.id,
        properties: markSecretsLike(markSecretsLike(found.outputs, known), properties),
        inputs: markSecretsLike(found.inputs, known),
      };
    },
    async update(request, context) {
      const { id, news, olds, preview } = request;
      if (preview || !resource.update) return { properties: { ...olds, ...previewOutputs(news) } };
      const work = resource.update.bind(resource);
      const changed = new Set(diffInputs(resource.schema, request).diffs);
      const outputs = await guarded(news, () => work(id, new Inputs(unwrapMap(news)), changed, scope(context)));
      return { properties: markSecretsLike(outputs, news) };
    },
    async delete({ id, properties }, context) {
      await guarded(properties, () => resource.remove(id, new Inputs(unwrapMap(properties)), scope(context)));
    },
  };
}

function withImage(image: ImageHandlers, scope: (context: Context) => Scope): Dispatched {
  return {
    check: (request) => image.check(request),
    diff: (request) => image.diff(request),
    async create({ properties, preview }, context) {
      if (preview) return { id: id(properties), properties: image.preview(properties) };
      return {
        id: id(properties),
        properties: await guarded(properties, () => image.build(properties, scope(context))),
      };
    },
    async update({ news, preview }, context) {
      return {
        properties: preview ? image.preview(news) : await guarded(news, () => image.build(news, scope(context))),
      };
    },
    // As with the official plugin: neither is the daemon's image looked at in a refresh, nor is it removed.
    read: (request) => ({ id: request.id, properties: request.properties, inputs: request.inputs }),
    delete: () => undefined,
  };
}

function id(properties: ValueMap): string {
  const name = unwrap(properties.imageName);
  return typeof name === "string" ? name : UNKNOWN_STRING;
}

/** In a preview the inputs are known, all else is not; the engine takes what is absent for unknown. */
function previewOutputs(properties: ValueMap): ValueMap {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => key !== "__defaults"));
}

/** Keeps secrets out of the errors that the daemon answers. */
async function guarded<T>(properties: ValueMap, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && containsSecret(properties))
      error.message = masked(error.message, secretTexts(properties));
    throw error;
  }
}

function connect(args: ValueMap): Daemon {
  const config = new Inputs(unwrapMap(args));
  const client = new DockerClient(
    findEndpoint({ host: config.text("host"), context: config.text("context"), certPath: config.text("certPath") }),
  );
  // The program's credentials come first: the first that fit a registry are used.
  return { client, auths: [...registryAuths(unwrap(args.registryAuth)), ...userAuths(process.env)] };
}

/** The engine sends nested provider configuration as JSON text. */
function registryAuths(value: Value): RegistryAuth[] {
  const list: unknown = typeof value === "string" ? JSON.parse(value) : value === UNKNOWN ? [] : value;
  if (!Array.isArray(list)) return [];
  return list.map((entry: Partial<RegistryAuth>) => ({
    address: entry.address ?? "",
    username: entry.username ?? "",
    password: entry.password ?? "",
  }));
}
