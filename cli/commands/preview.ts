import { UserError } from "../../infra/support/errors";
import { onInterrupt } from "../interrupt";
import { detailsOf, keyOf } from "../preview/details";
import { endText } from "../preview/decide";
import { openFacts, type FoundPreview } from "../preview/facts";
import { findPreview, findPreviews } from "../preview/inventory";
import { listText } from "../preview/list";
import { requirePreviewName } from "../preview/names";
import { lastReport } from "../preview/report";
import { statusText } from "../preview/status";
import { comment, goneText, summaryText, writeInto } from "../preview/summary";
import { durationOf } from "../preview/times";
import { stateEnvironment } from "../stack/state";

// What only looks is quick: Pulumi's Automation API and the cluster's client, half a second each, are loaded by what
// changes.

/** Words of the command line that several subcommands have. */
interface Common {
  from: string[];
  json: boolean;
}

/** Brings a preview up, or up to date, and says how it is reached. */
export async function upCommand(
  name: string,
  { ttl, idle, ref, from, json }: { ttl?: string; idle?: string; ref?: string; from?: string; json: boolean },
): Promise<number> {
  const times = {
    ...(ttl === undefined ? {} : { ttl: durationOf("--ttl", ttl) }),
    ...(idle === undefined ? {} : { idle: durationOf("--idle", idle) }),
  };
  requirePreviewName(name);
  const { previewUp } = await import("../preview/up");
  const interrupt = onInterrupt(
    `cancelling; \`npm run preview -- down ${name}\` removes what is there`,
    () => `Left at once. Remove the rest with: npm run preview -- down ${name}`,
  );
  const { preview, stack, namespace, pod, unchanged } = await previewUp(name, {
    ...times,
    ...(ref === undefined ? {} : { ref }),
    ...(from === undefined ? {} : { from }),
    signal: interrupt.signal,
  });
  interrupt.release();
  if (json) process.stdout.write(`${JSON.stringify({ ...preview, stack, namespace, pod, unchanged }, null, 2)}\n`);
  else
    process.stdout.write(
      `Preview ${name} is up${unchanged ? ", as it was" : ""}: pod ${pod} in namespace ${namespace}, on the cluster of ${preview.template}. It ends: ${endText(preview, Date.now())}.\nReach it: npm run preview -- open ${name}. Test it: npm run preview -- test ${name}. Remove it: npm run preview -- down ${name}.\n`,
    );
  return 0;
}

/** Lists the previews that can be found from here. */
export async function listCommand({ from, json }: Common): Promise<number> {
  look();
  const found = await findPreviews(from);
  process.stdout.write(
    json ? `${JSON.stringify(found.map(openFacts), null, 2)}\n` : `${listText(found, Date.now())}\n`,
  );
  return 0;
}

/** Says what is known of one. */
export async function statusCommand(name: string, { from, json }: Common): Promise<number> {
  look();
  const found = await findPreview(name, from);
  const details = await detailsIfThere(found);
  process.stdout.write(
    json
      ? `${JSON.stringify({ ...openFacts(found), ...(typeof details === "string" ? { problem: details } : details) }, null, 2)}\n`
      : `${statusText(found, details, Date.now())}\n`,
  );
  return 0;
}

/** Gives a preview more time. */
export async function extendCommand(name: string, { ttl }: { ttl?: string }): Promise<number> {
  const seconds = ttl === undefined ? undefined : durationOf("--ttl", ttl);
  look();
  const after = await (await import("../preview/change")).extend(name, seconds);
  process.stdout.write(`Preview ${name} ends ${endText(after, Date.now())}.\n`);
  return 0;
}

/** Keeps a preview until it is removed by name. */
export async function keepCommand(name: string): Promise<number> {
  look();
  await (await import("../preview/change")).keep(name);
  process.stdout.write(
    `Preview ${name} stays until \`npm run preview -- down ${name}\`; \`extend\` gives it an end again.\n`,
  );
  return 0;
}

/** Removes one preview. */
export async function downCommand(
  name: string,
  { from, clusterGone }: { from: string[]; clusterGone: boolean },
): Promise<number> {
  look();
  const interrupt = onInterrupt(
    "finishing the removal first; press again to leave at once",
    () => `Left at once. Go on with: npm run preview -- down ${name}`,
  );
  await (await import("../preview/down")).previewDown(name, { from, clusterGone });
  interrupt.release();
  process.stdout.write(`Nothing of the preview ${name} is left.\n`);
  return 0;
}

/**
 * Removes previews whose time is over. Where nobody watches it removes at once, elsewhere it shows unless told
 * otherwise.
 */
export async function gcCommand(
  options: Common & { dryRun: boolean; yes: boolean; openFile?: string; openCommand?: string; pullRequests: boolean },
): Promise<number> {
  const { dryRun, yes, ...rest } = options;
  if (dryRun && yes)
    throw new UserError("E_USAGE", {
      seen: "--dry-run and --yes",
      wanted: "one of the two",
      next: "npm run preview -- gc --dry-run",
    });
  look();
  const interrupt = onInterrupt(
    "ending after the preview that is being removed",
    () => "Left at once. Go on with: npm run preview -- gc",
  );
  const code = await (
    await import("../preview/gc")
  ).gc({ ...rest, dryRun: dryRun || (!yes && process.env["CI"] === undefined), signal: interrupt.signal });
  interrupt.release();
  return code;
}

/** Holds a port-forward to a preview open. */
export async function openCommand(name: string, { from }: Pick<Common, "from">): Promise<number> {
  look();
  return (await import("../preview/open")).openPreview(await findPreview(name, from));
}

/** Prints the key of a preview's Bay, alone. */
export async function keyCommand(name: string, { from }: Pick<Common, "from">): Promise<number> {
  look();
  process.stdout.write(`${await keyOf(await findPreview(name, from))}\n`);
  return 0;
}

/** Writes the Markdown of a pull request's comment, or the comment itself. */
export async function summaryCommand(
  name: string,
  { from, into, pullRequest, gone }: Pick<Common, "from"> & { into?: string; pullRequest?: string; gone: boolean },
): Promise<number> {
  const number = pullRequest === undefined ? undefined : requireNumber(pullRequest);
  look();
  const text = gone ? goneText(name) : await summaryOf(await findPreview(name, from));
  if (into !== undefined) writeInto(into, name, text);
  if (number !== undefined) await comment(number, name, text);
  if (into === undefined && number === undefined) process.stdout.write(`${text}\n`);
  return 0;
}

/** What only looks needs no tool, but must know where the state is. */
function look(): void {
  Object.assign(process.env, stateEnvironment());
}

async function summaryOf(found: FoundPreview): Promise<string> {
  const details = await detailsIfThere(found);
  return summaryText(
    found,
    typeof details === "string" ? undefined : details,
    found.stack === undefined ? undefined : lastReport(found.stack),
  );
}

async function detailsIfThere(found: FoundPreview) {
  return detailsOf(found).catch((error: unknown) => {
    if (error instanceof UserError) return error.seen;
    return `no answer: ${(error as Error).message}`;
  });
}

function requireNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UserError("E_USAGE", {
    seen: `--pull-request ${text}`,
    wanted: "the number of a pull request",
    next: "--pull-request 123",
  });
}
