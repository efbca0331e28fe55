import { readFileSync, existsSync, writeFileSync } from "node:fs";
import { memoryText } from "../../infra/support/quantity";
import { duration } from "../progress";
import type { Report } from "../report";
import type { Cost, Details } from "./details";
import type { PreviewFacts } from "./facts";
import { gh } from "./forge";
import { spanText } from "./times";

type Told = Pick<Report, "outcome" | "tests" | "phases" | "startedAt">;

/** What a preview's comment on its pull request says, between marks by which it is found again. No secret is in it. */
export function summaryText(facts: PreviewFacts, details: Details | undefined, report: Told | undefined): string {
  const { name, namespace, cluster, commit } = facts;
  const rows = [
    [
      "Bay",
      details?.bay
        ? `${details.bay.ready ? "ready" : `**not ready** (${details.bay.phase})`}, pod \`${details.bay.name}\` in namespace \`${namespace ?? ""}\` on \`${cluster}\``
        : "**not there**",
    ],
    ...(details?.bay ? [["Image", `\`${details.bay.image}\``]] : []),
    ["Made of", commit === "" ? "the files of the checkout that made it" : `commit ${commit}`],
    ["Tests", report ? testText(report) : "none were run"],
    ...(details
      ? [
          ["Takes", costText(details.cost)],
          ["Quota", quotaText(details)],
        ]
      : []),
    ["Ends", ends(facts)],
  ];
  return [
    startMark(name),
    `### Preview \`${name}\`: ${details?.bay?.ready ? "up" : "not up"}`,
    "",
    "| | |",
    "| --- | --- |",
    ...rows.map(([title, text]) => `| ${title} | ${text!.replaceAll("|", "\\|")} |`),
    "",
    "From a checkout that reaches the cluster:",
    "",
    "```",
    `npm run preview -- open ${name}      # URL of Bay; until Ctrl-C`,
    `npm run -s preview -- key ${name}    # its key`,
    `npm run preview -- extend ${name}    # the same time once more; keep: until it is removed`,
    `npm run preview -- down ${name}      # remove it`,
    "```",
    endMark(name),
  ].join("\n");
}

/** What the comment says once the preview is gone. */
export function goneText(name: string): string {
  return [
    startMark(name),
    `### Preview \`${name}\`: removed`,
    "",
    `A new one: \`npm run preview -- up ${name}\``,
    endMark(name),
  ].join("\n");
}

/** Puts a summary in the place of the one before, or at the end. */
export function replaceMarked(text: string, name: string, summary: string): string {
  const [start, end] = [text.indexOf(startMark(name)), text.indexOf(endMark(name))];
  if (start < 0 || end < start) return `${text.trimEnd()}${text.trim() === "" ? "" : "\n\n"}${summary}\n`;
  return text.slice(0, start) + summary + text.slice(end + endMark(name).length);
}

/** The same in a file, which is made where it is not there. */
export function writeInto(file: string, name: string, summary: string): void {
  writeFileSync(file, replaceMarked(existsSync(file) ? readFileSync(file, "utf8") : "", name, summary));
}

/** Makes or updates the comment of a pull request by the forge's CLI. @throws UserError E_FORGE */
export async function comment(pullRequest: number, name: string, summary: string): Promise<void> {
  // By its author too: whoever may comment could write our mark, and have us write over their words, or hide ours.
  const author = await authorOfComments();
  const own = `.[] | select(.user.login == ${JSON.stringify(author)} and (.body | startswith(${JSON.stringify(startMark(name))}))) | .id`;
  const [id] = (await gh(["api", "--paginate", `repos/{owner}/{repo}/issues/${pullRequest}/comments`, "--jq", own]))
    .split("\n")
    .filter(Boolean);
  const place =
    id === undefined
      ? ["--method", "POST", `repos/{owner}/{repo}/issues/${pullRequest}/comments`]
      : ["--method", "PATCH", `repos/{owner}/{repo}/issues/comments/${id}`];
  await gh(["api", ...place, "--input", "-", "--silent"], JSON.stringify({ body: summary }));
}

/** Login that `gh` comments as; a workflow's token is asked for by GraphQL, as it may not read a user. */
async function authorOfComments(): Promise<string> {
  const login = (await gh(["api", "graphql", "-f", "query={viewer{login}}", "--jq", ".data.viewer.login"])).trim();
  // GraphQL has the name of an app without what REST puts behind it.
  return login === "github-actions" ? "github-actions[bot]" : login;
}

function startMark(name: string): string {
  return `<!-- bay-e2e preview ${name} -->`;
}

function endMark(name: string): string {
  return `<!-- /bay-e2e preview ${name} -->`;
}

function testText({ outcome, tests, phases, startedAt }: Told): string {
  return `${outcome === "passed" ? "passed" : `**${outcome}**`}: ${tests.passed} passed, ${tests.failed} failed, ${tests.skipped} skipped in ${duration(phases["test"] ?? 0)}, ${utc(startedAt)}`;
}

/** Requests and limits for people. */
export function costText({ pods, requests, limits, volumes, storage }: Cost): string {
  const cores = (count: number) => `${Number(count.toFixed(2))} ${count === 1 ? "core" : "cores"}`;
  return `${pods} ${pods === 1 ? "pod" : "pods"}: requests ${cores(requests.cpu)}, ${memoryText(requests.memory)}; limits ${cores(limits.cpu)}, ${memoryText(limits.memory)}; ${volumes} ${volumes === 1 ? "volume" : "volumes"}, ${memoryText(storage)}`;
}

/** Of each limit how much is used. */
export function quotaText({ quota }: Pick<Details, "quota">): string {
  return (
    Object.entries(quota)
      .map(([key, { used, hard }]) => `${key} ${used} of ${hard}`)
      .join(", ") || "none"
  );
}

function ends({ keep, expires, idle }: PreviewFacts): string {
  if (keep) return "not before somebody removes it";
  return (
    [...(expires === "" ? [] : [utc(expires)]), ...(idle === 0 ? [] : [`after ${spanText(idle)} without use`])].join(
      ", or ",
    ) || "never by itself"
  );
}

function utc(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}
