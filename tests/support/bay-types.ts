/** Shapes of Bay's API v1 as far as the tests use them; names are Bay's own. */

export interface Sandbox {
  id: string;
  status: "idle" | "starting" | "ready" | "failed" | "expired";
  profile: string;
  cargo_id: string;
  capabilities: string[];
  created_at: string;
  expires_at: string | null;
  idle_expires_at: string | null;
  containers: SandboxContainer[] | null;
}

export interface SandboxContainer {
  name: string;
  runtime_type: string;
  status: string;
  version: string | null;
  capabilities: string[];
  healthy: boolean | null;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface PythonResult {
  success: boolean;
  output: string;
  error: string | null;
  data: { execution_count: number | null; output: { text: string; images: Record<string, string>[] } } | null;
  execution_id: string;
  execution_time_ms: number;
  code: string | null;
}

export interface ShellResult {
  success: boolean;
  output: string;
  error: string | null;
  exit_code: number | null;
  execution_id: string;
  execution_time_ms: number;
  command: string | null;
}

export interface DirectoryEntry {
  name: string;
  path: string;
  is_file: boolean;
  is_dir: boolean;
  size: number | null;
  modified_time: number;
}

export interface Profile {
  id: string;
  image: string;
  resources: { cpus: number; memory: string };
  capabilities: string[];
  idle_timeout: number;
}

/** What Bay answers to everything that it refuses, but for schema errors. */
export interface ErrorEnvelope {
  error: { code: string; message: string; request_id: string; details?: Record<string, unknown> };
}

/** What Bay answers (422) to a body or query of the wrong form. */
export interface SchemaProblems {
  detail: { type: string; loc: (string | number)[]; msg: string }[];
}
