/** Where an E2E file's tests belong; each file has exactly one. */
export const GROUPS = {
  core: "sandboxes, their life, time to live, authentication, refusals",
  filesystem: "files and transfers",
  shell: "shell commands",
  gc: "Bay's garbage collection",
  isolation: "what a sandbox sees of its host, of its pod and of others",
  resilience: "broken connections, lost and replaced pods",
  security: "access rights, capabilities, paths",
  workflows: "what agents do in several steps",
} as const;

/** All markers: tags such as `@serial` in the title of a test or of a describe block around it. */
export const MARKERS = {
  serial: "runs alone, after all others: it touches what the others use",
  slow: "takes more than five seconds",
  reference: "beyond the contract: asked of the reference Bay alone",
  ...GROUPS,
} as const;

export type Marker = keyof typeof MARKERS;
