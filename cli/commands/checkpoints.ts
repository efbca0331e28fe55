import { UserError } from "../../infra/support/errors";
import { nearest } from "../../infra/support/nearest";
import { chooseStack } from "../stack/choose";
import { secondsOf } from "../options/amounts";
import type { PropagatorClient } from "../propagator/client";
import { PropagatorError } from "../propagator/errors";
import { type Facts, factsOfAction, factsOfCheckpoint, type Filters, passes } from "../propagator/filters";
import { actionTable, checkpointTable, clusterTable } from "../propagator/format";
import { type OpenTarget, openTarget } from "../propagator/target";
import type { ActionType, Checkpoint } from "../propagator/types";
import { outputsIfUp, prepare } from "../session";
import { toolsPrepared } from "../tools/setup";

/** As the user wrote them. */
export interface CheckpointsOptions {
  stack?: string;
  cluster?: string;
  pod?: string;
  namespace?: string;
  status?: string;
  type?: string;
  olderThan?: string;
  youngerThan?: string;
  removed: boolean;
  yes: boolean;
  json: boolean;
}

const ACTIONS = { list, deprecate, actions, clusters } as const;
type Name = keyof typeof ACTIONS;
/** Which options each action has beside `--stack` and `--json`. */
const ALLOWED: Record<Name, readonly (keyof CheckpointsOptions)[]> = {
  list: ["cluster", "pod", "namespace", "status", "olderThan", "youngerThan", "removed"],
  deprecate: ["cluster", "pod", "namespace", "status", "olderThan", "youngerThan", "yes"],
  actions: ["cluster", "pod", "namespace", "status", "olderThan", "youngerThan", "type"],
  clusters: ["status"],
};
const TYPES: Record<string, ActionType> = { checkpoint: "checkpoint_pod", restore: "restore_pod" };

/**
 * Lists checkpoints, actions or clusters, or removes checkpoints.
 * @returns 1 when a checkpoint could not be removed
 * @throws UserError E_USAGE, E_STACK_NOT_UP, E_PROPAGATOR_TARGET, E_PROPAGATOR
 */
export async function checkpointsCommand(
  action: string,
  ids: readonly string[],
  options: CheckpointsOptions,
): Promise<number> {
  const name = requireAction(action);
  requireFitting(name, ids, options);
  const filters = filtersOf(options);
  const target = await openTarget(options.stack, () => stackOf(options));
  process.stderr.write(`propagator of ${target.origin}: ${target.url}\n`);
  try {
    return await ACTIONS[name](target.client, filters, options, ids);
  } catch (error) {
    throw error instanceof PropagatorError ? toUserError(error, target) : error;
  } finally {
    await target.close();
  }
}

async function list(
  client: PropagatorClient,
  filters: Filters,
  { removed, json }: CheckpointsOptions,
): Promise<number> {
  show(await find(client, filters, removed), checkpointTable, json);
  return 0;
}

async function actions(
  client: PropagatorClient,
  filters: Filters,
  { type, json }: CheckpointsOptions,
): Promise<number> {
  const wanted = type === undefined ? undefined : TYPES[type];
  const found = await client.actions({
    ...(wanted ? { type: wanted } : {}),
    ...(filters.cluster ? { cluster_id: filters.cluster } : {}),
  });
  show(
    found.filter(
      (each) =>
        (wanted === undefined || each.type === wanted) &&
        passes({ ...given(filters), ...factsOfAction(each) }, filters),
    ),
    actionTable,
    json,
  );
  return 0;
}

async function clusters(client: PropagatorClient, { status }: Filters, { json }: CheckpointsOptions): Promise<number> {
  show(
    (await client.clusters()).filter((each) => status === undefined || each.status === status),
    clusterTable,
    json,
  );
  return 0;
}

/** Removes those named, else those that the filters leave. One that cannot be removed does not keep the others. */
async function deprecate(
  client: PropagatorClient,
  filters: Filters,
  { json }: CheckpointsOptions,
  ids: readonly string[],
): Promise<number> {
  const chosen = ids.length > 0 ? ids : (await find(client, filters, false)).map(({ id }) => id);
  const results: { id: string; removed: boolean; error?: string }[] = [];
  for (const id of chosen) {
    const error = await client.deprecateCheckpoint(id).then(
      () => undefined,
      (thrown: unknown) => {
        if (thrown instanceof PropagatorError && thrown.status !== 401) return thrown.message;
        throw thrown;
      },
    );
    results.push({ id, removed: error === undefined, ...(error === undefined ? {} : { error }) });
    if (!json) process.stdout.write(error === undefined ? `removed ${id}\n` : `kept ${id}: ${error}\n`);
  }
  if (json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else if (results.length === 0) process.stdout.write("No checkpoints found.\n");
  return results.every(({ removed }) => removed) ? 0 : 1;
}

async function find(client: PropagatorClient, filters: Filters, deprecated: boolean): Promise<Checkpoint[]> {
  const found = await client.checkpoints({ ...(filters.cluster ? { cluster_id: filters.cluster } : {}), deprecated });
  return found.filter((each) => passes({ ...given(filters), ...factsOfCheckpoint(each) }, filters));
}

/** The propagator has filtered by the cluster; not every version says it again in each row. */
function given({ cluster }: Filters): Facts {
  return cluster === undefined ? {} : { cluster };
}

function show<T>(rows: T[], table: (rows: readonly T[]) => string, json: boolean): void {
  process.stdout.write(`${json ? JSON.stringify(rows, null, 2) : table(rows)}\n`);
}

function requireAction(action: string): Name {
  if (Object.hasOwn(ACTIONS, action)) return action as Name;
  const near = nearest(action, Object.keys(ACTIONS));
  throw usage(`checkpoints ${action}`, Object.keys(ACTIONS).join(", "), `npm run checkpoints -- ${near ?? "list"}`);
}

/** An option that an action does not have would be passed over in silence. */
function requireFitting(name: Name, ids: readonly string[], options: CheckpointsOptions): void {
  const set = (Object.keys(options) as (keyof CheckpointsOptions)[]).filter(
    (key) => options[key] !== undefined && options[key] !== false && key !== "stack" && key !== "json",
  );
  const foreign = set.find((key) => !ALLOWED[name].includes(key));
  if (foreign)
    throw usage(
      `${flag(foreign)} with ${name}`,
      `the options of ${name}: ${ALLOWED[name].map(flag).join(", ")}`,
      "npm run checkpoints -- --help",
    );
  if (options.type !== undefined && !Object.hasOwn(TYPES, options.type))
    throw usage(
      `--type ${options.type}`,
      Object.keys(TYPES).join(" or "),
      "npm run checkpoints -- actions --type checkpoint",
    );
  if (name !== "deprecate" && ids.length > 0)
    throw usage(`${name} ${ids.join(" ")}`, `no ids with ${name}`, `npm run checkpoints -- ${name}`);
  if (name !== "deprecate") return;
  if (ids.length > 0 && set.length > 0)
    throw usage(
      `ids and ${set.map(flag).join(", ")}`,
      "ids, or filters with --yes",
      `npm run checkpoints -- deprecate ${ids[0]!}`,
    );
  if (ids.length === 0 && !options.yes)
    throw usage("deprecate without ids", "ids, or --yes for all that the filters leave", "npm run checkpoints -- list");
}

function filtersOf({ cluster, pod, namespace, status, olderThan, youngerThan }: CheckpointsOptions): Filters {
  const seconds = (option: string, text: string) =>
    secondsOf(text, { option, next: `npm run checkpoints -- list ${option} 10m` });
  return {
    ...(cluster ? { cluster } : {}),
    ...(pod ? { pod } : {}),
    ...(namespace ? { namespace } : {}),
    ...(status ? { status } : {}),
    ...(olderThan ? { olderThan: seconds("--older-than", olderThan) } : {}),
    ...(youngerThan ? { youngerThan: seconds("--younger-than", youngerThan) } : {}),
  };
}

async function stackOf({ stack }: CheckpointsOptions) {
  const name = await chooseStack(stack === undefined ? {} : { stack }, "look");
  const outputs = toolsPrepared() ? await prepare().then(() => outputsIfUp(name)) : undefined;
  if (outputs) return { name, outputs };
  throw new UserError("E_STACK_NOT_UP", {
    seen: `stack ${name} is not up`,
    wanted: "a stack that is up, or CEDANA_AUTH_TOKEN",
    next: `npm run up -- --stack ${name}`,
  });
}

function toUserError(error: PropagatorError, { origin, url }: OpenTarget): UserError {
  const next =
    error.status === 401
      ? "export CEDANA_AUTH_TOKEN=…"
      : error.status === 0
        ? `curl -i ${url}/v1/user`
        : "npm run checkpoints -- --help";
  return new UserError("E_PROPAGATOR", {
    seen: error.message,
    wanted: `an answer of the propagator of ${origin}`,
    next,
  });
}

function flag(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function usage(seen: string, wanted: string, next: string): UserError {
  return new UserError("E_USAGE", { seen, wanted, next });
}
