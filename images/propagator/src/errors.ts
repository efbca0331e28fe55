/** Reasons that a caller may hear: HTTP status, and the number that Cedana's clients know as `cedana_error_code`. */
export const REASONS = {
  bad_request: [400, 1000],
  unauthorized: [401, 1001],
  not_found: [404, 1002],
  payload_too_large: [413, 1003],
  too_many: [429, 1006],
  internal_error: [500, 1004],
  cluster_unreachable: [503, 1005],
  cluster_not_found: [404, 1100],
  wrong_cluster: [400, 1101],
  no_cluster: [400, 1102],
  pod_not_found: [404, 1200],
  pod_not_running: [400, 1201],
  forbidden_namespace: [403, 1202],
  several_containers: [400, 1210],
  tty: [400, 1211],
  user_namespace: [400, 1212],
  host_namespace: [400, 1213],
  shared_process_namespace: [400, 1214],
  runtime_class: [400, 1215],
  device: [400, 1216],
  pod_controller: [400, 1217],
  static_pod: [400, 1218],
  kind_unsupported: [400, 1220],
  overrides_unsupported: [400, 1221],
  runc_root_unknown: [400, 1222],
  agent_unavailable: [503, 1300],
  action_not_found: [404, 1400],
  not_a_checkpoint: [400, 1401],
  checkpoint_not_ready: [400, 1402],
  checkpoint_failed: [400, 1403],
  checkpoint_deprecated: [400, 1404],
  node_unavailable: [400, 1405],
  checkpoint_not_found: [404, 1500],
  checkpoint_in_use: [409, 1501],
  files_unreachable: [409, 1502],
  removal_failed: [502, 1503],
} as const satisfies Record<string, readonly [status: number, number: number]>;
export type Reason = keyof typeof REASONS;

/** A refusal that the caller sees as `{message, cedana_error_code, code}`. */
export class Refused extends Error {
  readonly status: number;
  constructor(
    readonly reason: Reason,
    message: string,
  ) {
    super(message);
    this.status = REASONS[reason][0];
  }

  /** Body of the answer. */
  get body(): { message: string; cedana_error_code: number; code: string } {
    return { message: this.message, cedana_error_code: REASONS[this.reason][1], code: this.reason };
  }
}

/** A checkpoint or a restore that was begun and failed; `code` is the node's tool's, or one of ours. */
export class Failed extends Error {
  /** @param criu CRIU's last error lines */
  constructor(
    readonly code: string,
    message: string,
    readonly criu: readonly string[] = [],
  ) {
    super(message);
  }
}

/** Any thrown thing as a failure. */
export function failureOf(error: unknown): Failed {
  if (error instanceof Failed) return error;
  if (error instanceof Refused) return new Failed(error.reason, error.message);
  return new Failed("internal_error", error instanceof Error ? error.message : String(error));
}
