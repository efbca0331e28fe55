import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { run } from "../../infra/support/exec";
import { ROOT } from "../paths";
import { stacksWithFile } from "./stack-file";
import { localStack, stateEnvironment } from "./state";

/**
 * `up`: all that the program declares is there. `interrupted`: something is, and something is missing or was
 * under way. `not up`: nothing of it is in the state.
 */
export type StackCondition = "up" | "interrupted" | "not up";

/** A stack as its state tells it, without asking the cluster. */
export interface KnownStack {
  name: string;
  condition: StackCondition;
  /** Whether the state has the stack at all, empty or not. */
  inState: boolean;
  backend?: string;
  cluster?: string;
  distribution?: string;
  namespace?: string;
  /** When the stack was first brought up, ISO 8601. */
  since?: string;
  /** Content ids of its images in the local store. */
  images: string[];
}

/**
 * The stacks of this checkout: those of the state, then those that have only a file. A local state is read
 * from its files, which costs milliseconds; any other one is asked through Pulumi.
 */
export async function knownStacks(): Promise<KnownStack[]> {
  const place = localStack("any");
  const found = place ? readLocal(dirname(place.file)) : await askPulumi();
  const others = stacksWithFile().filter((name) => !found.some((stack) => stack.name === name));
  return [...found, ...others.map((name): KnownStack => ({ name, condition: "not up", inState: false, images: [] }))];
}

/** What Pulumi keeps of a stack, as far as it is read here. */
export interface Deployment {
  resources?: { type: string; created?: string; outputs?: Record<string, unknown> }[];
  pending_operations?: unknown[] | null;
}

/** Reads a stack's condition and facts from its state. */
export function describeState(name: string, state: Deployment): KnownStack {
  const resources = state.resources ?? [];
  const root = resources.find(({ type }) => type === "pulumi:pulumi:Stack");
  const outputs = root?.outputs ?? {};
  const cluster = outputs["cluster"] as { name?: string; distribution?: string } | undefined;
  // Outputs stay in the state while a destroy goes on; Bay's pod is the last thing made and the first removed.
  const whole =
    cluster !== undefined &&
    resources.some(({ type }) => type === "kubernetes:core/v1:Pod") &&
    (state.pending_operations ?? []).length === 0;
  const images = Object.values((outputs["images"] ?? {}) as Record<string, { id?: string }>).flatMap(
    ({ id }) => id || [],
  );
  return {
    name,
    inState: true,
    images,
    condition: resources.length === 0 ? "not up" : whole ? "up" : "interrupted",
    ...text("backend", outputs["backend"]),
    ...text("namespace", outputs["namespace"]),
    ...text("cluster", cluster?.name),
    ...text("distribution", cluster?.distribution),
    ...text("since", root?.created),
  };
}

function text<K extends string>(key: K, value: unknown): Partial<Record<K, string>> {
  return typeof value === "string" ? ({ [key]: value } as Record<K, string>) : {};
}

function readLocal(folder: string): KnownStack[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder)
    .flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? [])
    .sort();
  return names.map((name) => {
    const { checkpoint } = JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8")) as {
      checkpoint?: { latest?: Deployment | null };
    };
    return describeState(name, checkpoint?.latest ?? {});
  });
}

async function askPulumi(): Promise<KnownStack[]> {
  // Pulumi's Automation API costs half a second: only where Pulumi is asked at all.
  const { prepareTools } = await import("../tools/setup");
  const tools = await prepareTools(() => undefined);
  Object.assign(process.env, tools.env, stateEnvironment());
  const stacks = JSON.parse(await run(["pulumi", "stack", "ls", "--json", "--non-interactive"], { cwd: ROOT })) as {
    name: string;
    resourceCount?: number;
  }[];
  return Promise.all(
    stacks.map(async ({ name, resourceCount }) => {
      if (resourceCount === 0) return describeState(name, {});
      const exported = JSON.parse(
        await run(["pulumi", "stack", "export", "--stack", name, "--non-interactive"], { cwd: ROOT }),
      ) as { deployment?: Deployment };
      return describeState(name, exported.deployment ?? {});
    }),
  );
}
