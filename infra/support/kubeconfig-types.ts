/**
 * The fields of a cluster that count; what is empty in the file is absent here, as kubectl does not tell the two apart.
 */
export interface KubeconfigCluster {
  server: string;
  "tls-server-name"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "proxy-url"?: string;
  "disable-compression"?: boolean;
  extensions?: KubeconfigExtension[];
}

/** The fields of a user that count. */
export interface KubeconfigUser {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  as?: string;
  "as-uid"?: string;
  "as-groups"?: string[];
  "as-user-extra"?: Record<string, string[]>;
  username?: string;
  password?: string;
  "auth-provider"?: { name?: string; config?: Record<string, string> };
  exec?: KubeconfigExec;
  extensions?: KubeconfigExtension[];
}

/** A program that prints credentials. */
export interface KubeconfigExec {
  command?: string;
  args?: string[];
  env?: { name?: string; value?: string }[];
  apiVersion?: string;
  installHint?: string;
  provideClusterInfo?: boolean;
  interactiveMode?: string;
}

export interface KubeconfigContext {
  cluster: string;
  user: string;
  namespace?: string;
  extensions?: KubeconfigExtension[];
}

export interface KubeconfigExtension {
  name?: string;
  extension?: unknown;
}

/** One kubeconfig file, or several merged. */
export interface Kubeconfig {
  "current-context"?: string;
  contexts: { name: string; context: KubeconfigContext; file: string }[];
  clusters: { name: string; cluster: KubeconfigCluster; file: string }[];
  users: { name: string; user: KubeconfigUser; file: string }[];
}

/** What is wrong with one field. */
export interface KubeconfigProblem {
  file: string;
  /** Entry and field, such as `users["me"].exec.command`; empty for the file as a whole. */
  field: string;
  found: string;
  expected: string;
}
