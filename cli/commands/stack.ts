import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { UserError } from "../../infra/support/errors";
import { writeWhole } from "../../infra/support/files";
import { parseKubeconfig } from "../../infra/support/kubeconfig";
import { kubeconfigOf } from "../cluster/access";
import { onInterrupt } from "../interrupt";
import { underMark } from "../clean-up/marks";
import { down, outputsIfUp, outputsOf, prepare, up } from "../session";

/** Brings the stack up and says what it has. */
export async function upCommand({ stack, refresh = false }: { stack: string; refresh?: boolean }): Promise<number> {
  const interrupt = onInterrupt(
    "cancelling; `npm run down` removes what is there",
    () => `Left at once. Remove the rest with: npm run down -- --stack ${stack}`,
  );
  const outputs = await underMark(stack, "up", "setup", async () => {
    await prepare({ stack, signal: interrupt.signal });
    return up(stack, { signal: interrupt.signal, refresh });
  });
  interrupt.release();
  process.stdout.write(
    `${outputs.cluster.distribution}: Bay is pod ${outputs.pod} in namespace ${outputs.namespace}.\nTests: npm test. Kubeconfig: npm run kubeconfig -- --out kc.yaml. Removal: npm run down.\n`,
  );
  return 0;
}

/** Destroys the stack and proves that nothing of it is left. */
export async function downCommand({ stack, clusterGone }: { stack: string; clusterGone: boolean }): Promise<number> {
  const interrupt = onInterrupt(
    "finishing the removal first; press again to leave at once",
    () => `Left at once. Go on with: npm run down -- --stack ${stack}`,
  );
  await underMark(stack, "down", "setup", async () => {
    await prepare({ stack });
    await down(stack, { clusterGone });
  });
  interrupt.release();
  process.stdout.write(`Nothing of stack ${stack} is left but its images.\n`);
  return 0;
}

/**
 * Prints the kubeconfig of the stack, or writes it to a file that only its owner may read. A stack whose `up` was not
 * finished has one too, once its cluster is there.
 * @param out the file; `-` for standard output, the default
 * @throws UserError E_STACK_NOT_UP; E_USAGE for a file that is no kubeconfig, which is not written over
 */
export async function kubeconfigCommand({ stack, out = "-" }: { stack: string; out?: string }): Promise<number> {
  const file = out === "-" ? undefined : resolve(process.env["INIT_CWD"] ?? process.cwd(), out);
  if (file !== undefined) requireReplaceable(file);
  await prepare();
  const kubeconfig =
    (await outputsIfUp(stack))?.kubeconfig ?? (await kubeconfigOf(stack)) ?? (await outputsOf(stack)).kubeconfig;
  if (file === undefined) process.stdout.write(kubeconfig);
  else writeWhole(file, kubeconfig, 0o600);
  return 0;
}

/** A slip in a path must cost nobody a file: only a kubeconfig, or nothing, is replaced. */
export function requireReplaceable(file: string): void {
  const refuse = (seen: string): never => {
    throw new UserError("E_USAGE", {
      seen: `--out ${file}: ${seen}`,
      wanted: "a new file, or a kubeconfig that may be replaced",
      next: "npm run kubeconfig -- --out kc.yaml",
    });
  };
  const there = statSync(file, { throwIfNoEntry: false });
  if (there?.isDirectory()) refuse("it is a folder");
  if (!there && !existsSync(dirname(file))) refuse(`there is no folder ${dirname(file)}`);
  if (!there || there.size === 0) return;
  try {
    const { clusters, contexts } = parseKubeconfig(readFileSync(file, "utf8"), file);
    if (clusters.length > 1 || contexts.length > 1) refuse("it is a kubeconfig with other clusters in it");
    if (clusters.length === 0) refuse("it is there and is no kubeconfig");
  } catch (error) {
    if (error instanceof UserError && error.code === "E_USAGE") throw error;
    refuse("it is there and is no kubeconfig");
  }
}
