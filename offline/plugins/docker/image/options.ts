/** The inputs of `docker.Image` in one form, with their defaults. */
import { isAbsolute, join, relative, resolve } from "node:path";
import { isMap, Secret, type CheckFailure, type Value } from "../../rpc";
import { Inputs } from "../inputs";

export interface BuildOptions {
  /** Folder whose files the build may use, as the program gave it. */
  context: string;
  /** Path of the Dockerfile, as the program gave it. */
  dockerfile: string;
  args: Record<string, string>;
  target: string | undefined;
  platform: string | undefined;
  /** Network of RUN steps. */
  network: string | undefined;
  addHosts: string[];
  cacheFrom: string[];
  builder: "buildkit" | "classic";
}

/** Reads the build options from unwrapped inputs; a text is short for the context. */
export function buildOptions(inputs: Inputs): BuildOptions {
  const text = inputs.text("build");
  const build = inputs.object("build") ?? new Inputs(text === undefined ? {} : { context: text });
  const context = build.text("context") || ".";
  return {
    context,
    dockerfile: build.text("dockerfile") || join(context, "Dockerfile"),
    args: build.map("args") ?? {},
    target: build.text("target"),
    platform: build.text("platform"),
    network: build.text("network"),
    addHosts: build.texts("addHosts") ?? [],
    cacheFrom: build.object("cacheFrom")?.texts("images") ?? [],
    builder: build.text("builderVersion") === "BuilderV1" ? "classic" : "buildkit",
  };
}

/** The Dockerfile's path inside the context; undefined when it lies elsewhere. */
export function dockerfileInContext({ context, dockerfile }: BuildOptions): string | undefined {
  const path = relative(resolve(context), resolve(dockerfile));
  return path.startsWith("..") || isAbsolute(path) ? undefined : path;
}

/** `build` as an object with the digest of the context; the program's other settings stay as they are, secrets too. */
export function withDigest(build: Value | undefined, contextDigest: string): Value {
  if (build instanceof Secret) return new Secret(withDigest(build.value, contextDigest));
  if (isMap(build)) return { ...build, contextDigest };
  return { ...(typeof build === "string" ? { context: build } : {}), contextDigest };
}

const BUILDERS = ["BuilderV1", "BuilderBuildKit"];

/** Reasons against the inputs. */
export function problems(inputs: Inputs): CheckFailure[] {
  const builder = inputs.object("build")?.text("builderVersion");
  const found: CheckFailure[] = [];
  if (inputs.values.imageName === undefined || inputs.text("imageName") === "")
    found.push({ property: "imageName", reason: "Missing required argument: imageName of docker:index/image:Image" });
  if (builder !== undefined && !BUILDERS.includes(builder))
    found.push({
      property: "build.builderVersion",
      reason: `builderVersion is ${JSON.stringify(builder)}, wanted one of ${BUILDERS.join(", ")}`,
    });
  return found;
}

/** Whether a name is written out in full, with the registry's host; only such names can be pushed. */
export function isCanonical(imageName: string): boolean {
  const parts = imageName.split("/");
  const [host = ""] = parts;
  if (parts.length < 2 || !(/[.:]/.test(host) || host === "localhost") || host === "index.docker.io") return false;
  return host !== "docker.io" || parts.length > 2;
}
