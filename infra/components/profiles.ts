import type { ProfileOutput } from "../outputs";

/** Processor time, in cores, and memory as Bay writes it (`1g`, `128m`). */
export interface Resources {
  cpus: number;
  memory: string;
}

/** One runtime of a sandbox whose pod has several, which share its volume and its `localhost`. */
export interface ProfileContainer {
  name: string;
  /** Its own among the containers of a pod. */
  port: number;
  capabilities: readonly string[];
  /** What it answers for, also where others could. */
  primaryFor: readonly string[];
  resources: Resources;
  requests: Resources;
  env: Record<string, string>;
}

/** A profile of Bay: the recipe of a sandbox. */
export interface Profile extends ProfileOutput {
  description: string;
  /** Limits of a sandbox. */
  resources: Resources;
  /** What its pod asks of the node: little, so that a small host takes many sandboxes. An upstream Bay ignores it. */
  requests: Resources;
  /**
   * What each of its containers may write outside of its volume, as Bay writes it: beyond it the pod is evicted.
   * Default 2g; an upstream Bay ignores it.
   */
  ephemeralStorage?: string;
  env: Record<string, string>;
  /** What its sandboxes may reach beside the cluster's DNS: addresses that are not private, or nothing. */
  egress: "internet" | "none";
  /** Whether its processes are of uid 0; an upstream Bay ignores it. Default false: they are of uid 1000. */
  root?: boolean;
  /** Several runtimes in place of one. */
  containers?: readonly ProfileContainer[];
}

/** Where Ship listens. */
const SHIP_PORT = 8123;
const SMALL: Resources = { cpus: 0.05, memory: "96m" };
const LARGE: Resources = { cpus: 1, memory: "1g" };
const FILES = ["filesystem", "shell", "python", "upload", "download"];

/**
 * The profiles that the suites ask for; names and limits are those of Bay's own integration tests, but for the last
 * two.
 */
export const PROFILES: readonly Profile[] = [
  {
    id: "python-default",
    description: "Python, shell and files",
    capabilities: FILES,
    idleTimeout: 300,
    resources: LARGE,
    requests: SMALL,
    env: { BAY_TEST_ENV_VAR: "test-value-12345" },
    egress: "internet",
  },
  {
    id: "python-only-test",
    description: "Python alone, to see the other capabilities refused",
    capabilities: ["python"],
    idleTimeout: 300,
    resources: LARGE,
    requests: SMALL,
    env: {},
    egress: "none",
  },
  {
    id: "short-idle-test",
    description: "Idle after two seconds, for the collector's tests",
    capabilities: FILES,
    idleTimeout: 2,
    resources: LARGE,
    requests: SMALL,
    env: {},
    egress: "none",
  },
  {
    id: "oom-test",
    description: "Little memory and little disk, to run out of them",
    capabilities: FILES,
    idleTimeout: 300,
    resources: { cpus: 1, memory: "128m" },
    ephemeralStorage: "64m",
    requests: SMALL,
    env: {},
    egress: "none",
  },
  // On a host without CAP_SYS_RESOURCE nobody but root can be checkpointed. No capability and no way to gain any, as
  // everywhere.
  {
    id: "checkpoint-test",
    description: "Python, shell and files as root, for checkpoints",
    capabilities: FILES,
    idleTimeout: 300,
    resources: LARGE,
    requests: SMALL,
    env: {},
    egress: "none",
    root: true,
  },
  {
    id: "two-containers-test",
    description: "Python in one container, the shell in another, one workspace",
    capabilities: ["download", "filesystem", "python", "shell", "upload"],
    idleTimeout: 300,
    resources: LARGE,
    requests: SMALL,
    env: { BAY_TEST_ENV_VAR: "test-value-12345" },
    egress: "internet",
    containers: [
      {
        name: "ship",
        port: SHIP_PORT,
        capabilities: ["python", "filesystem", "upload", "download"],
        primaryFor: ["python", "filesystem"],
        resources: LARGE,
        requests: SMALL,
        env: {},
      },
      // The containers of a pod share their ports, so the second Ship listens on one of its own.
      {
        name: "shell",
        port: 8124,
        capabilities: ["shell", "filesystem"],
        primaryFor: ["shell"],
        resources: LARGE,
        requests: SMALL,
        env: { SHIP_PORT: "8124" },
      },
    ],
  },
];

/**
 * One profile, for whoever has no tests to run: Python, shell and files, a core and a gibibyte, internet but no private
 * addresses.
 */
export const DEFAULT_PROFILES: readonly Profile[] = [{ ...PROFILES[0]!, env: {} }];

/** What of a profile a test needs to know. */
export function profileOutputs(profiles: readonly Profile[]): ProfileOutput[] {
  return profiles.map(({ id, capabilities, idleTimeout }) => ({ id, capabilities: [...capabilities], idleTimeout }));
}

/** Every port at which Bay calls sandboxes of these profiles. */
export function runtimePorts(profiles: readonly Profile[]): number[] {
  return [...new Set(profiles.flatMap(({ containers }) => containers?.map(({ port }) => port) ?? [SHIP_PORT]))];
}

/** A profile as an entry of `profiles` in Bay's config.yaml. @param image of every container */
export function profileEntry(profile: Profile, image: string): Record<string, unknown> {
  const { id, description, idleTimeout, capabilities, env, containers } = profile;
  const common = {
    id,
    description,
    capabilities: [...capabilities],
    idle_timeout: idleTimeout,
    env: { ...env },
    ...(profile.root ? { run_as_root: true } : {}),
  };
  const disk = profile.ephemeralStorage === undefined ? {} : { ephemeral_storage: profile.ephemeralStorage };
  if (!containers) return { ...common, ...runtime(image, SHIP_PORT, profile), ...disk };
  return {
    ...common,
    containers: containers.map((container) => ({
      name: container.name,
      ...runtime(image, container.port, container),
      ...disk,
      capabilities: [...container.capabilities],
      primary_for: [...container.primaryFor],
      env: { ...container.env },
    })),
  };
}

function runtime(
  image: string,
  port: number,
  { resources, requests }: Pick<Profile, "resources" | "requests">,
): Record<string, unknown> {
  return {
    image,
    runtime_type: "ship",
    runtime_port: port,
    resources: { ...resources },
    resource_requests: { ...requests },
  };
}
