import { SECRET_KEYS } from "../../infra/config";

/** A value of a stack file that is, or looks like, a secret and stands there in clear. */
export interface PlainSecret {
  /** Path as `pulumi config set --path` takes it, such as `apiKey` or `checkpointValues.server.token`. */
  path: string;
  /** `false`: only its name says so. */
  certain: boolean;
}

/**
 * Names of fields that hold a secret, in values that are passed on to others: a chart's values, containerd's
 * configuration.
 */
const SECRET_NAME =
  /(password|passwd|passphrase|token|secret|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)$/i;

/** Fields with such a name that hold the name of a Secret, or the place of a file. */
const REFERENCE = /^(existing|image_?pull|automount)|(name|ref|file|path)$/i;

/** Texts that are secrets under any name: a login in a URL, a private key, credentials of a kubeconfig. */
const SECRET_TEXT =
  /:\/\/[^/\s:@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----|^\s*-?\s*(client-key-data|token|password):\s*\S/m;

/** Lines of containerd's configuration (TOML) that hold a registry's login. */
const TOML_LOGIN = /^\s*(password|auth|identitytoken)\s*=\s*["']?\S/m;

/**
 * Returns the secrets that a stack's configuration holds in clear, without their values. A value that Pulumi encrypted
 * is an object with the key `secure`, and none of them.
 * @param config by keys without the project's prefix
 */
export function plainSecretsIn(config: Readonly<Record<string, unknown>>): PlainSecret[] {
  return Object.entries(config).flatMap(([key, value]) => {
    if (SECRET_KEYS.includes(key) && !isEncrypted(value) && value !== null && value !== "")
      return [{ path: key, certain: true }];
    return within(key, key, value);
  });
}

function within(path: string, name: string, value: unknown): PlainSecret[] {
  if (isEncrypted(value)) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => within(`${path}[${index}]`, name, item));
  if (typeof value === "object" && value !== null)
    return Object.entries(value).flatMap(([key, inner]) => within(`${path}${step(key)}`, key, inner));
  if (typeof value === "string" && SECRET_TEXT.test(value)) return [{ path, certain: true }];
  // A key of the program's own has no such name, but for those that are secrets.
  const named = path !== name && SECRET_NAME.test(name) && !REFERENCE.test(name);
  const looks =
    (named && (typeof value === "string" || typeof value === "number") && value !== "") ||
    (typeof value === "string" && TOML_LOGIN.test(value));
  return looks ? [{ path, certain: false }] : [];
}

function step(key: string): string {
  return /^[A-Za-z_][\w-]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function isEncrypted(value: unknown): boolean {
  return typeof value === "object" && value !== null && "secure" in value;
}
