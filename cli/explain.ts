import { ERROR_CODES, type ErrorCode, UserError } from "../infra/support/errors";
import { tail } from "../infra/support/exec";

/** What a phase of a stack was about, for the next command that an error names. */
export interface Where {
  stack: string;
}

/** One resource's error, as Pulumi's diagnostics list it. */
interface Failure {
  /** Type of the resource, such as `docker:index:Image`; empty where the error is of no resource. */
  type: string;
  /** Its name in the program, such as `bay`; empty likewise. */
  name: string;
  message: string;
}

interface Rule {
  /** The resource that failed; without it any. */
  type?: RegExp;
  pattern?: RegExp;
  code: ErrorCode;
  wanted: string;
  next: (where: Where & Pick<Failure, "name">) => string;
}

/** Pulumi's own check of a stack's configuration, which ends at the first value of a wrong type. */
export const CONFIG_TYPE = /with configuration key '[^']*' must be /;

/** Causes that Pulumi or a plugin tells in its own words. The first that matches is the one. */
const RULES: readonly Rule[] = [
  {
    pattern: /incorrect passphrase|passphrase must be set/i,
    code: "E_PASSPHRASE",
    wanted: "the passphrase that the stack was made with",
    next: () => "unset PULUMI_CONFIG_PASSPHRASE PULUMI_CONFIG_PASSPHRASE_FILE   (or set the right one)",
  },
  {
    pattern: CONFIG_TYPE,
    code: "E_CONFIG",
    wanted: "the keys, types and ranges of docs/configuration.md",
    next: ({ stack }) =>
      `pulumi config --stack ${stack}   (then: pulumi config set KEY VALUE, or pulumi config rm KEY)`,
  },
  {
    pattern: /stack is currently locked|conflict: Another update/i,
    code: "E_STACK_LOCKED",
    wanted: "one run of a stack at a time",
    next: ({ stack }) => `npm run status -- --stack ${stack}`,
  },
  {
    pattern: /no space left on device|DiskPressure/i,
    code: "E_DISK",
    wanted: "free disk space",
    next: () => "docker system df   (then: npm run clean)",
  },
  {
    pattern: /port is already allocated|address already in use/i,
    code: "E_PORT_IN_USE",
    wanted: "a free port",
    next: () => "pulumi config set k3sApiPort 0",
  },
  {
    pattern: /Cannot connect to the Docker daemon|error during connect|connect E\w+ .*docker\.sock/i,
    code: "E_DOCKER_MISSING",
    wanted: "a Docker daemon that answers",
    next: () => "docker info   (then: npm run setup)",
  },
  {
    pattern: /privileged mode is incompatible|cannot enable .*capabilit|permission denied.*(cgroup|mount)/i,
    code: "E_DOCKER_PRIVILEGED",
    wanted: "a Docker that may run privileged containers",
    next: () => "docker info --format '{{.SecurityOptions}}'",
  },
  {
    pattern: /configured Kubernetes cluster is unreachable/i,
    code: "E_CLUSTER_UNREACHABLE",
    wanted: "an API server that answers",
    next: ({ stack }) => `npm run down -- --stack ${stack} --cluster-gone   (only when the cluster is gone for good)`,
  },
  {
    type: /^docker:.*Image$/,
    pattern: /pushing image|denied: |unauthorized|no basic auth credentials/i,
    code: "E_REGISTRY_PUSH",
    wanted: "a registry that takes the image",
    next: ({ stack }) => `pulumi config --stack ${stack}   (registry, registryUsername, registryPassword)`,
  },
  {
    type: /^docker:.*(Container|Network|Volume)$/,
    pattern: /Conflict\. The container name|network with name .* already exists/i,
    code: "E_CLUSTER_NAME_TAKEN",
    wanted: "a name that is free",
    next: ({ stack }) =>
      `pulumi config set --stack ${stack} clusterName ANOTHER-NAME   (to look at it: docker ps --all; docker network ls)`,
  },
  {
    type: /^docker:.*(Network|Volume)$/,
    pattern: /has active endpoints|volume is in use/i,
    code: "E_DESTROY",
    wanted: "nothing that uses it",
    next: () => "docker ps --all   (then docker network disconnect, or docker rm, what is not this stack's)",
  },
  {
    type: /^docker:.*Image$/,
    code: "E_IMAGE_BUILD",
    wanted: "an image that builds",
    next: ({ name }) => `docker build images/${imageOf(name)}   (or the context that ${imageOf(name)}Context names)`,
  },
  {
    type: /^docker:.*Container$/,
    code: "E_NODE_DIED",
    wanted: "a node container that starts",
    next: () => "docker ps --all --filter label=bay-e2e.dev/owner",
  },
  {
    type: /^kubernetes:core\/v1:Pod$/,
    pattern: /ErrImageNeverPull|ImagePullBackOff|ErrImagePull|InvalidImageName/,
    code: "E_IMAGE_NOT_ON_NODE",
    wanted: "an image that the node has or can pull",
    next: ({ stack }) => `pulumi config --stack ${stack}   (bayImage, shipImage, registry)`,
  },
  {
    type: /^kubernetes:helm\.sh\/v3:Release$/,
    code: "E_HELM_RELEASE",
    wanted: "a release that Helm calls deployed",
    next: ({ stack }) => `npm run status -- --stack ${stack}`,
  },
  {
    type: /^kubernetes:core\/v1:Pod$/,
    code: "E_BAY_NOT_READY",
    wanted: "Bay's pod ready",
    next: ({ stack }) => `npm run status -- --stack ${stack}`,
  },
];

/**
 * Turns what Pulumi printed into an error that names its cause. An error of the program itself arrives with
 * its code in the text and is passed on as it stands.
 */
export function explain(output: string, where: Where, cause?: unknown): UserError {
  const text = stripAnsi(output);
  const own = ownError(text);
  if (own) return own;
  const failure = failuresOf(text)[0] ?? { type: "", name: "", message: tail(text, 1) };
  const rule = RULES.find(({ type, pattern }) => (type?.test(failure.type) ?? true) && (pattern?.test(text) ?? true));
  const { code, wanted, next } = rule ?? {
    code: "E_COMMAND" as const,
    wanted: "an update without errors",
    next: ({ stack }: Where) => `npm run status -- --stack ${stack}`,
  };
  const [first = "", ...more] = failure.message.split("\n");
  // The kubernetes plugin counts its errors in the first line; the last of them has the reason.
  const seen = /errors? occurred:$/.test(first)
    ? (more
        .filter((line) => line.trim().startsWith("* "))
        .at(-1)
        ?.replace(/^\s*\* /, "") ?? first)
    : first;
  return new UserError(code, {
    seen: failure.type === "" ? seen : `${failure.type} ${failure.name}: ${seen}`,
    wanted,
    next: next({ ...where, name: failure.name }),
    detail: tail(more.join("\n"), 40),
    cause,
  });
}

/** The errors of Pulumi's diagnostics: those of resources first, the stack's own (`update failed`) last. */
function failuresOf(text: string): Failure[] {
  const blocks = diagnostics(text).split(/^ {2}(?=\S+ \([^)]*\):$)/m);
  const found = blocks.flatMap((block): Failure[] => {
    const [, type = "", name = ""] = /^(\S+) \(([^)]*)\)/.exec(block) ?? [];
    const start = block.indexOf("error: ");
    return start < 0 ? [] : [{ type, name, message: dedent(block.slice(start + "error: ".length)) }];
  });
  return [
    ...found.filter(({ type }) => type !== "" && type !== "pulumi:pulumi:Stack"),
    ...found.map((failure) => ({ ...failure, type: "", name: "" })),
  ];
}

/** The image that a resource builds: the last word of its name. */
function imageOf(name: string): string {
  return name.split("-").at(-1)!;
}

function dedent(text: string): string {
  return text.trimEnd().replace(/^ {4}/gm, "");
}

/** An error that the program threw: `E_…: …` with the lines seen, wanted and next. */
function ownError(text: string): UserError | undefined {
  const match =
    /\b(E_[A-Z_]+): [^\n]*\n\s*seen:\s+([\s\S]*?)\n\s*wanted: ([^\n]*)\n\s*next:\s+([^\n]*)((?:\n\s{8,}[^\n]*|\n\s*(?=\n\s{8,}))*)/.exec(
      text,
    );
  const code = match?.[1] as ErrorCode | undefined;
  if (!match || !code || !(code in ERROR_CODES)) return undefined;
  return new UserError(code, {
    seen: match[2]!.trim(),
    wanted: match[3]!.trim(),
    next: match[4]!.trim(),
    detail: match[5]?.replace(/^ {8}/gm, "").trim(),
  });
}

/** Pulumi repeats its errors at the end, under this heading. */
function diagnostics(text: string): string {
  const start = text.lastIndexOf("Diagnostics:");
  return start < 0
    ? text
    : text.slice(start, text.indexOf("\nResources:", start) < 0 ? undefined : text.indexOf("\nResources:", start));
}

function stripAnsi(text: string): string {
  // eslint-disable-next-line no-control-regex -- the escape character is what is looked for
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}
