import { z } from "zod";
import { readDatabaseUrl } from "./database-url";

/**
 * The schema of `config.yaml`. Keys and defaults are those of Bay's contract; unknown nested keys are ignored, an
 * unknown top-level key is an error. Added to the contract (nested, so that another Bay ignores them):
 * - `server.max_json_bytes`, `server.max_upload_bytes`: larger bodies and files are refused;
 * - `server.metrics_port` (0: none), `server.shutdown_seconds`, how long running calls may go on when Bay is told to
 *   end;
 * - `database.max_history_mb`: the oldest executions are forgotten beyond it;
 * - `limits`: what one call, one owner and all calls together may take (README.md, "Limits");
 * - `database.max_mb`: beyond this size of the database file nothing is added to it;
 * - `driver.k8s.max_parallel_starts`: how many session pods may be starting at once, others wait their turn;
 * - `driver.k8s.volume_node`: name of the cluster's only node, on which volumes are then made before any pod asks for
 *   them;
 * - `security.admin_key`, with which the admin routes are closed to other keys, and `security.revoke_other_keys`;
 * - a profile's `run_as_root`, by which its processes are of uid 0 and as locked down as ever for the rest: on hosts
 *   without CAP_SYS_RESOURCE no others can be checkpointed;
 * - a profile's `resource_requests`, what its pod asks of the node (by default the contract's half of the processor and
 *   all of the memory);
 * - the section `recovery`, which another Bay would refuse: what becomes of volumes and pods that the database does not
 *   know;
 * - a profile's `ephemeral_storage`, what each of its containers may write outside of its volume (by default 2g).
 */

const MIB = 1024 * 1024;
const numeric = (value: unknown): unknown =>
  typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
const int = () => z.preprocess(numeric, z.int());
const positive = () => z.preprocess(numeric, z.int().positive());
const whole = (min: number, max: number, otherwise: number) =>
  z.preprocess(numeric, z.int().min(min).max(max)).default(otherwise);
const port = () => z.preprocess(numeric, z.int().min(1).max(65_535));
const number = () => z.preprocess(numeric, z.number().positive());
const TRUE = ["true", "1", "yes", "on"];
const FALSE = ["false", "0", "no", "off"];
const bool = () =>
  z.preprocess((value) => {
    const text = String(value).toLowerCase();
    return TRUE.includes(text) ? true : FALSE.includes(text) ? false : value;
  }, z.boolean());
const text = () => z.string().min(1);
const dnsName = () =>
  z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "wanted a DNS label: a-z, 0-9 and inner hyphens, at most 63");
const labelPrefix = () =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9]([A-Za-z0-9._-]{0,40})$/,
      "wanted the beginning of a label: letters, digits, dots and hyphens, at most 41",
    );
const written = (value: unknown): unknown => (typeof value === "number" ? String(value) : value);
/** Memory of a container: the contract's g, m and k, or Kubernetes' own units. */
const memory = () =>
  z.preprocess(
    written,
    z
      .string()
      .trim()
      .regex(/^\d+(\.\d+)?([gmk]|[KMGTPE]i|[TPE])?$/i, "wanted a number of bytes, with k, m, g, Ki, Mi, Gi or Ti"),
  );
/** Size of a volume, as Kubernetes writes it. */
const volumeSize = () =>
  z.preprocess(
    written,
    z
      .string()
      .regex(/^\d+(\.\d+)?([kMGTPE]|[KMGTPE]i)?$/, "wanted a number of bytes, with k, M, G, T, Ki, Mi, Gi or Ti"),
  );
const optionalText = () => z.string().nullable().default(null);
/** A section that may be left out or left empty. */
const section = <S extends z.ZodRawShape>(shape: S) => z.preprocess((value) => value ?? {}, z.object(shape));

const resources = section({ cpus: number().default(1), memory: memory().default("1g") });
const environment = z.preprocess(
  (value) => value ?? {},
  z.record(
    z.string(),
    z.preprocess((v) => (typeof v === "number" || typeof v === "boolean" ? String(v) : v), z.string()),
  ),
);
const proxy = {
  enabled: bool().nullable().default(null),
  http_proxy: optionalText(),
  https_proxy: optionalText(),
  no_proxy: optionalText(),
};
const CAPABILITIES = ["filesystem", "shell", "python"];
const runtime = {
  image: text().default("ship:latest"),
  runtime_type: z.enum(["ship", "gull"]).default("ship"),
  runtime_port: port().default(8123),
  resources,
  ephemeral_storage: memory().default("2g"),
  resource_requests: z.object({ cpus: number(), memory: memory() }).nullable().default(null),
  env: environment,
  proxy: z.object(proxy).nullable().default(null),
};
const container = z.object({
  ...runtime,
  name: text(),
  image: text(),
  capabilities: z.array(text()).default(CAPABILITIES),
  primary_for: z.array(text()).default([]),
});
const profile = z.object({
  ...runtime,
  id: text(),
  capabilities: z.array(text()).nullable().default(null),
  description: optionalText(),
  idle_timeout: positive().default(1800),
  run_as_root: z.boolean().default(false),
  warm_pool_size: int().default(0),
  containers: z.array(container).min(1).nullable().default(null),
});

const DEFAULT_PROFILES = [
  { id: "python-default", image: "ship:latest", resources: { cpus: 1, memory: "1g" } },
  { id: "python-data", image: "ship:data", resources: { cpus: 2, memory: "4g" } },
];

export const configSchema = z.strictObject({
  server: section({
    host: text().default("0.0.0.0"),
    port: port().default(8114),
    max_json_bytes: positive().default(64 * 1024 * 1024),
    max_upload_bytes: positive().default(1024 * 1024 * 1024),
    metrics_port: z.preprocess(numeric, z.int().min(0).max(65_535)).default(9114),
    shutdown_seconds: positive().default(10),
  }).superRefine(({ port: api, metrics_port }, context) => {
    if (api === metrics_port)
      context.addIssue({
        code: "custom",
        path: ["metrics_port"],
        message: "the API has this port too; wanted another one, or 0 for no metrics",
      });
  }),
  database: section({
    url: text()
      .refine(
        (url) => readDatabaseUrl(url) !== undefined,
        "wanted SQLite: sqlite:///RELATIVE.db, sqlite:////ABSOLUTE.db or :memory:",
      )
      .default("sqlite+aiosqlite:///./bay.db"),
    echo: bool().default(false),
    max_history_mb: positive().default(256),
    max_mb: positive().default(896),
  }),
  limits: section({
    // Of a call.
    json_bytes: positive().default(2 * MIB),
    json_depth: whole(1, 200, 64),
    json_values: whole(100, 1_000_000, 50_000),
    code_bytes: positive().default(8 * MIB),
    answer_bytes: positive().default(64 * MIB),
    page_bytes: positive().default(8 * MIB),
    body_seconds: whole(1, 3600, 60),
    // Of all calls under way; null: 60 % of what Node may use.
    in_flight_mb: z.preprocess(numeric, z.int().min(4).nullable()).default(null),
    aside_mb: positive().default(2048),
    connections: whole(10, 100_000, 2000),
    // Of an owner.
    sandboxes_per_owner: positive().default(1000),
    cargos_per_owner: positive().default(1000),
    skill_records_per_owner: positive().default(10_000),
  }),
  driver: section({
    type: z.enum(["docker", "k8s"]).default("docker"),
    image_pull_policy: z.enum(["always", "if_not_present", "never"]).default("if_not_present"),
    k8s: section({
      namespace: dnsName().default("bay"),
      kubeconfig: optionalText(),
      storage_class: optionalText(),
      default_storage_size: volumeSize().default("1Gi"),
      image_pull_secrets: z.array(text()).default([]),
      pod_startup_timeout: positive().default(60),
      label_prefix: labelPrefix().default("bay"),
      max_parallel_starts: positive().default(8),
      volume_node: optionalText(),
    }),
    docker: z.unknown().optional(),
  }).superRefine(({ type }, context) => {
    if (type === "docker")
      context.addIssue({
        code: "custom",
        path: ["type"],
        message: 'this Bay runs sandboxes on Kubernetes only; wanted "k8s"',
      });
  }),
  cargo: section({
    root_path: text().default("/var/lib/bay/cargos"),
    host_root_path: optionalText(),
    default_size_limit_mb: positive().default(1024),
    mount_path: z.literal("/workspace").default("/workspace"),
  }),
  security: section({
    api_key: optionalText(),
    allow_anonymous: bool().default(true),
    blocked_hosts: z.array(z.string()).optional(),
    admin_key: optionalText(),
    revoke_other_keys: bool().default(false),
  }),
  recovery: section({
    grace_seconds: z
      .preprocess(
        numeric,
        z
          .number()
          .min(0)
          .max(100 * 365 * 86_400),
      )
      .default(7 * 86_400),
    remove_unknown: bool().default(false),
    max_share: z.preprocess(numeric, z.number().gt(0).max(1)).default(0.1),
  }),
  idempotency: section({ enabled: bool().default(true), ttl_hours: number().default(1) }),
  gc: section({
    enabled: bool().default(true),
    run_on_startup: bool().default(true),
    interval_seconds: positive().default(300),
    instance_id: optionalText(),
    idle_session: section({ enabled: bool().default(true) }),
    expired_sandbox: section({ enabled: bool().default(true) }),
    orphan_cargo: section({ enabled: bool().default(true) }),
    orphan_container: section({ enabled: bool().default(false) }),
  }),
  proxy: section({ ...proxy, enabled: bool().default(false) }),
  warm_pool: z.unknown().optional(),
  browser_service: section({
    // Upstream refuses it together with the Kubernetes driver, the only one here.
    enabled: bool()
      .refine((enabled) => !enabled, "there is no browser service on Kubernetes; wanted false")
      .default(false),
    endpoint: optionalText(),
  }),
  browser_learning: z.unknown().optional(),
  browser_auto_release_enabled: bool().default(true),
  profiles: z
    .array(profile)
    .min(1)
    .superRefine((profiles, context) => {
      profiles.forEach((each, index) => {
        const problem = (key: string, message: string): void => {
          context.addIssue({ code: "custom", path: [index, key], message });
        };
        if (profiles.findIndex(({ id }) => id === each.id) !== index)
          problem("id", `the profile "${each.id}" is there twice`);
        const names = (each.containers ?? []).map(({ name }) => name);
        if (new Set(names).size !== names.length) problem("containers", "two containers have the same name");
      });
    })
    .default(() => DEFAULT_PROFILES.map((given) => profile.parse(given))),
});

/** The whole configuration with every default filled in. */
export type Config = z.output<typeof configSchema>;
export type ProfileConfig = Config["profiles"][number];
