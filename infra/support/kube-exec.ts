import { UserError } from "./errors";
import { pasteable, tail, tryRun } from "./exec";
import { without } from "./kubeconfig";
import type { KubeconfigCluster, KubeconfigExec } from "./kubeconfig-types";

/** What a credential plugin answers with. */
export interface ExecCredentials {
  token?: string;
  /** PEM. */
  cert?: string;
  /** PEM. */
  key?: string;
  /** Milliseconds since 1970 until which they hold; nothing where the plugin does not say. */
  until?: number;
}

/** Milliseconds for a credential plugin. */
const DEADLINE = 20_000;

const PROTOCOL = "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins";

/**
 * Runs a credential plugin as kubectl does, without a terminal.
 * @param user the name of its entry, for messages
 * @throws UserError E_KUBECONFIG when it does not end within 20 s, fails, or does not answer by the protocol
 */
export async function runExecPlugin(
  exec: KubeconfigExec,
  { user, cluster, deadline = DEADLINE }: { user: string; cluster: KubeconfigCluster; deadline?: number },
): Promise<ExecCredentials> {
  const { command = "", args = [], apiVersion = "" } = exec;
  const argv: [string, ...string[]] = [command, ...args];
  const refuse = (found: string, expected: string, detail?: string, cause?: unknown) =>
    new UserError("E_KUBECONFIG", {
      seen: `users["${user}"].exec: ${command} ${found}`,
      wanted: expected,
      next: pasteable(argv),
      ...(detail ? { detail } : {}),
      cause,
    });
  const spec = { interactive: false, ...(exec.provideClusterInfo ? { cluster: clusterInfo(cluster) } : {}) };
  const env = {
    ...Object.fromEntries((exec.env ?? []).map(({ name = "", value = "" }) => [name, value])),
    KUBERNETES_EXEC_INFO: JSON.stringify({ kind: "ExecCredential", apiVersion, spec }),
  };
  const result = await tryRun(argv, { env, timeout: deadline }).catch((error: unknown) => {
    const { code, detail } = error as Partial<UserError>;
    if (code === "E_TOOL_MISSING")
      throw refuse(
        "is not found",
        exec.installHint?.split("\n")[0] ?? "the credential plugin, installed",
        undefined,
        error,
      );
    if (code === "E_COMMAND_TIMEOUT")
      throw refuse(
        `did not end within ${deadline / 1000} s`,
        "an ExecCredential on its standard output",
        detail,
        error,
      );
    throw refuse(
      `could not be started: ${(error as Error).message.split("\n")[0]!}`,
      "a program that runs",
      undefined,
      error,
    );
  });
  if (result.exitCode !== 0)
    throw refuse(
      `ended with exit code ${result.exitCode}`,
      "exit code 0",
      tail(result.stderr || "it printed nothing on its standard error"),
    );
  return credentialsOf(result.stdout, apiVersion, refuse);
}

type Refuse = (found: string, expected: string) => UserError;

function credentialsOf(stdout: string, apiVersion: string, refuse: Refuse): ExecCredentials {
  const answer = quietJson(stdout) as
    { apiVersion?: unknown; kind?: unknown; status?: Record<string, unknown> | null } | null | undefined;
  if (answer?.kind !== "ExecCredential")
    throw refuse(
      stdout.trim() === "" ? "printed nothing" : "printed something else than an ExecCredential",
      `an ExecCredential as JSON (${PROTOCOL})`,
    );
  if (answer.apiVersion !== apiVersion) throw refuse(`answered in ${String(answer.apiVersion)}`, apiVersion);
  const text = (key: string): string | undefined =>
    typeof answer.status?.[key] === "string" && answer.status[key] !== "" ? answer.status[key] : undefined;
  const [token, cert, key] = [text("token"), text("clientCertificateData"), text("clientKeyData")];
  if ((cert === undefined) !== (key === undefined))
    throw refuse("gave one of clientCertificateData and clientKeyData", "both");
  if (token === undefined && cert === undefined)
    throw refuse("gave no credentials", "status.token, or clientCertificateData and clientKeyData");
  const until = Date.parse(text("expirationTimestamp") ?? "");
  return {
    ...(token ? { token } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(Number.isNaN(until) ? {} : { until }),
  };
}

/** What a plugin that asked for it learns of the cluster. */
function clusterInfo(cluster: KubeconfigCluster): object {
  const { extensions, ...known } = without(cluster, "certificate-authority");
  const config = extensions?.find(({ name }) => name === "client.authentication.k8s.io/exec")?.extension;
  return { ...known, ...(config === undefined ? {} : { config }) };
}

function quietJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
