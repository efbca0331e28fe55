import { substitute, type Settings } from "../../../infra/config";
import { tryRun } from "../../../infra/support/exec";
import { type CheckSpec, ok, type Subject, warn } from "../check";

/** One image that the stack starts from. */
export interface ImageFact {
  image: string;
  /** In the local store already. */
  local: boolean;
  /** Its registry gave its description to the daemon; not asked for an image that is here. */
  answers?: boolean;
  problem?: string;
}

/** Milliseconds for the daemon to hear from a registry. */
const DEADLINE = 6_000;

/**
 * Whether the images that a stack starts from are here, or can be had. The daemon asks, because it would pull, by its
 * own proxies and mirrors.
 */
export const registries: CheckSpec<{ images: ImageFact[]; standIns: boolean }> = {
  name: "image registries",
  cost: "slow",
  probe: async ({ docker, settings, standIns, backend, env }) => {
    if (!docker.info || !settings) return undefined;
    const images = [...new Set(imagesOf(settings, backend, env))];
    return { images: await Promise.all(images.map(ask)), standIns: standIns.includes("images") };
  },
  judge: ({ images, standIns }) => {
    const needed = "every image here, or its registry in reach";
    const absent = images.filter(({ local, answers }) => !local && !answers);
    const here = images.filter(({ local }) => local).length;
    const found = `${here} of ${images.length} here${absent.length > 0 ? `; not to be had: ${byProblem(absent)}` : here < images.length ? ", the rest can be pulled" : ""}`;
    if (absent.length === 0) return ok(standIns ? `${found}, stand-ins of offline/ among them` : found, needed);
    return warn(
      found,
      needed,
      standIns
        ? "npm run setup makes stand-ins for those that offline/ knows"
        : "check the proxy and the network; npm run setup falls back to offline/ where it can",
    );
  },
};

/** The images that are pulled or run, with their substitutes in place. */
export function imagesOf(settings: Settings, backend: Subject["backend"], env: NodeJS.ProcessEnv): string[] {
  const substitutes = { ...settings.imageSubstitutes, ...parse(env["BAY_E2E_IMAGES"]) };
  const node = backend === "k3s" ? [settings.k3sImage] : backend === "kind" ? [settings.kindImage] : [];
  const bases = [
    ...(settings.bayImage === "" ? [settings.bayBaseImage] : []),
    ...(settings.shipImage === "" ? [settings.shipBaseImage] : []),
  ];
  return [...node, ...bases].map((image) => substitute(image, substitutes));
}

/** Images that share a reason share its words. */
function byProblem(images: readonly ImageFact[]): string {
  const problems = [...new Set(images.map(({ problem }) => problem ?? "no answer"))];
  return problems
    .map(
      (problem) =>
        `${images
          .filter((one) => (one.problem ?? "no answer") === problem)
          .map(({ image }) => image)
          .join(", ")} (${problem})`,
    )
    .join("; ");
}

async function ask(image: string): Promise<ImageFact> {
  const { exitCode } = await tryRun(["docker", "image", "inspect", "--format", "{{.Id}}", image], {
    timeout: DEADLINE,
  }).catch(() => ({ exitCode: 1 }));
  if (exitCode === 0) return { image, local: true };
  // The client library is loaded only where a registry must be asked.
  const { default: Docker } = await import("dockerode");
  const problem = await new Docker({ timeout: DEADLINE })
    .getImage(image)
    .distribution()
    .then(
      () => undefined,
      (error: { json?: { message?: string }; message: string }) => error.json?.message ?? error.message,
    );
  return problem === undefined
    ? { image, local: false, answers: true }
    : { image, local: false, answers: false, problem: problem.split(": ").at(-1)! };
}

function parse(text: string | undefined): Record<string, string> {
  try {
    return JSON.parse(text || "{}") as Record<string, string>;
  } catch {
    return {};
  }
}
