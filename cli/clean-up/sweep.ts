import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { kubeconfigFile, ownerOf } from "../../infra/naming";
import { type Claims, claimsOf, type Finding, inUse, markOf, place, type SweepOptions } from "./claims";
import { type DockerThing, removeThings, thingsOfAll } from "./docker-things";
import { interruptedStacks } from "./interrupted";
import { type KnownStack, knownStacks } from "../stack/known-stacks";
import { filesOf } from "./leftovers";
import { cutOffRuns, deadRuns, markFile } from "./marks";
import { endProcesses, OWNER_VARIABLE } from "./orphans";
import { ROOT } from "../paths";
import { ancestors, environmentsWith } from "./procfs";
import { isMadeStackFile, removeMadeStackFile, stacksWithFile } from "../stack/stack-file";
import { type StackState, stateOf } from "../stack/stack-state";
import { sweptNamespaces } from "./sweep-namespaces";
import { unknownThings } from "../stack/recover";

/**
 * Finds what killed runs left on this host and in its clusters, by label. Nothing that a live run uses, that is
 * up on purpose, or that belongs to a checkout that still exists.
 */
export async function findLeft(options: SweepOptions): Promise<Left> {
  const known = await knownStacks();
  const interrupted = await interruptedStacks();
  const names = [
    ...new Set([...known.map(({ name }) => name), ...interrupted.map(({ stack }) => stack), ...stacksWithFile()]),
  ];
  const states = new Map(await Promise.all(names.map(async (name) => [name, await stateOf(name)] as const)));
  const claims = claimsOf(names, known, interrupted, options);
  const found = [
    ...dockerFindings(await thingsOfAll(), claims, states),
    ...(await sweptNamespaces(known, claims, states)),
    ...processFindings(claims),
    ...names.flatMap((stack) => stackFindings(stack, claims, states)),
    ...fileFindings(names, known),
    ...markFindings(names, claims),
  ];
  const wanted =
    options.stack === undefined
      ? found
      : found.filter((finding) => finding.checkout === ROOT && finding.stack === options.stack);
  return { found: wanted, unknown: options.stack === undefined ? [...claims.unknown].sort() : [] };
}

/** What a sweep found. */
export interface Left {
  found: Finding[];
  /** Checkouts that made something and cannot be looked for from here, so that it stays. */
  unknown: string[];
}

/** Stacks of this checkout that are up on purpose, which a sweep without `--all` passes over. */
export async function keptStacks({ stack, all }: SweepOptions): Promise<string[]> {
  if (all) return [];
  const interrupted = new Set((await interruptedStacks()).map((one) => one.stack));
  return (await knownStacks())
    .filter(
      ({ name, condition }) => condition === "up" && !interrupted.has(name) && (stack === undefined || name === stack),
    )
    .map(({ name }) => name);
}

function dockerFindings(
  things: readonly DockerThing[],
  claims: Claims,
  states: ReadonlyMap<string, StackState | undefined>,
): Finding[] {
  return things.flatMap((thing) => {
    const mark = markOf(thing.labels);
    const own = claims.ownStack(mark.id);
    const whole = claims.whyOf(mark);
    // Of a stack that is up, what its state does not know was left by a run before.
    const stray =
      whole === undefined && own !== undefined && !inUse(own) && unknownThings([thing], states.get(own)).length > 0;
    if (whole === undefined && !stray) return [];
    const removal = whole !== undefined && own !== undefined ? { down: own } : { remove: () => removeThings([thing]) };
    return [
      {
        kind: thing.kind,
        name: thing.name,
        ...place(mark, own),
        created: thing.created,
        why: whole ?? "the state of its stack does not know it",
        ...removal,
      },
    ];
  });
}

/** Processes that carry an owner's mark and whose run is no more. */
function processFindings(claims: Claims): Finding[] {
  const family = ancestors();
  return environmentsWith(OWNER_VARIABLE)
    .filter(({ pid }) => !family.has(pid))
    .flatMap(({ pid, value: id, command, folder }): Finding[] => {
      const own = claims.ownStack(id);
      const [, gone] = /^(.*) \(deleted\)$/.exec(folder) ?? [];
      const mark = { id, stack: own ?? "", checkout: own === undefined ? (gone ?? folder) : ROOT };
      // A process of a checkout that still exists is that checkout's to end, wherever it works.
      const orphan = own === undefined ? gone !== undefined : !inUse(own);
      return orphan
        ? [
            {
              kind: "process",
              name: `${pid} ${command.slice(0, 60)}`,
              ...place(mark, own),
              created: "",
              why: "its run is no more",
              remove: () => endProcesses([pid]),
            },
          ]
        : [];
    });
}

function stackFindings(stack: string, claims: Claims, states: ReadonlyMap<string, StackState | undefined>): Finding[] {
  const state = states.get(stack);
  const mark = { id: ownerOf(ROOT, stack).id, stack, checkout: ROOT };
  const why = claims.whyOf(mark);
  const killed = cutOffRuns(stack).length > 0;
  // A stack that is only initialised holds nothing.
  if (why === undefined || (!killed && (!state || state.resources.length === 0))) return [];
  return [{ kind: "stack", name: stack, ...place(mark, stack), created: "", why, down: stack }];
}

/** Files that live only while a run or a stack does. */
function fileFindings(names: readonly string[], known: readonly KnownStack[]): Finding[] {
  const idle = names.filter(
    (name) => !inUse(name) && known.every((stack) => stack.name !== name || stack.condition === "not up"),
  );
  const files = idle.flatMap((stack) =>
    filesOf(stack)
      .filter((file) => !/\/run-[^/]*\.json$/.test(file))
      .map((file) => ({
        stack: file === kubeconfigFile(ROOT, stack) ? stack : "",
        file,
        remove: () => {
          rmSync(file, { force: true });
          return Promise.resolve();
        },
      })),
  );
  const made = idle.filter(isMadeStackFile).map((stack) => ({
    stack,
    file: join(ROOT, "stacks", `Pulumi.${stack}.yaml`),
    remove: () => {
      removeMadeStackFile(stack);
      return Promise.resolve();
    },
  }));
  const once = [...files, ...made].filter(
    ({ file }, at, list) => list.findIndex((other) => other.file === file) === at,
  );
  return once.map(({ stack, file, remove }) => ({
    kind: "file",
    name: file,
    stack,
    checkout: ROOT,
    created: existsSync(file) ? statSync(file).mtime.toISOString() : "",
    why: "its run or stack is no more",
    remove,
  }));
}

/** Marks of tests that were killed, of stacks that stay: those of a stack that goes, go with it. */
function markFindings(names: readonly string[], claims: Claims): Finding[] {
  const staying = names.filter(
    (stack) => claims.whyOf({ id: ownerOf(ROOT, stack).id, stack, checkout: ROOT }) === undefined,
  );
  return staying
    .flatMap((stack) => deadRuns(stack).filter(({ exclusive }) => !exclusive))
    .map((mark): Finding => ({
      kind: "file",
      name: markFile(mark),
      stack: mark.stack,
      checkout: ROOT,
      created: mark.since,
      why: `npm run ${mark.command} (pid ${mark.pid}) was killed`,
      remove: () => {
        rmSync(markFile(mark), { force: true });
        return Promise.resolve();
      },
    }));
}
