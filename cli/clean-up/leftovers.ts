import { existsSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { kubeconfigFile, ownerOf, shorten } from "../../infra/naming";
import { removalOf, removeThings, thingsOf } from "./docker-things";
import { RUN_FOLDER } from "./marks";
import { kubectlFor } from "../cluster/kubectl";
import { namespacesBy, removeNamespaces } from "../cluster/namespaces";
import { orphansOf } from "./orphans";
import { ROOT } from "../paths";
import type { Tell } from "../progress";
import { isAlive, readIfThere } from "./procfs";
import { isStackKubeconfig } from "../stack/kubeconfig";
import { hasNodeContainers } from "../stack/stack-settings";
import { localStack } from "../stack/state";
import { copiesOfRemoved } from "../stack/state-copies";

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
  const optional = !hasNodeContainers(stack);
  const [things, namespaces] = await Promise.all([thingsOf(owner, { optional }), namespacesBy(kubeconfig, owner)]);
  return [
    ...things.map((thing): Leftover => ({ kind: thing.kind, name: thing.name, remove: removalOf(thing) })),
    ...namespaces.map(({ name }): Leftover => ({
      kind: "namespace",
      name,
      remove: `${kubectlFor(stack)} delete namespace ${name}`,
    })),
    // A process that still listens is among these: a listener is not removed but by its process.
    ...orphansOf(stack).map(({ pid, command }): Leftover => ({
      kind: "process",
      name: `${pid} ${command.slice(0, 100)}`,
      remove: `kill ${pid}`,
    })),
    ...filesOf(stack).map((file): Leftover => ({ kind: "file", name: file, remove: `rm ${file}` })),
    ...stateLeftovers(stack),
  ];
}

/** Removes what carries the stack's label once its state is gone, or does not know it. Gives what it removed. */
export async function removeByLabel(
  stack: string,
  kubeconfig: string | undefined,
  tell: Tell,
): Promise<{ kind: string; name: string }[]> {
  const owner = ownerOf(ROOT, stack);
  const optional = !hasNodeContainers(stack);
  const [things, namespaces] = await Promise.all([thingsOf(owner, { optional }), namespacesBy(kubeconfig, owner)]);
  await removeThings(things, tell);
  if (kubeconfig && namespaces.length > 0)
    await removeNamespaces(kubeconfig, namespaces, { tell, kubectl: kubectlFor(stack) });
  return [...things, ...namespaces.map(({ name }) => ({ kind: "namespace", name }))];
}

/** Leftovers as lines for a person. */
export function describeLeftovers(left: readonly Leftover[]): string {
  return left.map(({ kind, name, remove }) => `${kind} ${name}   (${remove})`).join("\n");
}

/** Files that live only while a run, or a stack, does: with secrets in them, or the mark of a run. */
export function filesOf(stack: string): string[] {
  return [...deadFiles(stack), ...(isStackKubeconfig(stack) ? [kubeconfigFile(ROOT, stack)] : [])];
}

/**
 * Files of runs that are no more, but for the marks of other stacks. Only names that runs give: who else puts a file
 * there keeps it.
 */
export function deadFiles(stack: string): string[] {
  if (!existsSync(RUN_FOLDER)) return [];
  return readdirSync(RUN_FOLDER)
    .filter((name) => isDead(name, stack))
    .map((name) => join(RUN_FOLDER, name));
}

/**
 * A mark, a mark that is being written, or the outputs that tests get; each name has the id of the process that it
 * belongs to.
 */
function isDead(name: string, stack: string): boolean {
  const [, marked, pid = ""] = /^(?:run-(.*)|outputs)-(\d+)\.json(?:\.\d+\.tmp)?$/.exec(name) ?? [];
  if (pid === "" || isAlive(Number(pid))) return false;
  // The mark of another stack's killed run stays until that stack is dealt with: it tells that it was interrupted.
  if (marked !== undefined && marked !== shorten(stack)) return false;
  // A process of another host cannot be proven dead from here.
  const host = /"host":"([^"]*)"/.exec(readIfThere(join(RUN_FOLDER, name)))?.[1];
  return host === undefined || host === hostname();
}

function stateLeftovers(stack: string): Leftover[] {
  const local = localStack(stack);
  if (!local) return [];
  const places = [
    local.file,
    ...(existsSync(local.locks) ? readdirSync(local.locks).map((file) => join(local.locks, file)) : []),
    ...copiesOfRemoved(stack),
  ];
  return places
    .filter((place) => existsSync(place))
    .map((place) => ({ kind: "stack state", name: place, remove: `npm run down -- --stack ${stack}` }));
}
