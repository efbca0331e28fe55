import type { Config, ProfileConfig } from "./schema";

/** One container of a session's pod. */
export interface ContainerSpec {
  name: string;
  image: string;
  runtimeType: "ship" | "gull";
  port: number;
  resources: { cpus: number; memory: string };
  /** What the pod asks for; by default half the processor time and all of the memory. */
  requests: { cpus: number; memory: string };
  /**
   * What the container may write outside of its volumes, and to its log; the kubelet evicts a pod that has written
   * more.
   */
  ephemeralStorage: string;
  capabilities: string[];
  primaryFor: string[];
  /** Variables of the profile, then those of the proxy. */
  env: Record<string, string>;
}

/** A profile as the services use it. */
export interface Profile {
  id: string;
  description: string | null;
  /** Seconds. */
  idleTimeout: number;
  /** As clients see them: the profile's own order, or the sorted union of its containers'. */
  capabilities: string[];
  containers: ContainerSpec[];
  /** Whether its processes are of uid 0, without any capability. */
  root: boolean;
  /** Whether it was declared by a list of containers. */
  multi: boolean;
  /** The container whose image and resources stand for the profile. */
  primary: ContainerSpec;
  /** Variables that a shell of the sandbox is to see. */
  env: Record<string, string>;
}

const SINGLE_CAPABILITIES = ["filesystem", "shell", "python"];
const NO_PROXY = "localhost,127.0.0.1,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,.svc,.cluster.local";

/** Profiles by id, in the order of the configuration. */
export function profilesOf(config: Config): Map<string, Profile> {
  return new Map(config.profiles.map((given) => [given.id, profileOf(given, config)]));
}

/** The container that answers for a capability: a declared one first, else the first that has it. */
export function containerFor(profile: Profile, capability: string): ContainerSpec {
  return (
    profile.containers.find(({ primaryFor }) => primaryFor.includes(capability)) ??
    profile.containers.find(({ capabilities }) => capabilities.includes(capability)) ??
    profile.primary
  );
}

function requestsOf({
  resources,
  resource_requests,
}: Pick<ProfileConfig, "resources" | "resource_requests">): ContainerSpec["requests"] {
  return resource_requests ?? { cpus: resources.cpus / 2, memory: resources.memory };
}

function profileOf(given: ProfileConfig, config: Config): Profile {
  const multi = given.containers !== null;
  const containers: ContainerSpec[] = given.containers
    ? given.containers.map((each) => ({
        name: each.name,
        image: each.image,
        runtimeType: each.runtime_type,
        port: each.runtime_port,
        resources: each.resources,
        requests: requestsOf(each),
        ephemeralStorage: each.ephemeral_storage,
        capabilities: each.capabilities,
        primaryFor: each.primary_for,
        env: { ...given.env, ...each.env, ...proxyEnv(config.proxy, given.proxy, each.proxy) },
      }))
    : [
        {
          name: "ship",
          image: given.image,
          runtimeType: given.runtime_type,
          port: given.runtime_port,
          resources: given.resources,
          requests: requestsOf(given),
          ephemeralStorage: given.ephemeral_storage,
          capabilities: given.capabilities ?? SINGLE_CAPABILITIES,
          primaryFor: [],
          env: { ...given.env, ...proxyEnv(config.proxy, given.proxy) },
        },
      ];
  const union = [...new Set(containers.flatMap(({ capabilities }) => capabilities))].sort();
  return {
    id: given.id,
    description: given.description,
    idleTimeout: given.idle_timeout,
    root: given.run_as_root,
    multi,
    containers,
    env: given.env,
    capabilities: given.capabilities ?? (multi ? union : SINGLE_CAPABILITIES),
    primary: containers.find(({ name }) => name === "primary" || name === "ship") ?? containers[0]!,
  };
}

type Proxy = {
  enabled: boolean | null;
  http_proxy: string | null;
  https_proxy: string | null;
  no_proxy: string | null;
} | null;

/** Proxy variables in both spellings; a later layer wins over an earlier one. */
function proxyEnv(...layers: Proxy[]): Record<string, string> {
  const pick = <K extends keyof NonNullable<Proxy>>(key: K) =>
    layers.reduce<NonNullable<Proxy>[K] | null>((found, layer) => layer?.[key] ?? found, null);
  if (!pick("enabled")) return {};
  const values = {
    http_proxy: pick("http_proxy"),
    https_proxy: pick("https_proxy"),
    no_proxy: pick("no_proxy") ?? NO_PROXY,
  };
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value
        ? [
            [name, value],
            [name.toUpperCase(), value],
          ]
        : [],
    ),
  );
}
