import { UserError } from "../../infra/support/errors";
import { onInterrupt } from "../interrupt";
import { detailsOf, requireBay } from "./details";
import type { FoundPreview } from "./facts";
import { touch } from "./touch";

/** Milliseconds between two notes that an open preview is used. */
const NOTE_EVERY = 60_000;

/**
 * Holds a port-forward to a preview's Bay open until Ctrl-C. It follows the pod when that is replaced and says what it
 * is doing; while connections come, the preview counts as used.
 * @throws UserError E_FORWARD with the reason
 */
export async function openPreview(found: FoundPreview): Promise<number> {
  const bay = requireBay(found, (await detailsOf(found)).bay);
  const { openForward } = await import("../../tests/support/port-forward");
  const [kubeconfig, namespace] = [found.kubeconfig!, found.namespace!];
  const interrupt = onInterrupt(
    "closing the port-forward; the preview stays",
    () => "Left at once. The preview stays.",
  );
  const forward = await openForward({ kubeconfig, namespace, pod: bay.name, port: bay.port }).catch(
    (error: unknown) => {
      throw new UserError("E_FORWARD", {
        seen:
          (error as Error).message
            .split("\n")
            .find((line) => line.includes("seen:"))
            ?.replace(/^\s*seen:\s+/, "") ?? String(error),
        wanted: "an answer of Bay",
        next: `npm run preview -- status ${found.name}`,
        cause: error,
      });
    },
  );
  await touch(kubeconfig, namespace);
  process.stdout.write(`${forward.url}\n`);
  process.stderr.write(
    `Bay of the preview ${found.name}, until Ctrl-C. Its key:  npm run -s preview -- key ${found.name}\n  curl -H "Authorization: Bearer $(npm run -s preview -- key ${found.name})" ${forward.url}/v1/sandboxes\n`,
  );
  forward.onChange(({ state, why, reconnects }) => {
    process.stderr.write(
      `${new Date().toISOString()} ${state}${why ? `: ${why}` : reconnects > 0 ? ` again (${reconnects})` : ""}\n`,
    );
  });
  let seen = 0;
  const notes = setInterval(() => {
    const { total, open } = forward.status().connections;
    if (total === seen && open === 0) return;
    seen = total;
    // A cluster that does not answer now says so by the forward.
    void touch(kubeconfig, namespace).catch(() => undefined);
  }, NOTE_EVERY);
  await new Promise<void>((resolve) => {
    if (interrupt.signal.aborted) resolve();
    interrupt.signal.addEventListener(
      "abort",
      () => {
        resolve();
      },
      { once: true },
    );
  });
  clearInterval(notes);
  await forward.close();
  interrupt.release();
  return 0;
}
