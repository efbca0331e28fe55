import { onInterrupt } from "../interrupt";
import { underMark } from "../clean-up/marks";
import { down, outputsOf, prepare, up } from "../session";

/** Brings the stack up and says what it has. */
export async function upCommand({ stack, refresh = false }: { stack: string; refresh?: boolean }): Promise<number> {
  const interrupt = onInterrupt("cancelling; `npm run down` removes what is there", () => `Left at once. Remove the rest with: npm run down -- --stack ${stack}`);
  const outputs = await underMark(stack, "up", "setup", async () => {
    await prepare({ stack, signal: interrupt.signal });
    return up(stack, { signal: interrupt.signal, refresh });
  });
  interrupt.release();
  process.stdout.write(`${outputs.cluster.distribution}: Bay is pod ${outputs.pod} in namespace ${outputs.namespace}.\nTests: npm test. Kubeconfig: npm run -s kubeconfig. Removal: npm run down.\n`);
  return 0;
}

/** Destroys the stack and proves that nothing of it is left. */
export async function downCommand({ stack, clusterGone }: { stack: string; clusterGone: boolean }): Promise<number> {
  const interrupt = onInterrupt("finishing the removal first; press again to leave at once", () => `Left at once. Go on with: npm run down -- --stack ${stack}`);
  await underMark(stack, "down", "setup", async () => {
    await prepare({ stack });
    await down(stack, { clusterGone });
  });
  interrupt.release();
  process.stdout.write(`Nothing of stack ${stack} is left but its images.\n`);
  return 0;
}

/** Prints the kubeconfig of the stack. @throws UserError E_STACK_NOT_UP */
export async function kubeconfigCommand({ stack }: { stack: string }): Promise<number> {
  await prepare();
  const { kubeconfig } = await outputsOf(stack);
  process.stdout.write(kubeconfig);
  return 0;
}
