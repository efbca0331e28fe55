import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { LABELS, ownerOf } from "../../infra/naming";
import { namespaceOfPreview, type Preview, previewOfNamespace, stackOfPreview } from "../../infra/preview";
import { quotaOf, quotaProblems } from "../../infra/quota";
import { UserError } from "../../infra/support/errors";
import { run } from "../../infra/support/exec";
import { underMark } from "../clean-up/marks";
import { kubectlFor } from "../cluster/kubectl";
import { type ApiNamespace, type OwnedNamespace, ownedNamespace, removeNamespaces } from "../cluster/namespaces";
import { ROOT } from "../paths";
import { phase, type Tell } from "../progress";
import { prepare, up } from "../session";
import { isMadeStackFile, readStackFile, stackFilePath, writeMadeStackFile } from "../stack/stack-file";
import { type StackState, stateOf } from "../stack/stack-state";
import { openStack } from "../stack/stack";
import { namespaceOf, serverOf } from "./clusters";
import { sharedImages } from "./images";
import { previewOfStack } from "./inventory";
import { previewOwner, requirePreviewName } from "./names";
import { withSource } from "./source";
import { openTemplate, requireTemplate, secretKeysOf, settingsFor, type Template } from "./template";
import { isoAfter, isoNow } from "./times";
import { touch } from "./touch";
import { fingerprint, forget, podIfUnchanged, remember } from "./unchanged";

/** Seconds that a preview gets when nobody says how many. */
export const DEFAULT_TTL = 24 * 3600;

export interface UpOptions {
  /** Seconds from now; default: what the preview has, 24 hours for a new one. */
  ttl?: number;
  /** Seconds without use; default: what the preview has, none for a new one. */
  idle?: number;
  /** Commit to build the images from; default: the checkout as it lies. */
  ref?: string;
  /** Stack whose cluster and configuration the preview gets; default: the one it has, else the only one that is up. */
  from?: string;
  signal?: AbortSignal;
}

/** A preview that is up. */
export interface PreviewUp {
  preview: Preview;
  stack: string;
  namespace: string;
  /** Bay's. */
  pod: string;
  /** Whether it was so already. */
  unchanged: boolean;
}

/** What an `up` is to be made of. */
interface Plan {
  template: Template;
  preview: Preview;
  config: Record<string, unknown>;
  namespace: string;
  /** The namespace that a killed run left, to be removed first. */
  orphan: OwnedNamespace | undefined;
}

/**
 * Brings a preview up, or up to date.
 * @throws UserError E_USAGE, E_PREVIEW_TEMPLATE, E_QUOTA, E_NAMESPACE_FOREIGN, E_STACK_LOCKED before anything is made;
 *   else what stands in the way of its stack
 */
export async function previewUp(given: string, options: UpOptions): Promise<PreviewUp> {
  const name = requirePreviewName(given);
  const stack = stackOfPreview(name);
  if (options.from !== undefined) requireTemplate(options.from);
  requireOwnFile(stack, name);
  return underMark(stack, "preview up", "setup", async () => {
    await prepare({ stack, ...(options.signal ? { signal: options.signal } : {}) });
    const before = await previewOfStack(stack);
    const plan = await phase(`Preview ${name}: images and configuration`, (tell) =>
      planOf(name, stack, before, options, tell),
    );
    const {
      preview,
      template: { kubeconfig },
      namespace,
      orphan,
    } = plan;
    if (orphan) await removeOrphan(stack, orphan, kubeconfig);
    const digest = fingerprint(plan.config);
    const there = await podIfUnchanged(stack, digest, { kubeconfig, namespace });
    if (there === undefined) options.signal?.throwIfAborted();
    const pod = there ?? (await bringUp(stack, plan, options.signal));
    remember(stack, digest);
    await touch(kubeconfig, namespace);
    return { preview, stack, namespace, pod, unchanged: there !== undefined };
  });
}

async function bringUp(stack: string, { template, config }: Plan, signal: AbortSignal | undefined): Promise<string> {
  forget(stack);
  await writeConfiguration(stack, template, config);
  return (await up(stack, signal ? { signal } : {})).pod;
}

/** Checks all that can be checked before anything is made, and builds what must be built. */
async function planOf(
  name: string,
  stack: string,
  before: Preview | undefined,
  options: UpOptions,
  tell: Tell,
): Promise<Plan> {
  const template = await openTemplate(options.from ?? (before?.template || undefined));
  const namespace = namespaceOfPreview(name);
  requireQuota(stack, template);
  const settings = settingsFor(stack, template.config);
  const orphan = orphanIn(stack, await lookUpNamespace(template, namespace), await stateOf(stack));
  const server = serverOf(template.kubeconfig);
  const { images, commit } = await withSource(options.ref, tell, async (source) => ({
    commit: source.commit,
    images: await sharedImages(settings, source, { server, kubeconfig: template.kubeconfig }, tell),
  }));
  const preview = described(name, template.stack, commit, before, options);
  return { template, preview, namespace, orphan, config: { ...template.config, ...images, namespace, preview } };
}

/** What is said of a preview: an update leaves its end where it was, unless that is past or another is asked for. */
export function described(
  name: string,
  template: string,
  commit: string,
  before: Preview | undefined,
  { ttl, idle }: UpOptions,
  now = Date.now(),
): Preview {
  const created = before?.created || isoNow(now);
  const length = ttl ?? (before ? before.ttl : DEFAULT_TTL);
  const past = before !== undefined && before.expires !== "" && Date.parse(before.expires) <= now;
  const renewed = before === undefined || ttl !== undefined || past;
  return {
    name,
    owner: before?.owner || previewOwner(),
    created,
    template,
    commit,
    ttl: length,
    idle: idle ?? before?.idle ?? 0,
    keep: before?.keep ?? false,
    expires: renewed ? (length === 0 ? "" : isoAfter(length, now)) : before.expires,
  };
}

/** @throws UserError E_FILE_FOREIGN for a stack file of that name which a person wrote */
function requireOwnFile(stack: string, name: string): void {
  const file = stackFilePath(stack);
  if (!existsSync(file) || isMadeStackFile(stack)) return;
  throw new UserError("E_FILE_FOREIGN", {
    seen: `${file}, which no \`preview up\` wrote`,
    wanted: "no such file: the preview's configuration goes there",
    next: `npm run preview -- up ${name}-2   (or move the file: mv ${file} ${file}.mine)`,
  });
}

function requireQuota(stack: string, { stack: template, config }: Template): void {
  const settings = settingsFor(stack, config);
  const quota = quotaOf(settings.previewQuota);
  const problems = quotaProblems(quota, settings.storageSize);
  if (problems.length === 0) return;
  const key = problems[0]!.split(" ")[0]!;
  throw new UserError("E_QUOTA", {
    seen: problems.join("; "),
    wanted: "at least that much",
    next: `pulumi config set --path 'previewQuota["${key}"]' MORE --stack ${template}`,
  });
}

/**
 * Returns the namespace of a preview as it is now, if there is one.
 * @throws UserError E_CLUSTER_UNREACHABLE
 */
function lookUpNamespace({ stack, kubeconfig }: Template, name: string): Promise<ApiNamespace | undefined> {
  return namespaceOf(kubeconfig, name).catch((error: Error) => {
    throw new UserError("E_CLUSTER_UNREACHABLE", {
      seen: `the cluster of ${stack}: ${error.message}`,
      wanted: "an API server that answers",
      next: `npm run status -- --stack ${stack}`,
    });
  });
}

/**
 * Returns the namespace if this checkout made it and the stack's state does not have it: a killed run left it.
 * @throws UserError E_NAMESPACE_FOREIGN if another checkout or host made it
 */
export function orphanIn(
  stack: string,
  found: ApiNamespace | undefined,
  state: StackState | undefined,
): OwnedNamespace | undefined {
  if (!found) return undefined;
  const { name, labels = {}, annotations = {} } = found.metadata;
  if (labels[LABELS.owner] !== ownerOf(ROOT, stack).id) {
    const preview = previewOfNamespace(labels, annotations);
    const checkout = annotations[LABELS.checkout];
    throw new UserError("E_NAMESPACE_FOREIGN", {
      seen: `namespace ${name} exists, made by ${preview ? `the checkout ${checkout ?? "of somebody"} for the preview ${preview.name} of ${preview.owner}` : "somebody else"}`,
      wanted: "a name that nobody has in this cluster",
      next: `npm run preview -- up ${stack.replace(/^preview-/, "")}-2`,
    });
  }
  if (state?.resources.some(({ type, id }) => type === "kubernetes:core/v1:Namespace" && id === name)) return undefined;
  const host = annotations[LABELS.host] ?? hostname();
  if (host !== hostname()) {
    throw new UserError("E_NAMESPACE_FOREIGN", {
      seen: `namespace ${name} exists, made by the same folder on the host ${host}, and the state here does not know it`,
      wanted: "a name that nobody has in this cluster",
      next: `npm run preview -- up ${stack.replace(/^preview-/, "")}-2   (or, if it is not used: npm run preview -- down ${stack.replace(/^preview-/, "")})`,
    });
  }
  return ownedNamespace(found);
}

function removeOrphan(stack: string, orphan: OwnedNamespace, kubeconfig: string): Promise<void> {
  return phase(`Preview: removing namespace ${orphan.name}, which a killed run of this checkout left`, (tell) =>
    removeNamespaces(kubeconfig, [orphan], { tell, kubectl: kubectlFor(stack) }),
  );
}

/** The stack's file. Secrets of the template are copied by Pulumi, which alone can open and close them. */
async function writeConfiguration(stack: string, template: Template, config: Record<string, unknown>): Promise<void> {
  const secrets = secretKeysOf(template.config);
  const open = Object.entries(config).filter(([key]) => !secrets.includes(key));
  const kept = Object.entries(readStackFile(stack)?.config ?? {}).filter(([key]) => secrets.includes(key));
  writeMadeStackFile(stack, Object.fromEntries([...open, ...kept]));
  if (secrets.length === 0) return;
  await openStack(stack);
  for (const key of secrets)
    await run(
      ["pulumi", "config", "cp", `bay-e2e:${key}`, "--stack", template.stack, "--dest", stack, "--non-interactive"],
      { cwd: ROOT },
    );
}
