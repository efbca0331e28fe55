import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { STATE } from "../paths";

/** Name of the project in Pulumi.yaml. */
const PROJECT = "bay-e2e";

/**
 * The environment that tells Pulumi where the state is. The user's own backend and passphrase win: what is
 * set is never overridden, and nobody is ever asked to log in.
 * @returns only what must be added
 */
export function stateEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const added: Record<string, string> = { PULUMI_SKIP_UPDATE_CHECK: "true" };
  if (!env["PULUMI_BACKEND_URL"] && !loggedIn(env)) {
    const folder = join(STATE, "pulumi");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    added["PULUMI_BACKEND_URL"] = pathToFileURL(folder).href;
  }
  if (env["PULUMI_CONFIG_PASSPHRASE"] === undefined && !env["PULUMI_CONFIG_PASSPHRASE_FILE"]) {
    added["PULUMI_CONFIG_PASSPHRASE_FILE"] = passphraseFile();
  }
  return added;
}

/** The folder of a local state backend, or nothing where the state is elsewhere. */
export function localBackend(url: string | undefined): string | undefined {
  if (!url?.startsWith("file://")) return undefined;
  return decodeURIComponent(url.slice("file://".length)).replace(/^~/, homedir());
}

/** Where a local backend keeps a stack and its locks; nothing where the state is elsewhere. */
export function localStack(
  stack: string,
  url = process.env["PULUMI_BACKEND_URL"] ?? stateEnvironment()["PULUMI_BACKEND_URL"],
): { file: string; locks: string } | undefined {
  const folder = localBackend(url);
  if (!folder) return undefined;
  return {
    file: join(folder, ".pulumi", "stacks", PROJECT, `${stack}.json`),
    locks: join(folder, ".pulumi", "locks", "organization", PROJECT, stack),
  };
}

/** The generated passphrase of this checkout, made at its first use; only its owner may read the file. */
function passphraseFile(): string {
  const file = join(STATE, "passphrase");
  if (!existsSync(file)) {
    mkdirSync(STATE, { recursive: true, mode: 0o700 });
    writeFileSync(file, randomBytes(24).toString("base64url"), { mode: 0o600 });
  }
  chmodSync(file, 0o600);
  return file;
}

function loggedIn(env: NodeJS.ProcessEnv): boolean {
  const file = join(env["PULUMI_HOME"] || join(homedir(), ".pulumi"), "credentials.json");
  if (!existsSync(file)) return false;
  return Boolean((JSON.parse(readFileSync(file, "utf8")) as { current?: string }).current);
}
