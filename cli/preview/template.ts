import { existsSync, readFileSync, statSync } from "node:fs";
import { relative } from "node:path";
import { parse } from "yaml";
import { chooseContext } from "../../infra/backends/contexts";
import { DOCKER_DESKTOP_CONTEXTS } from "../../infra/backends/local-contexts";
import { readConfig } from "../../infra/config";
import { kubeconfigFile } from "../../infra/naming";
import { BACKENDS, type BackendName } from "../../infra/outputs";
import { isPreviewStack } from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { writeWhole } from "../../infra/support/files";
import { nearest } from "../../infra/support/nearest";
import { type KnownStack, knownStacks } from "../stack/known-stacks";
import { ROOT } from "../paths";
import { outputsIfUp } from "../session";
import { readStackFile, stackFilePath, stacksWithFile } from "../stack/stack-file";
import { settingsOf } from "../stack/stack-settings";
import { localStack } from "../stack/state";

/** What a preview takes from the stack that it is made from. */
export interface Template {
  stack: string;
  /** Configuration of the preview's stack, but for what is the preview's own. */
  config: Record<string, unknown>;
  /** Way into the cluster. Secret. */
  kubeconfig: string;
}

/** Keys that are of the cluster which the template made, of its own namespace, or of its own key. */
const NOT_INHERITED =
  /^(backend|namespace|clusterName|k3s.*|kind.*|goImage|criuImage|checkpoint.*|cedana.*|propagator.*|apiKey|preview|kubeconfig|kubeContext)$/;

/**
 * The template of that name; without one the only stack that is up. Its cluster must be there.
 * @throws UserError E_PREVIEW_TEMPLATE, E_STACK_AMBIGUOUS, E_STACK_NOT_UP, E_CONTEXT_MISSING, E_CONTEXT_NOT_ALLOWED
 */
export async function openTemplate(named: string | undefined): Promise<Template> {
  const stack = named === undefined ? pickTemplate(await knownStacks()) : requireTemplate(named);
  const own = readStackFile(stack)?.config ?? {};
  const config = {
    ...Object.fromEntries(Object.entries(own).filter(([key]) => !NOT_INHERITED.test(key))),
    checkpoint: "false",
  };
  const backend = BACKENDS.find((name) => name === (own["backend"] || stack));
  return backend === "existing" || backend === "docker-desktop"
    ? fromContext(stack, backend, config)
    : fromStack(stack, config);
}

/** @throws UserError E_PREVIEW_TEMPLATE for a stack that there is not, or that is a preview */
export function requireTemplate(stack: string): string {
  const files = stacksWithFile().filter((name) => !isPreviewStack(name));
  if (existsSync(stackFilePath(stack)) && !isPreviewStack(stack)) return stack;
  const near = nearest(stack, files);
  throw new UserError("E_PREVIEW_TEMPLATE", {
    seen: isPreviewStack(stack)
      ? `--from ${stack}, which is a preview itself`
      : `--from ${stack}, and there is no stacks/Pulumi.${stack}.yaml`,
    wanted: `one of ${files.join(", ")}`,
    next: near ? `--from ${near}   (is that what you meant?)` : "npm run status",
  });
}

/** The only stack that is up, previews left out. @throws UserError E_STACK_NOT_UP, E_STACK_AMBIGUOUS */
export function pickTemplate(known: readonly KnownStack[]): string {
  const up = known.filter(({ name, condition }) => condition === "up" && !isPreviewStack(name));
  if (up.length === 1) return up[0]!.name;
  if (up.length > 1)
    throw new UserError("E_STACK_AMBIGUOUS", {
      seen: up.map(({ name }) => name).join(", "),
      wanted: "one stack whose cluster the preview is to be on",
      next: `add --from ${up[0]!.name}, or another of them`,
    });
  throw new UserError("E_STACK_NOT_UP", {
    seen: "no stack of this checkout is up, and --from was not given",
    wanted: "a cluster for the preview",
    next: "npm run up -- --stack k3s   (or: --from existing, for the cluster of a kubeconfig)",
  });
}

/** A cluster that a stack made: its kubeconfig goes into the file that is removed with it. */
async function fromStack(stack: string, config: Record<string, unknown>): Promise<Template> {
  const known = (await knownStacks()).find(({ name }) => name === stack);
  const file = kubeconfigFile(ROOT, stack);
  const kubeconfig =
    known?.condition === "not up"
      ? undefined
      : isNewer(file, stack)
        ? readFileSync(file, "utf8")
        : (await outputsIfUp(stack))?.kubeconfig;
  if (kubeconfig === undefined)
    throw new UserError("E_STACK_NOT_UP", {
      seen: `stack ${stack}, whose cluster the preview is to be on, is not up`,
      wanted: "a cluster for the preview",
      next: `npm run up -- --stack ${stack}`,
    });
  writeWhole(file, kubeconfig, 0o600);
  const { "current-context": kubeContext } = parse(kubeconfig) as { "current-context": string };
  return {
    stack,
    config: { ...config, backend: "existing", kubeconfig: relative(ROOT, file), kubeContext },
    kubeconfig,
  };
}

/**
 * Whether a stack's kubeconfig was written after its state: Pulumi, which takes a second to open a secret, need not be
 * asked.
 */
function isNewer(file: string, stack: string): boolean {
  const state = localStack(stack)?.file;
  if (state === undefined || !existsSync(state) || !existsSync(file)) return false;
  return statSync(file).mtimeMs > statSync(state).mtimeMs;
}

/** A cluster of somebody else: the context that the template would use now stays the preview's. */
function fromContext(stack: string, backend: BackendName, config: Record<string, unknown>): Template {
  const settings = settingsOf(stack);
  const context = chooseContext({ settings, root: ROOT }, backend === "docker-desktop" ? DOCKER_DESKTOP_CONTEXTS : []);
  return {
    stack,
    config: {
      ...config,
      backend,
      kubeContext: context.name,
      ...(settings.kubeconfig === "" ? {} : { kubeconfig: settings.kubeconfig }),
    },
    kubeconfig: context.kubeconfig,
  };
}

/** Values of a template that Pulumi holds encrypted, with a key of that stack alone. */
export function secretKeysOf(config: Record<string, unknown>): string[] {
  return Object.entries(config)
    .filter(([, value]) => typeof value === "object" && value !== null && "secure" in value)
    .map(([key]) => key);
}

/** Settings by a configuration that is not in a file yet. @throws UserError E_CONFIG */
export function settingsFor(stack: string, config: Record<string, unknown>): ReturnType<typeof readConfig> {
  return readConfig(
    Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
    ),
    stack,
  );
}
