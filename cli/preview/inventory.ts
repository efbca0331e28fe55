import { LABELS, ownerOf } from "../../infra/naming";
import {
  isPreviewStack,
  PREVIEW_LABELS,
  type Preview,
  previewIn,
  previewOfNamespace,
  STACK_PREFIX,
} from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { nearest } from "../../infra/support/nearest";
import { type KnownStack, knownStacks } from "../stack/known-stacks";
import { ownedNamespace } from "../cluster/namespaces";
import { liveLock } from "../clean-up/locks";
import { runsOf } from "../clean-up/marks";
import { ROOT } from "../paths";
import { readStackFile, stacksWithFile } from "../stack/stack-file";
import { stateOf } from "../stack/stack-state";
import { type ApiNamespace, clusterReader, distinct, labelledNamespaces, type PreviewCluster } from "./clusters";
import type { FoundPreview } from "./facts";
import { previewOwner } from "./names";

/** A preview's stack in this checkout. */
interface OwnStack {
  stack: string;
  preview: Preview;
  known: KnownStack | undefined;
  cluster: PreviewCluster | undefined;
}

/** What the clusters said: of each its namespaces of previews, nothing of one that does not answer. */
type Answers = ReadonlyMap<PreviewCluster, ApiNamespace[] | undefined>;

/**
 * All previews that can be found from here: those of this checkout's states and stack files, and those whose namespaces
 * are in the clusters that this checkout's stacks name. Reads files and asks each cluster once; with a local state no
 * tool is needed.
 * @param more stacks whose clusters are looked at too
 */
export async function findPreviews(more: readonly string[] = []): Promise<FoundPreview[]> {
  const known = await knownStacks();
  const clusterOf = clusterReader();
  const named = [
    ...more,
    ...stacksWithFile(),
    ...known.filter(({ condition }) => condition === "up").map(({ name }) => name),
  ];
  // A cluster has the name of the stack that made it, not of a preview on it.
  const first = [...new Set(named)].sort((a, b) => Number(isPreviewStack(a)) - Number(isPreviewStack(b)));
  const clusters = distinct(first.flatMap((stack) => clusterOf(stack) ?? []));
  const answers: Answers = new Map(
    await Promise.all(
      clusters.map(
        async (cluster) => [cluster, await labelledNamespaces(cluster.kubeconfig, PREVIEW_LABELS.preview)] as const,
      ),
    ),
  );
  const own = await ownStacks(known, clusters, clusterOf);
  const ids = new Set(own.map(({ stack }) => ownerOf(ROOT, stack).id));
  const others = [...answers].flatMap(([cluster, namespaces]) =>
    (namespaces ?? []).flatMap((namespace) => {
      const found = namespaceFacts(namespace, cluster, known);
      return found && !ids.has(namespace.metadata.labels?.[LABELS.owner] ?? "") ? [found] : [];
    }),
  );
  return [...own.map((each) => stackFacts(each, known, answers)), ...others].sort((a, b) =>
    a.name.localeCompare(b.name, "en", { numeric: true }),
  );
}

/** @throws UserError E_PREVIEW_UNKNOWN with the nearest that there is */
export async function findPreview(given: string, more: readonly string[] = []): Promise<FoundPreview> {
  const name = given.normalize("NFC").replace(/^#+/, "");
  const all = await findPreviews(more);
  const [found] = all
    .filter((each) => each.name === name || each.stack === name)
    .sort((a, b) => Number(b.stack !== undefined) - Number(a.stack !== undefined));
  if (found) return found;
  const near = nearest(
    name,
    all.map((each) => each.name),
  );
  throw new UserError("E_PREVIEW_UNKNOWN", {
    seen:
      all.length === 0
        ? `no preview at all, and ${name} is asked for`
        : `no preview ${name} among ${all.map((each) => each.name).join(", ")}`,
    wanted: "the name of a preview that can be found from here",
    next: near
      ? `npm run preview -- status ${near}   (is that what you meant?)`
      : "npm run preview -- list   (with --from STACK: in that stack's cluster too)",
  });
}

/**
 * What is known of a preview by its stack's file or, in a checkout that has none, by its state; nothing where there is
 * neither.
 */
export async function previewOfStack(stack: string): Promise<Preview | undefined> {
  return previewOfFile(stack) ?? (await placeInState(stack))?.preview;
}

/** What a preview's stack file says of it. */
export function previewOfFile(stack: string): Preview | undefined {
  const preview = readStackFile(stack)?.config["preview"] as Partial<Preview> | string | undefined;
  const parsed = typeof preview === "string" ? quietJson(preview) : preview;
  return parsed?.name === undefined ? undefined : previewIn({ preview: parsed });
}

/** What a state says of its preview, and the address of its cluster. */
async function placeInState(stack: string): Promise<{ preview: Preview | undefined; server: string } | undefined> {
  const resources = (await stateOf(stack))?.resources;
  if (!resources) return undefined;
  const metadata = resources.find(({ type }) => type === "kubernetes:core/v1:Namespace")?.inputs?.["metadata"] as
    ApiNamespace["metadata"] | undefined;
  const identifier = resources.find(({ type }) => type === "pulumi:providers:kubernetes")?.inputs?.[
    "clusterIdentifier"
  ];
  return {
    preview: previewOfNamespace(metadata?.labels ?? {}, metadata?.annotations ?? {}),
    server: typeof identifier === "string" ? identifier.slice(identifier.lastIndexOf("@") + 1) : "",
  };
}

async function ownStacks(
  known: readonly KnownStack[],
  clusters: readonly PreviewCluster[],
  clusterOf: ReturnType<typeof clusterReader>,
): Promise<OwnStack[]> {
  const names = new Set([...known.map(({ name }) => name), ...stacksWithFile()].filter(isPreviewStack));
  return Promise.all(
    [...names].map(async (stack): Promise<OwnStack> => {
      const [file, cluster] = [previewOfFile(stack), clusterOf(stack)];
      const place = file && cluster ? undefined : await placeInState(stack);
      const nameless = {
        name: stack.slice(STACK_PREFIX.length),
        owner: previewOwner(),
        created: "",
        expires: "",
        ttl: 0,
        idle: 0,
        keep: false,
        template: "",
        commit: "",
      };
      return {
        stack,
        preview: file ?? place?.preview ?? nameless,
        known: known.find(({ name, inState }) => name === stack && inState),
        cluster: cluster ?? clusters.find(({ server }) => server === place?.server),
      };
    }),
  );
}

function stackFacts(
  { stack, preview, known, cluster: named }: OwnStack,
  all: readonly KnownStack[],
  answers: Answers,
): FoundPreview {
  const { id } = ownerOf(ROOT, stack);
  const isOwn = ({ metadata }: ApiNamespace) => metadata.labels?.[LABELS.owner] === id;
  const [cluster, namespaces] = [...answers].find(([, list]) => list?.some(isOwn)) ??
    [...answers].find(([{ server }]) => server === named?.server) ?? [named, undefined];
  const namespace = namespaces?.find(isOwn);
  const live = namespace && previewOfNamespace(namespace.metadata.labels ?? {}, namespace.metadata.annotations ?? {});
  const busy = busyWith(stack);
  return {
    ...preview,
    ...(live ? { ...live, owner: preview.owner || live.owner } : {}),
    lastUsed: live?.lastUsed ?? "",
    stack,
    condition: known?.condition ?? "not up",
    whole: known?.condition === "up" || known?.cluster !== undefined,
    cluster: preview.template || (cluster?.name ?? ""),
    clusterState: clusterState(preview.template, all, namespaces !== undefined),
    terminating: namespace?.metadata.deletionTimestamp !== undefined,
    checkout: ROOT,
    host: namespace?.metadata.annotations?.[LABELS.host] ?? "",
    ...(namespace ? { namespace: namespace.metadata.name, live: ownedNamespace(namespace) } : {}),
    ...(cluster ? { kubeconfig: cluster.kubeconfig } : {}),
    ...(busy ? { busy } : {}),
  };
}

/** A namespace whose state is not here. */
function namespaceFacts(
  { metadata }: ApiNamespace,
  cluster: PreviewCluster,
  all: readonly KnownStack[],
): FoundPreview | undefined {
  const { name, labels = {}, annotations = {}, deletionTimestamp } = metadata;
  const preview = previewOfNamespace(labels, annotations);
  if (!preview) return undefined;
  return {
    ...preview,
    condition: "elsewhere",
    whole: true,
    cluster: all.some(({ name: stack }) => stack === cluster.stack && !isPreviewStack(stack))
      ? cluster.stack
      : cluster.name,
    clusterState: "answers",
    namespace: name,
    live: ownedNamespace({ metadata }),
    terminating: deletionTimestamp !== undefined,
    checkout: annotations[LABELS.checkout] ?? "",
    host: annotations[LABELS.host] ?? "",
    kubeconfig: cluster.kubeconfig,
  };
}

/** Only of a cluster that a stack made, whose state is kept where the preview's is, it is certain that it is gone. */
function clusterState(template: string, all: readonly KnownStack[], answers: boolean): FoundPreview["clusterState"] {
  if (answers) return "answers";
  const backend = readStackFile(template)?.config["backend"] || template;
  const up = all.some(({ name, condition }) => name === template && condition !== "not up");
  return (backend === "k3s" || backend === "kind") && !up ? "gone" : "silent";
}

function busyWith(stack: string): string | undefined {
  const [run] = runsOf(stack).filter(({ pid }) => pid !== process.pid);
  if (run) return `npm run ${run.command} (pid ${run.pid}) is at ${run.phase}`;
  const lock = liveLock(stack);
  return lock && `Pulumi (pid ${lock.pid}) has its stack`;
}

function quietJson(text: string): Partial<Preview> | undefined {
  try {
    return JSON.parse(text) as Partial<Preview>;
  } catch {
    return undefined;
  }
}
