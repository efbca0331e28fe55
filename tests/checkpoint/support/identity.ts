import { notYet, waitFor } from "../../support/wait";
import type { Pods } from "./pods";
import type { Pod } from "./workloads";

const LINE = /^\d+ \d+$/;

/** What a counter is known by: the word that stands in its memory alone, how far it came, what it did to its files. */
export interface Identity {
  word: string;
  count: number;
  marker: string;
  links: string;
  deleted: string;
}

/** @param which the log's first line, where a restored process went on, or its last */
export async function identityOf(pods: Pods, pod: Pod, which: "first" | "last"): Promise<Identity> {
  await pods.logged(pod, LINE);
  const lines = await pods.lines(pod, LINE);
  const [word, count] = (which === "first" ? lines[0] : lines.at(-1))!.split(" ");
  const [marker = "", links = "", deleted = ""] = (
    await pods.exec(pod, "bash", "-c", "cat /marker; stat -c %h /made/same; test -e /etc/debian_version || echo gone")
  ).split("\n");
  return { word: word!, count: Number(count), marker, links, deleted };
}

/** Names what tells a process from the one that was dumped; nothing where it is the same, gone on. */
export function differences(dumped: Identity, now: Identity): string[] {
  const { count: before, ...fixed } = dumped;
  const { count: after, ...found } = now;
  const other = (Object.keys(fixed) as (keyof typeof fixed)[]).filter((key) => fixed[key] !== found[key]);
  return after >= before ? other : [...other, "count"];
}

/** Waits for a line of a counter's log that is new. */
export async function grows(pods: Pods, pod: Pod): Promise<void> {
  const count = async () => Number((await pods.lines(pod, LINE)).at(-1)!.split(" ")[1]);
  const before = await count();
  await waitFor(
    `a line after ${before} of ${pod.metadata.name}`,
    async () => {
      const now = await count();
      return now > before || notYet(`it is at ${now}`);
    },
    { deadline: 60_000 },
  );
}
