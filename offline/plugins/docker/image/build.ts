/** Building an image by the daemon's builders. */
import { stripVTControlCharacters } from "node:util";
import { headerJson, registryAuthHeader } from "../daemon/auth";
import { DockerError } from "../daemon/client";
import type { Scope } from "../resources/resource";
import { contextArchive, type Context } from "./context";
import type { BuildOptions } from "./options";
import { decodeTrace } from "./trace";

interface BuildEvent {
  stream?: string;
  status?: string;
  error?: string;
  id?: string;
  aux?: string | { ID?: string };
}

/** Lines of output that an error repeats. */
const LAST_LINES = 30;

/**
 * Builds and tags the image and gives its id; the output goes to the status line.
 * @throws Error with the builder's reason and the last lines of output.
 */
export async function buildImage(
  imageName: string,
  options: BuildOptions,
  context: Context,
  scope: Scope,
): Promise<string> {
  const output = new Output(scope.log.status);
  let id: string | undefined;
  try {
    for await (const event of scope.client.events<BuildEvent>("POST", "/build", {
      query: query(imageName, options, context),
      headers: registryConfig(scope),
      tar: contextArchive(context),
      signal: scope.signal,
    })) {
      if (event.error) throw new Error(`error reading build output: ${event.error}`);
      if (typeof event.aux === "object" && event.aux.ID) id = event.aux.ID;
      output.take(event);
    }
  } catch (error) {
    throw new Error(`${explain(error, options)}${output.tail()}`, { cause: error });
  }
  if (!id) throw new Error(`the build of ${imageName} ended without an image${output.tail()}`);
  return id;
}

function query(imageName: string, options: BuildOptions, context: Context) {
  return {
    // BuildKit takes the context from the request like the classic builder; a session would only add credentials and
    // cache mounts of the client.
    version: options.builder === "buildkit" ? "2" : "1",
    t: imageName,
    dockerfile: context.dockerfile,
    buildargs: JSON.stringify(options.args),
    target: options.target,
    platform: options.platform,
    networkmode: options.network,
    extrahosts: options.addHosts,
    cachefrom: options.cacheFrom.length > 0 ? JSON.stringify(options.cacheFrom) : undefined,
    rm: true,
    forcerm: true,
  };
}

/** Credentials for base images; the classic builder uses them, BuildKit asks a session for them, which there is not. */
function registryConfig({ auths }: Scope): Record<string, string> {
  if (auths.length === 0) return {};
  const config = Object.fromEntries(auths.map(({ address, username, password }) => [address, { username, password }]));
  return { "X-Registry-Config": headerJson(config), ...registryAuthHeader(undefined) };
}

function explain(error: unknown, { builder }: BuildOptions): string {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof DockerError)) return message;
  if (builder === "classic" && /version|builder/i.test(message))
    return `${message}\nThis daemon does not offer the classic builder (builderVersion: BuilderV1); leave builderVersion out to use BuildKit.`;
  if (builder === "buildkit" && /buildkit|builder/i.test(message))
    return `${message}\nThis daemon does not offer BuildKit; set builderVersion: BuilderV1.`;
  return message;
}

/** The lines of a build: each to the status; what the steps wrote, and which one failed, is kept for an error. */
class Output {
  private readonly lines: string[] = [];

  constructor(private readonly status: (line: string) => void) {}

  take(event: BuildEvent): void {
    if (event.id === "moby.buildkit.trace" && typeof event.aux === "string") {
      const { steps, output, failed } = decodeTrace(event.aux);
      steps.forEach(this.status);
      output.forEach((text) => {
        this.add(text);
      });
      for (const step of failed) this.add(`failed: ${step}`);
    } else {
      if (event.aux !== undefined) return;
      this.add(event.stream ?? [event.id, event.status].filter(Boolean).join(": "));
    }
  }

  tail(): string {
    return this.lines.length > 0 ? `\nlast lines of the build:\n${this.lines.slice(-LAST_LINES).join("\n")}` : "";
  }

  private add(text: string): void {
    for (const line of stripVTControlCharacters(text).split(/[\r\n]+/)) {
      if (!line.trim()) continue;
      this.lines.push(line);
      this.status(line);
    }
  }
}
