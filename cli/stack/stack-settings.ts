import { readConfig, type Settings, substitute } from "../../infra/config";
import { UserError } from "../../infra/support/errors";
import { readStackFile } from "./stack-file";

/** A secret's place in a configuration that is only looked at: its value stays shut. */
const SHUT = "[secret-not-opened]";

/**
 * The settings of a stack by its file, without asking Pulumi; where they are no good, what is wrong with them.
 * @param backend that of a stack which has no file yet
 */
export function readSettings(
  stack: string,
  backend: string | undefined,
): { settings?: Settings; configProblem?: string } {
  try {
    return { settings: settingsOf(stack, backend) };
  } catch (error) {
    if (error instanceof UserError) return { configProblem: error.seen.replace(/\n\s*/g, " ") };
    throw error;
  }
}

/** The settings of a stack by its file. @throws UserError E_CONFIG with every problem */
export function settingsOf(stack: string, backend?: string): Settings {
  const raw = Object.entries(readStackFile(stack)?.config ?? (backend === undefined ? {} : { backend })).map(
    ([key, value]) => [key, asText(value)],
  );
  return readConfig(Object.fromEntries(raw) as Record<string, string>, stack);
}

/** A value as Pulumi would hand it over. */
function asText(value: unknown): string {
  if (typeof value === "object" && value !== null && "secure" in value) return SHUT;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Whether a stack's nodes are containers of this host, as far as its file says: of one that is unreadable they may be. */
export function hasNodeContainers(stack: string): boolean {
  const backend = readSettings(stack, undefined).settings?.backend;
  return backend === undefined || backend === "k3s" || backend === "kind";
}

/** The node image that a stack needs of kind; nothing for a stack of another backend. */
export function kindImageOf(stack: string): string | undefined {
  const { settings } = readSettings(stack, undefined);
  return settings?.backend === "kind" ? substitute(settings.kindImage, settings.imageSubstitutes) : undefined;
}
