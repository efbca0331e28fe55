import { z } from "zod";
import { PREFIX, shorten } from "./naming";

/** Longest life that can be asked for, in seconds: a preview is no place to stay. */
export const LONGEST = 30 * 86_400;

const instant = z.iso.datetime({ error: "wanted a time such as 2026-11-22T16:00:00Z" });
const lifetime = z.int().min(0).max(LONGEST);

/** The configuration key `preview`, which `npm run preview` writes. */
export const previewSchema = z
  .strictObject({
    /** As the user wrote it. */
    name: z.string().min(1).max(200),
    /** Whose it is, a project for example: `preview gc` removes those of its own owner. */
    owner: z.string().min(1).max(63),
    created: instant,
    /** When it may go; empty for never. */
    expires: z.union([z.literal(""), instant]),
    /** Seconds that it was given, and that `extend` gives again; 0 for none. */
    ttl: lifetime,
    /** Seconds without use after which it may go; 0 for none. */
    idle: lifetime,
    /** Whether only `preview down` may remove it. */
    keep: z.boolean(),
    /** The stack whose cluster and configuration it has. */
    template: z.string().min(1),
    /** The commit that it was made of; empty for the files as they lay in the checkout. */
    commit: z.string().regex(/^([0-9a-f]{40})?$/, "wanted a commit's 40 digits, or nothing"),
  })
  .partial()
  .refine(
    (value) => Object.keys(value).length === 0 || (value.name !== undefined && value.owner !== undefined),
    "wanted a name and an owner",
  );

/** A preview: an environment for a while, as its stack's configuration has it. */
export interface Preview {
  name: string;
  owner: string;
  created: string;
  expires: string;
  ttl: number;
  idle: number;
  keep: boolean;
  template: string;
  commit: string;
}

/** The preview that a configuration describes; nothing for any other stack. */
export function previewIn({ preview }: { preview: z.infer<typeof previewSchema> }): Preview | undefined {
  if (!preview.name) return undefined;
  return {
    name: preview.name,
    owner: preview.owner ?? "",
    created: preview.created ?? "",
    expires: preview.expires ?? "",
    ttl: preview.ttl ?? 0,
    idle: preview.idle ?? 0,
    keep: preview.keep ?? false,
    template: preview.template ?? "",
    commit: preview.commit ?? "",
  };
}

/** Prefix of the stacks of previews; their files are ignored by git. */
export const STACK_PREFIX = "preview-";

/** Whether a stack is a preview's. */
export function isPreviewStack(stack: string): boolean {
  return stack.startsWith(STACK_PREFIX);
}

/** The stack of a preview. */
export function stackOfPreview(name: string): string {
  return `${STACK_PREFIX}${shorten(name, 48)}`;
}

/** The namespace of a preview. */
export function namespaceOfPreview(name: string): string {
  return `bay-${stackOfPreview(name)}`;
}

/**
 * Labels of a preview's namespace, which tell all that `preview list` and `preview gc` must know where neither state
 * nor checkout is at hand. A label has no colons: times are written as 20261122T160000Z.
 */
export const PREVIEW_LABELS = {
  preview: `${PREFIX}.dev/preview`,
  owner: `${PREFIX}.dev/preview-owner`,
  created: `${PREFIX}.dev/created`,
  expires: `${PREFIX}.dev/expires`,
  keep: `${PREFIX}.dev/keep`,
  /** Written at every use by the command that uses it, and by no `up`: it is no part of what the stack declares. */
  lastUsed: `${PREFIX}.dev/last-used`,
} as const;

/** What does not fit into a label, or is of no use in a selector. */
export const PREVIEW_ANNOTATIONS = {
  name: `${PREFIX}.dev/preview-name`,
  ttl: `${PREFIX}.dev/ttl-seconds`,
  idle: `${PREFIX}.dev/idle-seconds`,
  template: `${PREFIX}.dev/template`,
  commit: `${PREFIX}.dev/commit`,
} as const;

/** Labels of the namespace, Pod Security's among them. @param security what its pods keep to */
export function previewLabels(preview: Preview, security: "restricted" | "baseline"): Record<string, string> {
  return {
    [PREVIEW_LABELS.preview]: shorten(preview.name),
    [PREVIEW_LABELS.owner]: shorten(preview.owner),
    [PREVIEW_LABELS.created]: labelTime(preview.created),
    [PREVIEW_LABELS.expires]: preview.expires === "" ? "never" : labelTime(preview.expires),
    [PREVIEW_LABELS.keep]: String(preview.keep),
    "pod-security.kubernetes.io/enforce": security,
    "pod-security.kubernetes.io/warn": "restricted",
    "pod-security.kubernetes.io/audit": "restricted",
  };
}

/** Annotations of the namespace. */
export function previewAnnotations({ name, ttl, idle, template, commit }: Preview): Record<string, string> {
  return {
    [PREVIEW_ANNOTATIONS.name]: name,
    [PREVIEW_ANNOTATIONS.ttl]: String(ttl),
    [PREVIEW_ANNOTATIONS.idle]: String(idle),
    [PREVIEW_ANNOTATIONS.template]: template,
    [PREVIEW_ANNOTATIONS.commit]: commit,
  };
}

/** The preview that a namespace's labels tell of; nothing where they are none of ours. */
export function previewOfNamespace(
  labels: Record<string, string>,
  annotations: Record<string, string>,
): (Preview & { lastUsed: string }) | undefined {
  const [label, owner] = [labels[PREVIEW_LABELS.preview], labels[PREVIEW_LABELS.owner]];
  if (!label || !owner) return undefined;
  const expires = labels[PREVIEW_LABELS.expires] ?? "never";
  return {
    name: annotations[PREVIEW_ANNOTATIONS.name] ?? label,
    owner,
    created: timeOfLabel(labels[PREVIEW_LABELS.created]),
    expires: expires === "never" ? "" : timeOfLabel(expires),
    ttl: Number(annotations[PREVIEW_ANNOTATIONS.ttl] ?? 0),
    idle: Number(annotations[PREVIEW_ANNOTATIONS.idle] ?? 0),
    keep: labels[PREVIEW_LABELS.keep] === "true",
    template: annotations[PREVIEW_ANNOTATIONS.template] ?? "",
    commit: annotations[PREVIEW_ANNOTATIONS.commit] ?? "",
    lastUsed: timeOfLabel(labels[PREVIEW_LABELS.lastUsed]),
  };
}

/** An instant in the form of a label: `2026-11-22T16:00:00.000Z` as `20261122T160000Z`. */
export function labelTime(iso: string): string {
  return iso.replace(/\.\d+/, "").replace(/[-:]/g, "");
}

/** The instant of such a label, ISO 8601; empty for what is none. */
export function timeOfLabel(label: string | undefined): string {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(label ?? "") ?? [];
  return parts.length === 0 ? "" : `${parts.slice(0, 3).join("-")}T${parts.slice(3).join(":")}Z`;
}
