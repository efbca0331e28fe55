import { ERROR_CODES, type ErrorCode, UserError } from "../infra/support/errors";
import { tail } from "../infra/support/exec";

/** What a phase of a stack was about, for the next command that an error names. */
export interface Where {
  stack: string;
}

interface Rule {
  pattern: RegExp;
  code: ErrorCode;
  wanted: string;
  next: (where: Where) => string;
}

/** Causes that Pulumi or a plugin tells in its own words. The first that matches is the one. */
const RULES: readonly Rule[] = [
  { pattern: /incorrect passphrase|passphrase must be set/i, code: "E_PASSPHRASE", wanted: "the passphrase that the stack was made with", next: () => "unset PULUMI_CONFIG_PASSPHRASE PULUMI_CONFIG_PASSPHRASE_FILE   (or set the right one)" },
  { pattern: /the stack is currently locked|conflict: Another update/i, code: "E_STACK_LOCKED", wanted: "one run of a stack at a time", next: ({ stack }) => `npm run status -- --stack ${stack}` },
  { pattern: /no space left on device|DiskPressure/i, code: "E_DISK", wanted: "free disk space", next: () => "docker system df   (then: npm run clean)" },
  { pattern: /port is already allocated|address already in use/i, code: "E_PORT_IN_USE", wanted: "a free port", next: () => "pulumi config set k3sApiPort 0" },
  { pattern: /Cannot connect to the Docker daemon|error during connect|docker\.sock/i, code: "E_DOCKER_MISSING", wanted: "a Docker daemon that answers", next: () => "docker info   (then: npm run setup)" },
  { pattern: /privileged mode is incompatible|cannot enable .*capabilit|permission denied.*(cgroup|mount)/i, code: "E_DOCKER_PRIVILEGED", wanted: "a Docker that may run privileged containers", next: () => "docker info --format '{{.SecurityOptions}}'" },
  { pattern: /docker:index(\/image)?:Image[\s\S]*?error:|error reading build output|failed to build/i, code: "E_IMAGE_BUILD", wanted: "an image that builds", next: () => "docker build images/bay   (or the context that the configuration names)" },
  { pattern: /kubernetes:core\/v1:Pod[\s\S]*?error:|Pod .*(not become ready|was not ready|failed)/i, code: "E_BAY_NOT_READY", wanted: "Bay's pod ready", next: ({ stack }) => `npm run status -- --stack ${stack}` },
];

/**
 * Turns what Pulumi printed into an error that names its cause. An error of the program itself arrives with
 * its code in the text and is passed on as it stands.
 */
export function explain(output: string, where: Where, cause?: unknown): UserError {
  const text = stripAnsi(output);
  const own = ownError(text);
  if (own) return own;
  const rule = RULES.find(({ pattern }) => pattern.test(text));
  const detail = tail(diagnostics(text), 40);
  if (rule) return new UserError(rule.code, { seen: firstError(text), wanted: rule.wanted, next: rule.next(where), detail, cause });
  return new UserError("E_COMMAND", { seen: firstError(text), wanted: "an update without errors", next: `npm run status -- --stack ${where.stack}`, detail, cause });
}

/** An error that the program threw: `E_…: …` with the lines seen, wanted and next. */
function ownError(text: string): UserError | undefined {
  const match = /\b(E_[A-Z_]+): [^\n]*\n\s*seen:\s+([\s\S]*?)\n\s*wanted: ([^\n]*)\n\s*next:\s+([^\n]*)((?:\n\s{8,}[^\n]*|\n\s*(?=\n\s{8,}))*)/.exec(text);
  const code = match?.[1] as ErrorCode | undefined;
  if (!match || !code || !(code in ERROR_CODES)) return undefined;
  return new UserError(code, { seen: match[2]!.trim(), wanted: match[3]!.trim(), next: match[4]!.trim(), detail: match[5]?.replace(/^ {8}/gm, "").trim() });
}

/** Pulumi repeats its errors at the end, under this heading. */
function diagnostics(text: string): string {
  const start = text.lastIndexOf("Diagnostics:");
  return start < 0 ? text : text.slice(start, text.indexOf("\nResources:", start) < 0 ? undefined : text.indexOf("\nResources:", start));
}

function firstError(text: string): string {
  return /error: ([^\n]+)/.exec(diagnostics(text))?.[1]?.trim() ?? tail(text, 1);
}

function stripAnsi(text: string): string {
  // eslint-disable-next-line no-control-regex -- the escape character is what is looked for
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}
