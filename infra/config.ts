import { z } from "zod";
import { BACKENDS, type BackendName } from "./outputs";
import { previewIn, previewSchema } from "./preview";
import { QUOTA_KEYS, quotaOf, quotaProblems } from "./quota";
import { UserError } from "./support/errors";
import { nearest } from "./support/nearest";
import { QUANTITY } from "./support/quantity";

const kubernetesName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "wanted a DNS label: lower case letters, digits and -, at most 63");
const quantity = z
  .string()
  .regex(/^[1-9]\d*(\.\d+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$/, "wanted a Kubernetes quantity such as 1Gi");
const seconds = z.int().min(1).max(3600);
const port = z.int().min(1).max(65535);
const amounts = z.record(z.string(), z.union([z.string(), z.number()]));
const labels = z.record(z.string().min(1), z.string());
const peers = z.array(z.strictObject({ namespace: labels.optional(), pod: labels.optional() })).default([]);
const resources = z.strictObject({ requests: amounts.optional(), limits: amounts.optional() });

/** One key of the configuration; `Pulumi.yaml` describes the same keys, and a test compares the two. */
const schema = z.strictObject({
  backend: z.union([z.enum(BACKENDS), z.literal("")]).default(""),
  namespace: kubernetesName.default("bay-e2e-test"),
  serviceAccount: kubernetesName.default("bay"),
  role: kubernetesName.default("bay-role"),
  roleBinding: kubernetesName.default("bay-rolebinding"),
  configMap: kubernetesName.default("bay-config"),
  pod: kubernetesName.default("bay"),
  bayPort: port.default(8114),
  apiKey: z
    .string()
    .regex(/^([\x21-\x7e]{8,200})?$/, "wanted 8 to 200 printable characters without blanks")
    .default(""),
  bayImage: z.string().default(""),
  bayContext: z.string().min(1).default("images/bay"),
  bayDockerfile: z.string().default(""),
  bayBaseImage: z.string().min(1).default("docker.io/library/node:24-bookworm-slim"),
  bayClients: peers,
  bayMetricsClients: peers,
  bayPodSecurity: z.enum(["restricted", "baseline"]).default("restricted"),
  shipImage: z.string().default(""),
  shipContext: z.string().min(1).default("images/ship"),
  shipDockerfile: z.string().default(""),
  shipBaseImage: z.string().min(1).default("docker.io/nikolaik/python-nodejs:python3.13-nodejs24-slim"),
  propagatorImage: z.string().default(""),
  propagatorContext: z.string().min(1).default("images/propagator"),
  propagatorDockerfile: z.string().default(""),
  propagatorBaseImage: z.string().min(1).default("docker.io/library/node:24-bookworm-slim"),
  imageSubstitutes: z.record(z.string(), z.string()).default({}),
  registry: z
    .string()
    .regex(/^([a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)*)?$/, "wanted a registry such as registry.example:5000/team")
    .default(""),
  registryUsername: z.string().default(""),
  registryPassword: z.string().default(""),
  storageClass: z.string().default(""),
  storageSize: quantity.default("1Gi"),
  podStartupTimeout: seconds.default(120),
  readyTimeout: seconds.default(120),
  checkpoint: z.union([z.boolean(), z.literal("auto")], "wanted auto, true or false").default("auto"),
  checkpointNamespace: z.union([z.literal(""), kubernetesName]).default(""),
  checkpointTimeout: seconds.default(300),
  checkpointLogLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  checkpointDirectory: z.string().default(""),
  checkpointCompression: z.enum(["none", "tar", "lz4", "gzip", "zlib"]).default("none"),
  checkpointContainerdAddress: z
    .string()
    .regex(/^(\/.+)?$/, "wanted the path of a socket on the nodes, or nothing")
    .default(""),
  checkpointResources: resources.default({}),
  checkpointValues: z.record(z.string(), z.unknown()).default({}),
  cedanaToken: z.string().default(""),
  cedanaUrl: z.string().min(1).default("https://ci.cedana.ai/v1"),
  cedanaClusterId: z.string().default(""),
  cedanaChart: z.string().min(1).default("oci://registry-1.docker.io/cedana/cedana-helm"),
  cedanaChartVersion: z.string().min(1).default("0.7.6"),
  clusterName: z
    .string()
    .regex(/^([a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?)?$/, "wanted a DNS label of at most 48 characters, or nothing")
    .default(""),
  k3sImage: z.string().min(1).default("docker.io/rancher/k3s:v1.36.3-k3s1"),
  k3sApiPort: z.union([z.literal(0), port]).default(0),
  k3sAgents: z.int().min(0).max(9).default(0),
  kindImage: z
    .string()
    .min(1)
    .default("kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"),
  kindNodes: z.int().min(1).max(10).default(1),
  kindExtraMounts: z
    .array(
      z.strictObject({
        hostPath: z.string().min(1),
        containerPath: z.string().startsWith("/"),
        readOnly: z.boolean().default(false),
      }),
    )
    .default([]),
  kindContainerdPatches: z.array(z.string().min(1)).default([]),
  goImage: z.string().min(1).default("docker.io/library/golang:1.26"),
  criuImage: z.string().min(1).default("docker.io/library/debian:sid-slim"),
  kubeconfig: z.string().default(""),
  kubeContext: z.string().default(""),
  allowedContexts: z.array(z.string().min(1)).default([]),
  preview: previewSchema.default({}),
  previewQuota: z
    .partialRecord(
      z.enum(QUOTA_KEYS),
      z.union([z.string().regex(QUANTITY), z.number().min(0)], "wanted a Kubernetes quantity such as 500m or 4Gi"),
    )
    .default({}),
});

/** Keys whose values are never shown. */
export const SECRET_KEYS: readonly string[] = ["apiKey", "registryPassword", "cedanaToken"];

/** Keys that say something to some backends only; every other key is read on all of them. */
export const KEYS_OF_BACKENDS: Readonly<Record<string, readonly BackendName[]>> = {
  clusterName: ["k3s", "kind"],
  k3sImage: ["k3s"],
  k3sApiPort: ["k3s"],
  k3sAgents: ["k3s"],
  kindImage: ["kind"],
  kindNodes: ["kind"],
  kindExtraMounts: ["kind"],
  kindContainerdPatches: ["kind"],
  goImage: ["k3s", "kind"],
  criuImage: ["k3s", "kind"],
  kubeconfig: ["existing", "docker-desktop"],
  kubeContext: ["existing", "docker-desktop"],
  allowedContexts: ["existing", "docker-desktop"],
};

/** The whole configuration of a stack, checked and with every default filled in. */
export type Settings = Omit<z.infer<typeof schema>, "backend"> & { backend: BackendName };

/**
 * Whether the stack has checkpoints. `auto` stands only where the cluster is not this stack's, and the nodes decide.
 */
export function checkpointMode({ checkpoint, backend }: Pick<Settings, "checkpoint" | "backend">): boolean | "auto" {
  return checkpoint === "auto" && (backend === "k3s" || backend === "kind") ? true : checkpoint;
}

/** All keys, in the order of `Pulumi.yaml`. */
export const CONFIG_KEYS = Object.keys(schema.shape);

/** Default of each key, as `Pulumi.yaml` must state it. */
export function configDefaults(): Record<string, unknown> {
  return schema.parse({});
}

/** What each key takes, as JSON Schema. */
export function configValues(): Record<string, z.core.JSONSchema.BaseSchema> {
  return z.toJSONSchema(schema, { io: "input" }).properties as Record<string, z.core.JSONSchema.BaseSchema>;
}

/**
 * Reads a stack's configuration.
 * @param raw values by key as Pulumi gives them: text, with numbers and objects as JSON
 * @param stack name of the stack, which chooses the backend where the key `backend` is empty
 * @throws UserError E_CONFIG that lists every problem at once
 */
export function readConfig(raw: Record<string, string>, stack: string): Settings {
  const parsed = schema.safeParse(
    Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, decode(key, value)])),
  );
  const problems = parsed.success ? [] : parsed.error.issues.flatMap((issue) => describe(issue, raw));
  const given = (key: string) => (raw[key] ?? "") !== "";
  if (given("cedanaToken") && !given("cedanaClusterId")) {
    problems.push(
      "cedanaClusterId: no value, and cedanaToken is set: wanted the id under which Cedana knows this cluster (CLUSTER_ID)",
    );
  }
  if (given("registryUsername") && !given("registry"))
    problems.push("registry: no value, and registryUsername is set: wanted the registry that this login is for");
  if (given("registry")) {
    const local = ["bayImage", "shipImage"].filter((key) => raw[key]?.startsWith("sha256:"));
    problems.push(
      ...local.map(
        (key) =>
          `${key}: an image of this host by its content id, which no registry gives (value: ${JSON.stringify(raw[key])})`,
      ),
    );
  }
  if (parsed.success && previewIn(parsed.data)) {
    problems.push(
      ...quotaProblems(quotaOf(parsed.data.previewQuota), parsed.data.storageSize).map(
        (problem) => `previewQuota: ${problem}`,
      ),
    );
  }
  const chosen = (parsed.success ? parsed.data.backend : raw["backend"]) || stack;
  const backend = BACKENDS.find((name) => name === chosen);
  if (!backend && (raw["backend"] ?? "") === "") {
    problems.push(
      `backend: no value, and the stack's name "${stack}" is no backend: wanted one of ${BACKENDS.join(", ")}`,
    );
  }
  if (!parsed.success || !backend || problems.length > 0) {
    throw new UserError("E_CONFIG", {
      seen:
        problems.length === 1
          ? problems[0]!
          : `${problems.length} problems:\n${problems.map((line) => `          - ${line}`).join("\n")}`,
      wanted: "the keys, types and ranges that Pulumi.yaml describes",
      next: `pulumi config --stack ${stack}   (then: pulumi config set KEY VALUE, or pulumi config rm KEY)`,
    });
  }
  return { ...parsed.data, backend };
}

/** Where the images that the stack builds come from, with substitutes in place. */
export function imageSources(
  settings: Settings,
): Record<
  "bay" | "ship" | "propagator",
  { reference: string; context: string; dockerfile: string; baseImage: string }
> {
  const use = (reference: string) => substitute(reference, settings.imageSubstitutes);
  return {
    bay: {
      reference: settings.bayImage,
      context: settings.bayContext,
      dockerfile: settings.bayDockerfile,
      baseImage: use(settings.bayBaseImage),
    },
    ship: {
      reference: settings.shipImage,
      context: settings.shipContext,
      dockerfile: settings.shipDockerfile,
      baseImage: use(settings.shipBaseImage),
    },
    propagator: {
      reference: settings.propagatorImage,
      context: settings.propagatorContext,
      dockerfile: settings.propagatorDockerfile,
      baseImage: use(settings.propagatorBaseImage),
    },
  };
}

/**
 * The reference to use for `reference`: its substitute where there is one. Names are compared as Docker
 * understands them, so `node:24` and `docker.io/library/node:24` are the same.
 */
export function substitute(reference: string, substitutes: Record<string, string>): string {
  const wanted = canonical(reference);
  const match = Object.entries(substitutes).find(([from]) => canonical(from) === wanted);
  return match ? match[1] : reference;
}

/** The full form of an image reference: registry, repository and tag. */
export function canonical(reference: string): string {
  const [first, ...rest] = reference.split("/");
  const hasRegistry = rest.length > 0 && /[.:]|^localhost$/.test(first!);
  const repository = hasRegistry ? reference : `docker.io/${rest.length > 0 ? "" : "library/"}${reference}`;
  const last = repository.slice(repository.lastIndexOf("/"));
  return last.includes(":") || last.includes("@") ? repository : `${repository}:latest`;
}

/** Pulumi hands every value over as text; a value that should be a number or an object is JSON. */
function decode(key: string, value: string): unknown {
  const type = (schema.shape as Record<string, z.ZodType>)[key];
  if (!type || type.safeParse(value).success) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function describe(issue: z.core.$ZodIssue, raw: Record<string, string>): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const near = nearest(key, issue.path[0] === "previewQuota" ? QUOTA_KEYS : CONFIG_KEYS);
      return `${[...issue.path, key].join(".")}: no such key${near ? `, did you mean ${near}?` : ""}`;
    });
  }
  const key = String(issue.path[0]);
  const shown = SECRET_KEYS.includes(key) ? "[secret]" : JSON.stringify(raw[key]);
  return [`${issue.path.join(".")}: ${issue.message} (value: ${shown})`];
}
