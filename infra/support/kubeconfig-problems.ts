import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { delimiter, join } from "node:path";
import type { KubeconfigCluster, KubeconfigExec, KubeconfigProblem, KubeconfigUser } from "./kubeconfig-types";
import { serverUrl } from "./server-url";

type From<T> = T & { file: string };

/** Finds what keeps a cluster's entry from working, by the rules of kubectl, and looks at the files that it names. */
export function clusterProblems(cluster: From<KubeconfigCluster>, entry: string): KubeconfigProblem[] {
  const { list, complain } = collect(cluster.file, entry);
  const { server, "proxy-url": proxy, "insecure-skip-tls-verify": insecure } = cluster;
  if (server === "") complain("server", "it is missing", "the URL of an API server");
  else if (!serverUrl(cluster)) complain("server", quoted(server), "a URL such as https://host:6443, http or https");
  if (proxy !== undefined && !isProxy(proxy))
    complain("proxy-url", quoted(withoutPassword(proxy)), "a URL that starts with http://, https:// or socks5://");
  if (insecure && (cluster["certificate-authority"] ?? cluster["certificate-authority-data"]) !== undefined) {
    complain("insecure-skip-tls-verify", "true, beside a certificate authority", "one of the two");
  }
  const authority = fileOrData(cluster, "certificate-authority", complain);
  if (authority && !/-----BEGIN (TRUSTED )?CERTIFICATE-----/.test(authority.toString("latin1")))
    complain(authority.field, "no certificate in PEM", "certificates in PEM");
  return list;
}

/** Finds what keeps a user's entry from working; no program is run and nothing is sent. */
export function userProblems(user: From<KubeconfigUser>, entry: string, env: NodeJS.ProcessEnv): KubeconfigProblem[] {
  const { list, complain } = collect(user.file, entry);
  const token = user.token ?? user.tokenFile;
  if (token !== undefined && user.username !== undefined)
    complain("username", "it is set beside a token", "one way to prove who you are");
  if (user.tokenFile !== undefined && user.token === undefined) readable(user.tokenFile, "tokenFile", complain);
  const certificate = fileOrData(user, "client-certificate", complain);
  const key = fileOrData(user, "client-key", complain);
  if (certificate && !key && list.length === 0)
    complain("client-key", "it is missing beside client-certificate", "client-key or client-key-data");
  if (certificate && key && list.length === 0) pairProblem(certificate, key, complain);
  const provider = user["auth-provider"];
  if (provider)
    complain(
      "auth-provider",
      `"${provider.name ?? ""}"`,
      user.exec
        ? "exec alone"
        : `a credential plugin (exec)${PLUGINS[provider.name ?? ""] ?? ""}, for auth providers were removed from Kubernetes' clients`,
    );
  if (user.exec && token === undefined) execProblems(user.exec, complain, env);
  if (user.as === undefined && (user["as-uid"] ?? user["as-groups"] ?? user["as-user-extra"]) !== undefined)
    complain("as", "it is missing beside as-uid, as-groups or as-user-extra", "the name of the user to act as");
  return list;
}

type Complain = (field: string, found: string, expected: string) => void;

const PLUGINS: Record<string, string> = {
  gcp: " such as gke-gcloud-auth-plugin",
  azure: " such as kubelogin",
  oidc: " such as kubelogin (oidc-login)",
};

function collect(file: string, entry: string): { list: KubeconfigProblem[]; complain: Complain } {
  const list: KubeconfigProblem[] = [];
  return {
    list,
    complain: (field, found, expected) => {
      list.push({ file, field: `${entry}.${field}`, found, expected });
    },
  };
}

/** What a plugin must say of itself for kubectl to run it, and whether it is there. */
function execProblems(exec: KubeconfigExec, complain: Complain, env: NodeJS.ProcessEnv): void {
  const { command, apiVersion, interactiveMode } = exec;
  if (!apiVersion) complain("exec.apiVersion", "it is missing", "client.authentication.k8s.io/v1 or /v1beta1");
  else if (!/^client\.authentication\.k8s\.io\/v1(beta1)?$/.test(apiVersion))
    complain("exec.apiVersion", quoted(apiVersion), "client.authentication.k8s.io/v1 or /v1beta1");
  if (interactiveMode === undefined && apiVersion !== "client.authentication.k8s.io/v1beta1")
    complain("exec.interactiveMode", "it is missing", "Never or IfAvailable");
  else if (interactiveMode !== undefined && !["Never", "IfAvailable", "Always"].includes(interactiveMode))
    complain("exec.interactiveMode", quoted(interactiveMode), "Never or IfAvailable");
  else if (interactiveMode === "Always")
    complain(
      "exec.interactiveMode",
      "Always",
      "Never or IfAvailable: nothing that runs here can give the plugin a terminal",
    );
  if (exec.env?.some(({ name }) => !name)) complain("exec.env", "a variable without a name", "a name for each");
  if (!command) complain("exec.command", "it is missing", "the plugin's program");
  else if (!isProgram(command, env))
    complain(
      "exec.command",
      `there is no program ${command}${/[/\\]/.test(command) ? "" : " on PATH"}`,
      exec.installHint?.split("\n")[0] ?? "the credential plugin, installed",
    );
}

function isProgram(command: string, env: NodeJS.ProcessEnv): boolean {
  const endings = process.platform === "win32" ? ["", ...(env["PATHEXT"] ?? ".EXE;.CMD;.BAT").split(";")] : [""];
  const folders = /[/\\]/.test(command) ? [""] : (env["PATH"] ?? "").split(delimiter).filter(Boolean);
  return folders.some((folder) => endings.some((ending) => isExecutable(join(folder, `${command}${ending}`))));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

type Material = Buffer & { field: string };

/** The contents of a field that is given as data or as a path; data come first. */
function fileOrData<K extends "certificate-authority" | "client-certificate" | "client-key">(
  from: Partial<Record<K | `${K}-data`, string>>,
  key: K,
  complain: Complain,
): Material | undefined {
  const [path, data] = [from[key], from[`${key}-data`]];
  if (path !== undefined && data !== undefined) {
    complain(key, `it is set beside ${key}-data`, "one of the two");
    return undefined;
  }
  if (data !== undefined) return Object.assign(Buffer.from(data, "base64"), { field: `${key}-data` });
  const content = path === undefined ? undefined : readable(path, key, complain);
  return content && Object.assign(content, { field: key });
}

function readable(path: string, field: string, complain: Complain): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    complain(
      field,
      code === "ENOENT" ? `there is no file ${path}` : `${path} cannot be read (${code ?? String(error)})`,
      "a file that can be read",
    );
    return undefined;
  }
}

function pairProblem(certificate: Material, key: Material, complain: Complain): void {
  const [parsed, secret] = [quietly(() => new X509Certificate(certificate)), quietly(() => createPrivateKey(key))];
  if (!parsed) complain(certificate.field, "no certificate in PEM", "a certificate in PEM");
  if (!secret) complain(key.field, "no private key in PEM", "a private key in PEM, without a passphrase");
  if (parsed && secret && !parsed.checkPrivateKey(secret))
    complain(key.field, "a key that is not the certificate's", "the key of client-certificate");
}

function quietly<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

function isProxy(url: string): boolean {
  return (
    URL.canParse(url) && ["http:", "https:", "socks5:"].includes(new URL(url).protocol) && new URL(url).hostname !== ""
  );
}

/** A proxy's URL as it may be shown. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//***@");
}

function quoted(text: string): string {
  return `"${text}"`;
}
