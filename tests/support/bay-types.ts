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

export interface Cargo {
  id: string;
  managed: boolean;
  managed_by_sandbox_id: string | null;
  backend: string;
  size_limit_mb: number;
  created_at: string;
  last_accessed_at: string;
}

/** One call that is kept in a sandbox's history. */
export interface Execution {
  id: string;
  session_id: string | null;
  exec_type: "python" | "shell" | "browser" | "browser_batch";
  code: string;
  success: boolean;
  execution_time_ms: number;
  output: string | null;
  error: string | null;
  payload_ref: string | null;
  description: string | null;
  tags: string | null;
  notes: string | null;
  created_at: string;
}

export interface GcRun {
  results: { task_name: string; cleaned_count: number; skipped_count: number; errors: string[] }[];
  total_cleaned: number;
  total_errors: number;
  duration_ms: number;
}

export interface Candidate {
  id: string;
  skill_key: string;
  status: string;
  latest_score: number | null;
  latest_pass: boolean | null;
  promotion_release_id: string | null;
  [field: string]: unknown;
}

export interface Release {
  id: string;
  skill_key: string;
  candidate_id: string;
  version: number;
  stage: string;
  is_active: boolean;
  rollback_of: string | null;
  [field: string]: unknown;
}

/** What Bay answers to everything that it refuses, but for schema errors. */
export interface ErrorEnvelope {
  error: { code: string; message: string; request_id: string; details?: Record<string, unknown> };
}

/** What Bay answers (422) to a body or query of the wrong form. */
export interface SchemaProblems {
  detail: { type: string; loc: (string | number)[]; msg: string }[];
}
