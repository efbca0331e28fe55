import { z } from "zod";

/** The environment cannot be used; `problems` names each variable, what was found and what is wanted. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(
      `the environment has ${problems.length} problem${problems.length === 1 ? "" : "s"}:\n${problems.map((each) => `  - ${each}`).join("\n")}`,
    );
  }
}

const whole = (min: number, max: number, fallback: number) =>
  z.preprocess((value) => (value === undefined ? fallback : Number(value)), z.int().min(min).max(max));
const port = (fallback: number) => whole(0, 65_535, fallback);
const secret = z.string("wanted a secret").min(16, "wanted a secret of at least 16 characters");
const path = (fallback: string) => z.string().startsWith("/", "wanted an absolute path").default(fallback);
const list = (fallback: string[]) =>
  z
    .string()
    .transform((text) =>
      text
        .split(",")
        .map((each) => each.trim())
        .filter(Boolean),
    )
    .default(fallback);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const common = {
  PROPAGATOR_HOST: z.string().default("0.0.0.0"),
  PROPAGATOR_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info"),
  /** Shared by server and agents, and by nobody else. */
  PROPAGATOR_AGENT_TOKEN: secret,
  /** Folders of runc's states that a request may name; the first is the default. An agent goes by its own. */
  PROPAGATOR_RUNC_ROOTS: list(["/run/containerd/runc/k8s.io"]),
  /** Seconds for which calls and dumps may go on after SIGTERM. */
  PROPAGATOR_SHUTDOWN_SECONDS: whole(1, 600, 20),
};

const serverSchema = z.object({
  ...common,
  PROPAGATOR_PORT: port(1324),
  /** 0 for none. */
  PROPAGATOR_METRICS_PORT: port(9324),
  /** Bearer token of the API. */
  PROPAGATOR_TOKEN: secret,
  /** SQLite file. */
  PROPAGATOR_DATABASE: path("/data/propagator.db"),
  /** Id of the cluster that this runs in; empty: one is made up at the first start and kept. */
  PROPAGATOR_CLUSTER_ID: z.union([z.literal(""), z.string().regex(UUID, "wanted a UUID in lower case")]).default(""),
  PROPAGATOR_CLUSTER_NAME: z.string().min(1).default("local"),
  /** Namespace of the agents. */
  PROPAGATOR_NAMESPACE: z.string().min(1).default("default"),
  /**
   * Namespaces that are looked through for a pod of which only the UID is given; empty for all. Rights are the API
   * server's to give.
   */
  PROPAGATOR_NAMESPACES: list([]),
  /**
   * ClusterRole that a RoleBinding gives in a namespace, and the account (NAMESPACE:NAME) to give it to; empty where
   * unknown.
   */
  PROPAGATOR_CLUSTER_ROLE: z.string().default(""),
  PROPAGATOR_SERVICE_ACCOUNT: z.string().default(""),
  PROPAGATOR_AGENT_SELECTOR: z.string().min(1).default("app.kubernetes.io/component=agent"),
  PROPAGATOR_AGENT_PORT: port(1325),
  /** RuntimeClass of restored pods. */
  PROPAGATOR_RUNTIME_CLASS: z.string().min(1).default("bay-e2e-checkpoint"),
  /** Checkpoints that are kept of one container; older ones are removed. */
  PROPAGATOR_KEEP: whole(1, 10_000, 5),
  /** Bytes of checkpoints that one node keeps; the oldest are removed beyond it, and a single larger one is refused. */
  PROPAGATOR_MAX_BYTES: whole(1, Number.MAX_SAFE_INTEGER, 10 * 1024 ** 3),
  /** Actions that are remembered; of those that have ended and have no checkpoint any more the oldest are forgotten. */
  PROPAGATOR_HISTORY: whole(1, 1_000_000, 2_000),
  PROPAGATOR_DUMP_SECONDS: whole(1, 290, 290),
  /** Until a restored pod must be Ready. */
  PROPAGATOR_RESTORE_SECONDS: whole(1, 3600, 120),
  /** Kubeconfig file; empty for the pod's ServiceAccount. */
  PROPAGATOR_KUBECONFIG: z.string().default(""),
});

/** How the node's tool is started from a pod with the node's processes: in the node's own namespaces. */
export const NODE_TOOL = ["nsenter", "--target", "1", "--mount", "--uts", "--ipc", "--net", "--", "runc-cr"];

const agentSchema = z.object({
  ...common,
  PROPAGATOR_AGENT_PORT: port(1325),
  PROPAGATOR_AGENT_METRICS_PORT: port(9325),
  PROPAGATOR_NODE: z.string().default(""),
  /** Command of the node's tool, as a JSON list. */
  PROPAGATOR_TOOL: z
    .string()
    .transform((text, context) => {
      const parsed = z.array(z.string().min(1)).min(1).safeParse(jsonOf(text));
      if (parsed.success) return parsed.data;
      context.addIssue({ code: "custom", message: "wanted a JSON list of words" });
      return z.NEVER;
    })
    .default(NODE_TOOL),
  /** Folder of the node where its tool keeps checkpoints; left out: where it does by itself. */
  PROPAGATOR_STORE: z.string().regex(/^\//, "wanted an absolute path").optional(),
});

export type ServerConfig = z.infer<typeof serverSchema>;
export type AgentConfig = z.infer<typeof agentSchema>;

/** @throws ConfigError with all problems at once */
export function serverConfig(env: NodeJS.ProcessEnv): ServerConfig {
  return withRoots(read(serverSchema, env));
}

/** @throws ConfigError with all problems at once */
export function agentConfig(env: NodeJS.ProcessEnv): AgentConfig {
  return withRoots(read(agentSchema, env));
}

function withRoots<T extends { PROPAGATOR_RUNC_ROOTS: string[] }>(config: T): T {
  if (config.PROPAGATOR_RUNC_ROOTS.length === 0)
    throw new ConfigError(["PROPAGATOR_RUNC_ROOTS: wanted at least one folder"]);
  return config;
}

function read<T>(schema: z.ZodType<T>, env: NodeJS.ProcessEnv): T {
  const given = Object.fromEntries(
    Object.entries(env).filter(
      ([name, value]) => name.startsWith("PROPAGATOR_") && value !== undefined && value !== "",
    ),
  );
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw new ConfigError(
    result.error.issues.map(({ path, message }) => {
      const name = String(path[0]);
      const seen =
        given[name] === undefined
          ? "it is not set"
          : name.endsWith("TOKEN")
            ? `a value of ${given[name].length} characters`
            : `seen ${JSON.stringify(given[name])}`;
      return `${name}: ${message}; ${seen}`;
    }),
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
