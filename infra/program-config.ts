import * as pulumi from "@pulumi/pulumi";
import { dirname } from "node:path";
import { configDefaults, readConfig, type Settings } from "./config";
import { UserError } from "./support/errors";

/** What the program knows of its run. */
export interface ProgramConfig {
  settings: Settings;
  /** The folder that holds Pulumi.yaml. */
  root: string;
  stack: string;
}

/**
 * Reads the configuration of the running program; the only place that asks Pulumi and the environment.
 * @throws UserError E_CONFIG with every problem
 */
export function readProgramConfig(): ProgramConfig {
  const prefix = `${pulumi.getProject()}:`;
  const all = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => key.startsWith(prefix));
  const configured = Object.fromEntries(all.map(([key, value]) => [key.slice(prefix.length), value]));
  const settings = readConfig({ ...configured, ...fromEnvironment(process.env, configured) }, pulumi.getStack());
  return { settings: withSubstitutes(settings), root: dirname(process.cwd()), stack: pulumi.getStack() };
}

/**
 * Cedana's own variables, for keys that the configuration leaves at their defaults, which Pulumi hands over like any
 * other value. A URL or an id alone is for other tools.
 */
export function fromEnvironment(env: NodeJS.ProcessEnv, configured: Record<string, string>): Record<string, string> {
  if (!env["CEDANA_AUTH_TOKEN"]) return {};
  const defaults = configDefaults();
  const given = {
    cedanaToken: env["CEDANA_AUTH_TOKEN"],
    cedanaUrl: env["CEDANA_URL"],
    cedanaClusterId: env["CLUSTER_ID"],
  };
  const free = (key: string) => configured[key] === undefined || configured[key] === defaults[key];
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => Boolean(entry[1]) && free(entry[0])),
  );
}

/**
 * Settings with the images that the environment says to use instead of others laid over them. @throws UserError
 * E_CONFIG
 */
export function withSubstitutes(settings: Settings): Settings {
  return {
    ...settings,
    imageSubstitutes: { ...settings.imageSubstitutes, ...substitutesOf(process.env["BAY_E2E_IMAGES"]) },
  };
}

/** What `BAY_E2E_IMAGES` says of images to use instead of others. @throws UserError E_CONFIG for what is no JSON */
function substitutesOf(text: string | undefined): Record<string, string> {
  if (!text) return {};
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch (cause) {
    throw new UserError("E_CONFIG", {
      seen: `BAY_E2E_IMAGES=${text}`,
      wanted: "a JSON object from image reference to image reference",
      next: "unset BAY_E2E_IMAGES",
      cause,
    });
  }
}
