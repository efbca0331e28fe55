/** Starting a container and seeing that it stays up. */
import type { Inputs } from "../../inputs";
import { until } from "../../wait";
import type { Scope } from "../resource";
import { containerLogs } from "./logs";
import type { ContainerInspect } from "./state";

/** Milliseconds for which a container that must run is watched; one with a wrong command or option dies sooner. */
const SETTLE_MS = 250;
const LAST_LINES = 20;

/**
 * Starts the container and does what the inputs ask for: see that it runs, wait for health, or for its end.
 * @throws Error with the exit code and the last lines of its output.
 */
export async function startContainer(id: string, inputs: Inputs, scope: Scope): Promise<void> {
  await scope.client.json("POST", `/containers/${id}/start`, { signal: scope.signal });
  if (inputs.flag("attach")) {
    await scope.client.json("POST", `/containers/${id}/wait`, {
      query: { condition: "not-running" },
      signal: scope.signal,
    });
    return;
  }
  if (inputs.flag("mustRun") ?? true) await staysUp(id, scope);
  if (inputs.flag("wait")) await becomesHealthy(id, (inputs.number("waitTimeout") ?? 60) * 1000, scope);
}

/** Inspects a container that must be there. */
export function inspect(id: string, { client }: Pick<Scope, "client">): Promise<ContainerInspect> {
  return client.json<ContainerInspect>("GET", `/containers/${encodeURIComponent(id)}/json`);
}

async function staysUp(id: string, scope: Scope): Promise<void> {
  // The daemon answers when the container ends; if it has not by then, it is up.
  const settled = AbortSignal.timeout(SETTLE_MS); // held to the end: of a timeout that nobody holds `any` hears nothing (nodejs/node #57736)
  await scope.client
    .json("POST", `/containers/${id}/wait`, {
      query: { condition: "not-running" },
      signal: AbortSignal.any([scope.signal, settled]),
    })
    .catch((error: unknown) => {
      if (!settled.aborted && !scope.signal.aborted) throw error;
    });
  scope.signal.throwIfAborted();
  const found = await scope.client.find<ContainerInspect>(`/containers/${id}/json`);
  if (!found) throw new Error("container exited immediately and removed itself (rm: true), so its output is lost");
  if (!found.State.Running) throw new Error(await death("container exited immediately", found, scope));
}

async function becomesHealthy(id: string, deadline: number, scope: Scope): Promise<void> {
  await until(`container ${id.slice(0, 12)} is healthy`, deadline, scope.signal, async () => {
    const found = await inspect(id, scope);
    const health = found.State.Health;
    if (!found.State.Running) throw new Error(await death("container exited while it was waited for", found, scope));
    if (!health || health.Status === "none")
      throw new Error("the container has no health check, so it cannot be waited for (wait: true)");
    return (
      health.Status === "healthy" ||
      `it is ${health.Status}; the last check said: ${health.Log?.at(-1)?.Output.trim() ?? "nothing yet"}`
    );
  });
}

async function death(what: string, found: ContainerInspect, scope: Scope): Promise<string> {
  const lines = (await containerLogs(scope.client, found.Id, LAST_LINES)).trimEnd();
  const reason = found.State.Error ? `: ${found.State.Error}` : "";
  return `${what}: ${found.Name.replace(/^\//, "")} (image ${found.Config.Image}) ended with exit code ${found.State.ExitCode}${reason}\n${lines ? `last lines of its output:\n${lines}` : "it wrote nothing"}`;
}
