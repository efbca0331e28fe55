import type { ProfileOutput } from "../outputs";

/** A profile of Bay: the recipe of a sandbox. */
export interface Profile extends ProfileOutput {
  description: string;
  /** Limits of a sandbox. */
  resources: { cpus: number; memory: string };
  /** What its pod asks of the node: little, so that a small host takes many sandboxes. An upstream Bay ignores it. */
  requests: { cpus: number; memory: string };
  env: Record<string, string>;
}

const SMALL = { cpus: 0.05, memory: "96m" };
const FILES = ["filesystem", "shell", "python", "upload", "download"];

/** The profiles that the suites ask for; names and limits are those of Bay's own integration tests. */
export const PROFILES: readonly Profile[] = [
  { id: "python-default", description: "Python, shell and files", capabilities: FILES, idleTimeout: 300, resources: { cpus: 1, memory: "1g" }, requests: SMALL, env: { BAY_TEST_ENV_VAR: "test-value-12345" } },
  { id: "python-only-test", description: "Python alone, to see the other capabilities refused", capabilities: ["python"], idleTimeout: 300, resources: { cpus: 1, memory: "1g" }, requests: SMALL, env: {} },
  { id: "short-idle-test", description: "Idle after two seconds, for the collector's tests", capabilities: FILES, idleTimeout: 2, resources: { cpus: 1, memory: "1g" }, requests: SMALL, env: {} },
  { id: "oom-test", description: "Little memory, to run out of it", capabilities: FILES, idleTimeout: 300, resources: { cpus: 1, memory: "128m" }, requests: SMALL, env: {} },
];

/** What of a profile a test needs to know. */
export function profileOutputs(profiles: readonly Profile[]): ProfileOutput[] {
  return profiles.map(({ id, capabilities, idleTimeout }) => ({ id, capabilities: [...capabilities], idleTimeout }));
}
