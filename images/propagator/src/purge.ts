/** Milliseconds until the server must have removed all. */
const PURGE_MS = 45_000;

/**
 * Asks the server to remove all checkpoints' files from their nodes, for an uninstall. Environment: PROPAGATOR_URL,
 * PROPAGATOR_TOKEN.
 * @throws Error naming what is left, so that the uninstall does not pass over it
 */
export async function purge(env: NodeJS.ProcessEnv): Promise<void> {
  const { PROPAGATOR_URL: url = "", PROPAGATOR_TOKEN: token = "" } = env;
  const response = await fetch(`${url}/internal/purge`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(PURGE_MS),
    redirect: "error",
  }).catch((error: unknown) => {
    throw new Error(
      `the propagator at ${url} does not answer: ${((error as Error).cause as Error | undefined)?.message ?? (error as Error).message}; checkpoints may be left in /var/lib/runc-cr of the nodes`,
    );
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`the propagator answered ${response.status}: ${text}`);
  const { removed, left } = JSON.parse(text) as { removed: number; left: string[] };
  if (left.length > 0)
    throw new Error(`${left.length} checkpoints could not be removed from their nodes: ${left.join(", ")}`);
  process.stdout.write(`${JSON.stringify({ level: "info", msg: "all checkpoints removed", removed })}\n`);
}
