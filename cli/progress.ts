import { Listr } from "listr2";

/** Tells what a phase is doing now. */
export type Tell = (line: string) => void;

let verbose = false;

/** Asks for everything that commands print, line by line. */
export function setVerbose(on: boolean): void {
  verbose = on;
}

/** Whether `-v` asked for everything. */
export function isVerbose(): boolean {
  return verbose;
}

/**
 * Runs one phase of a command. A terminal sees a spinner, the phase's last line and a clock; a log gets a
 * line when the phase starts, each line that it tells, and one when it ends.
 */
export async function phase<T>(title: string, work: (tell: Tell) => Promise<T>): Promise<T> {
  const start = Date.now();
  let result: { value: T } | undefined;
  const live = process.stderr.isTTY && process.env["CI"] === undefined && !verbose;
  if (!live) return plain(title, work);
  const list = new Listr(
    [
      {
        title,
        task: async (_, task) => {
          let told = start;
          const clock = setInterval(() => {
            task.title = `${title} (${elapsed(start)})`;
            if (Date.now() - told > SILENCE) task.output = waitingFor() ?? task.output;
          }, 1_000);
          try {
            result = {
              value: await work((line) => {
                told = Date.now();
                task.output = line;
              }),
            };
            task.title = `${title} (${elapsed(start)})`;
          } finally {
            clearInterval(clock);
          }
        },
        rendererOptions: { outputBar: 1, persistentOutput: false },
      },
    ],
    { rendererOptions: { collapseErrors: false, showErrorMessage: false }, registerSignalListeners: false },
  );
  await list.run();
  return result!.value;
}

async function plain<T>(title: string, work: (tell: Tell) => Promise<T>): Promise<T> {
  const start = Date.now();
  let told = start;
  let last = title;
  const say = (line: string) => {
    told = Date.now();
    process.stderr.write(`${line}\n`);
  };
  say(`> ${title}`);
  const tick = setInterval(() => {
    if (Date.now() - told > SILENCE) say(`  waiting for: ${waitingFor() ?? last}  [${elapsed(start)}]`);
  }, SILENCE / 4);
  try {
    const value = await work((line) => {
      last = line;
      say(`  ${line}  [${elapsed(start)}]`);
    });
    say(`ok ${title} (${elapsed(start)})`);
    return value;
  } catch (error) {
    say(`failed ${title} (${elapsed(start)})`);
    throw error;
  } finally {
    clearInterval(tick);
  }
}

/** Milliseconds without a line after which a phase says in a log what it waits for. */
const SILENCE = 20_000;

/** What is under way and can say what it waits for; the innermost counts. */
const waits: (() => string | undefined)[] = [];

/** Runs `work`; a phase that has been silent for a while says meanwhile what `describe` gives. */
export async function describedBy<T>(describe: () => string | undefined, work: () => Promise<T>): Promise<T> {
  waits.push(describe);
  try {
    return await work();
  } finally {
    waits.splice(waits.indexOf(describe), 1);
  }
}

function waitingFor(): string | undefined {
  return [...waits]
    .reverse()
    .map((describe) => describe())
    .find((text) => text !== undefined);
}

/** Time since `start` for people: `4.2 s`, `3 min 05 s`. */
export function elapsed(start: number, now = Date.now()): string {
  return duration(now - start);
}

/** A duration in milliseconds for people. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
}
