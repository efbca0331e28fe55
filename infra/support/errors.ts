/**
 * Every error that a user can meet: a stable code, what was seen, what was wanted, the command to run next.
 * `docs/errors.md` lists the same codes; a test compares the two.
 */
export const ERROR_CODES = {
  E_CONFIG: "The stack's configuration has problems",
  E_SECRET_IN_CLEAR: "A stack file that git has holds a secret in clear",
  E_USAGE: "The command line is not understood",
  E_DOCKER_MISSING: "No Docker daemon answers and none can be installed",
  E_DOCKER_PRIVILEGED: "Docker refuses privileged containers",
  E_DISK: "Too little disk space",
  E_PORT_IN_USE: "A port that the configuration names is taken",
  E_ROOT_NEEDED: "Something must be installed and this user may not",
  E_TOOL_MISSING: "A tool is missing and cannot be had",
  E_TOOL_BUILD: "A tool could not be built",
  E_COMMAND: "A command failed",
  E_COMMAND_TIMEOUT: "A command did not end in time",
  E_PASSPHRASE: "The passphrase does not open the stack's secrets",
  E_STACK_LOCKED: "Another run of the same stack is under way",
  E_STACK_NOT_UP: "The stack is not up",
  E_STACK_AMBIGUOUS: "Several stacks are up and none was named",
  E_NO_BACKEND: "No Kubernetes backend can be had here",
  E_KUBECONFIG: "A kubeconfig cannot be used as it is",
  E_RIGHTS: "The user of the kubeconfig may not do what the stack needs",
  E_CONTEXT_MISSING: "The kubeconfig has no such context",
  E_CONTEXT_NOT_ALLOWED: "The context is neither named in the configuration nor on the list of local ones",
  E_CLUSTER_UNREACHABLE: "The cluster's API server does not answer",
  E_CLUSTER_CREATE: "The cluster could not be made",
  E_CLUSTER_NAME_TAKEN: "A cluster of that name exists and is not this stack's",
  E_NAMESPACE_FOREIGN: "The namespace exists and is not this stack's",
  E_NAMESPACE_STUCK: "The namespace is being deleted and does not go",
  E_FILE_FOREIGN: "A file that the stack would write exists and is not its own",
  E_NODE_GONE: "The node's container is gone or stopped",
  E_NODE_DIED: "The node ended while it was starting",
  E_CLUSTER_NOT_READY: "The cluster did not become ready",
  E_IMAGE_BUILD: "An image could not be built",
  E_IMAGE_LOST: "An image is neither in the local store nor on the node",
  E_IMAGE_NOT_ON_NODE: "An image is not on the node, and cannot get there",
  E_REGISTRY_PUSH: "A registry refused an image",
  E_BAY_NOT_READY: "Bay's pod did not become ready",
  E_BAY_UPGRADE: "The new Bay does not start, and the old one goes on",
  E_FORWARD: "The port-forward to Bay could not be opened",
  E_OUTPUTS: "The stack's outputs are not what the tests expect",
  E_PROPAGATOR_TARGET: "There is no propagator to talk to",
  E_PROPAGATOR: "The propagator refused a call or did not answer",
  E_HELM_RELEASE: "A Helm release could not be installed, changed or removed",
  E_PROPAGATOR_NOT_READY: "The propagator did not become ready",
  E_PREVIEW_UNKNOWN: "There is no such preview",
  E_PREVIEW_TEMPLATE: "There is no such template stack",
  E_QUOTA: "The quota is too small for Bay and a sandbox",
  E_FORGE: "The open pull requests cannot be told",
  E_NO_TESTS: "No test matches",
  E_TESTS_LATE: "The tests did not end in time",
  E_DESTROY: "Something of the run is left",
  E_INTERRUPTED: "The run was interrupted",
} as const;
export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorFacts {
  /** The value or state that was found. */
  seen: string;
  /** The value or state that is needed. */
  wanted: string;
  /** A command (or an act) that brings the user on. */
  next: string;
  /** Longer evidence, printed last: log lines, the tail of an output. */
  detail?: string;
  cause?: unknown;
}

/** An error that the user must act on: shown without a stack. Anything else is a bug and keeps its stack. */
export class UserError extends Error {
  readonly code: ErrorCode;
  readonly seen: string;
  readonly wanted: string;
  readonly next: string;
  readonly detail: string | undefined;
  /** Pulumi prints an error with this mark as its message alone; see RunError in its SDK. */
  readonly __pulumiRunError = true;

  constructor(code: ErrorCode, facts: ErrorFacts) {
    const lines = [
      `${code}: ${ERROR_CODES[code]}`,
      `  seen:   ${facts.seen}`,
      `  wanted: ${facts.wanted}`,
      `  next:   ${facts.next}`,
    ];
    if (facts.detail)
      lines.push(
        "",
        ...facts.detail
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`),
      );
    super(lines.join("\n"), { cause: facts.cause });
    this.name = "UserError";
    this.code = code;
    this.seen = facts.seen;
    this.wanted = facts.wanted;
    this.next = facts.next;
    this.detail = facts.detail;
    delete this.stack;
  }
}
