import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { kubeconfigFile, ownerOf, shorten } from "../../infra/naming";
import { removalOf, removeThings, thingsOf } from "./docker-things";
import { RUN_FOLDER } from "./marks";
import { namespacesBy, removeNamespaces } from "../cluster/namespaces";
import { orphansOf } from "./orphans";
import { ROOT } from "../paths";
import { isAlive } from "./procfs";
import { localStack } from "../stack/state";

/** One thing that a run left, and the command that removes it. */
export interface Leftover {
  kind: "container" | "volume" | "network" | "namespace" | "process" | "file" | "stack state";
  name: string;
  remove: string;
}

/**
 * Everything of a stack that is still there, by its labels and places. Empty after a `down`. Images are not
 * among it: they stay, by design, for the next run.
 * @param kubeconfig of a cluster that outlives the stack, whose namespaces are looked at too
 */
export async function leftoversOf(stack: string, kubeconfig?: string): Promise<Leftover[]> {
  const owner = ownerOf(ROOT, stack);
  const [things, namespaces] = await Promise.all([thingsOf(owner), namespacesBy(kubeconfig, owner)]);
  return [
    ...things.map((thing): Leftover => ({ kind: thing.kind, name: thing.name, remove: removalOf(thing) })),
    ...namespaces.map(({ name }): Leftover => ({ kind: "namespace", name, remove: `kubectl delete namespace ${name}` })),
    // A process that still listens is among these: a listener is not removed but by its process.
    ...orphansOf(stack).map(({ pid, command }): Leftover => ({ kind: "process", name: `${pid} ${command.slice(0, 100)}`, remove: `kill ${pid}` })),
    ...filesOf(stack).map((file): Leftover => ({ kind: "file", name: file, remove: `rm ${file}` })),
    ...stateLeftovers(stack),
  ];
}

/** Removes what carries the stack's label once its state is gone, or does not know it. Gives what it removed. */
export async function removeByLabel(stack: string, kubeconfig?: string): Promise<{ kind: string; name: string }[]> {
  const owner = ownerOf(ROOT, stack);
  const [things, namespaces] = await Promise.all([thingsOf(owner), namespacesBy(kubeconfig, owner)]);
  await removeThings(things);
  if (kubeconfig && namespaces.length > 0) await removeNamespaces(kubeconfig, namespaces.map(({ name }) => name));
  return [...things, ...namespaces.map(({ name }) => ({ kind: "namespace", name }))];
}

/** Leftovers as lines for a person. */
export function describeLeftovers(left: readonly Leftover[]): string {
  return left.map(({ kind, name, remove }) => `${kind} ${name}   (${remove})`).join("\n");
}

/** Files that live only while a run, or a stack, does: with secrets in them, or the mark of a run. */
export function filesOf(stack: string): string[] {
  const kubeconfig = kubeconfigFile(ROOT, stack);
  return [...deadFiles(stack), ...(existsSync(kubeconfig) ? [kubeconfig] : [])];
}

/** Files of runs that are no more, but for the marks of other stacks. */
export function deadFiles(stack: string): string[] {
  if (!existsSync(RUN_FOLDER)) return [];
  return readdirSync(RUN_FOLDER).filter((name) => !isAlive(ownerPid(name)) && !isOfOther(name, stack)).map((name) => join(RUN_FOLDER, name));
}

/** Each file's name ends in the id of the process that it belongs to. */
function ownerPid(name: string): number {
  return Number(/(\d+)\.\w+$/.exec(name)?.[1] ?? 0);
}

/** The mark of another stack's killed run stays until that stack is dealt with: it tells that it was interrupted. */
function isOfOther(name: string, stack: string): boolean {
  const marked = /^run-(.*)-\d+\.json$/.exec(name)?.[1];
  return marked !== undefined && marked !== shorten(stack);
}

function stateLeftovers(stack: string): Leftover[] {
  const local = localStack(stack);
  if (!local) return [];
  const places = [local.file, ...(existsSync(local.locks) ? readdirSync(local.locks).map((file) => join(local.locks, file)) : [])];
  return places.filter((place) => existsSync(place)).map((place) => ({ kind: "stack state", name: place, remove: `npm run down -- --stack ${stack}` }));
}
