import type { Preview } from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { underMark } from "../clean-up/marks";
import { phase } from "../progress";
import { recover } from "../stack/recover";
import { prepare } from "../session";
import { bringUp, openStack } from "../stack/stack";
import { readStackFile, writeMadeStackFile } from "../stack/stack-file";
import { stateOf } from "../stack/stack-state";
import { findPreview, previewOfFile } from "./inventory";
import { isoAfter } from "./times";

/**
 * Gives a preview another end: its own time once more, or as many seconds from now as are said. An end that is later
 * already stays. One that was kept is kept no longer.
 */
export async function extend(name: string, ttl: number | undefined, signal?: AbortSignal): Promise<Preview> {
  return change(name, "preview extend", (before) => extended(before, ttl), signal);
}

/** The new end, as `extend` has it. @throws UserError E_USAGE where there is no time to give again */
export function extended(before: Preview, ttl: number | undefined, now = Date.now()): Preview {
  const seconds = ttl ?? before.ttl;
  if (seconds === 0)
    throw new UserError("E_USAGE", {
      seen: `the preview ${before.name} was made without an end, and no time is given`,
      wanted: "a time",
      next: `npm run preview -- extend ${before.name} --ttl 4h`,
    });
  const end = isoAfter(seconds, now);
  return {
    ...before,
    keep: false,
    ttl: seconds,
    expires: before.expires !== "" && Date.parse(before.expires) > Date.parse(end) ? before.expires : end,
  };
}

/** From now on only `preview down` removes it. */
export async function keep(name: string, signal?: AbortSignal): Promise<Preview> {
  return change(name, "preview keep", (before) => ({ ...before, keep: true }), signal);
}

/** Changes what is said of a preview in its state and on its namespace; nothing else of it. */
async function change(
  name: string,
  command: string,
  next: (before: Preview) => Preview,
  signal: AbortSignal | undefined,
): Promise<Preview> {
  const { stack, condition, checkout, cluster } = await findPreview(name);
  if (stack === undefined) {
    throw new UserError("E_PREVIEW_UNKNOWN", {
      seen: `the preview ${name} on ${cluster} was made by ${checkout || "another checkout"}, and its state is not here`,
      wanted: "a preview of this checkout's state",
      next: `cd ${checkout || "THAT-CHECKOUT"} && npm run ${command.replace(" ", " -- ")} ${name}`,
    });
  }
  if (condition !== "up")
    throw new UserError("E_STACK_NOT_UP", {
      seen: `the preview ${name} is ${condition}`,
      wanted: "a preview that is up",
      next: `npm run preview -- up ${name}`,
    });
  const before = previewOfFile(stack);
  if (!before)
    throw new UserError("E_STACK_NOT_UP", {
      seen: `no configuration of the preview ${name} in this checkout`,
      wanted: "the file that an up writes",
      next: `npm run preview -- up ${name}`,
    });
  const after = next(before);
  return underMark(stack, command, "setup", async () => {
    await prepare({ stack });
    await phase(`Preview ${name}: ${command.split(" ")[1]!}`, async (tell) => {
      await recover(stack, tell);
      const only = ((await stateOf(stack))?.resources ?? [])
        .filter(({ type }) => type === "kubernetes:core/v1:Namespace")
        .map(({ urn }) => urn);
      const { config } = readStackFile(stack)!;
      writeMadeStackFile(stack, { ...config, preview: after });
      try {
        await bringUp(await openStack(stack), { tell, only, ...(signal ? { signal } : {}) });
      } catch (error) {
        writeMadeStackFile(stack, config);
        throw error;
      }
    });
    return after;
  });
}
