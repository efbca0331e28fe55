import { existsSync, readdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { shorten } from "../../infra/naming";
import { UserError } from "../../infra/support/errors";
import { writeWhole } from "../../infra/support/files";
import { STATE } from "../paths";
import { isAlive, readIfThere, startOf } from "./procfs";

/** Folder of what lives only while a run does: marks, files with secrets. */
export const RUN_FOLDER = join(STATE, "run");

/** A run as its mark tells: a file that is there while the run is, and after a kill. */
export interface RunMark {
  stack: string;
  pid: number;
  /**
   * When the process started, as the kernel counts, so that another one of the same id is not taken for it; empty where
   * no /proc is.
   */
  started: string;
  host: string;
  /** The command, such as `e2e`. */
  command: string;
  /** What it is at: `set-up`, `up`, `test`, `destroy`. */
  phase: string;
  /** Since when it is at that, ISO 8601. */
  since: string;
  /** Whether it changes the stack; tests only use it. */
  exclusive: boolean;
  /**
   * The process of the tests that the run started. Killed alone, the run leaves it behind, and it goes on using the
   * stack.
   */
  tests?: { pid: number; started: string };
}

/** The mark of this process's run. */
interface OwnMark {
  tests(pid: number | undefined): void;
  phase(name: string): void;
  end(): void;
}

const own = new Map<string, OwnMark>();

/**
 * Runs `work` under a mark that says who has the stack. Within a run that has one, only its phase changes.
 * @param options.exclusive false for what only uses the stack; default true
 * @throws UserError E_STACK_LOCKED before anything is touched, when another run has the stack
 */
export async function underMark<T>(
  stack: string,
  command: string,
  phase: string,
  work: () => Promise<T>,
  { exclusive = true }: { exclusive?: boolean } = {},
): Promise<T> {
  const outer = own.get(stack);
  if (outer) {
    outer.phase(phase);
    return work();
  }
  const mark = begin({ stack, command, phase, exclusive });
  own.set(stack, mark);
  try {
    return await work();
  } finally {
    own.delete(stack);
    mark.end();
  }
}

/** Says at what the run of this process is now; nothing where it has no mark. */
export function enterPhase(stack: string, phase: string): void {
  own.get(stack)?.phase(phase);
}

/** Says which process runs the tests of this process's run; nothing when they ended. */
export function markTests(stack: string | undefined, pid: number | undefined): void {
  if (stack !== undefined) own.get(stack)?.tests(pid);
}

/** Runs of a stack that are under way, this process's own among them. */
export function runsOf(stack: string): RunMark[] {
  return marks().filter((mark) => mark.stack === stack && (lives(mark) || testsGoOn(mark)));
}

/** Runs that were killed while their tests go on. */
export function testsWithoutRun(stack?: string): RunMark[] {
  return marks().filter((mark) => (stack === undefined || mark.stack === stack) && !lives(mark) && testsGoOn(mark));
}

/** Marks of runs that were killed before they could clean up. */
export function deadRuns(stack?: string): RunMark[] {
  return marks().filter((mark) => (stack === undefined || mark.stack === stack) && !lives(mark) && !testsGoOn(mark));
}

/**
 * Those of them that had a stack for themselves: what they had begun is half done. Tests only used theirs, which stays
 * up.
 */
export function cutOffRuns(stack?: string): RunMark[] {
  return deadRuns(stack).filter(({ exclusive }) => exclusive);
}

/** Tells who runs, for a thing that must be known for one's own after a kill. */
export function processMark(pid = process.pid): string {
  return [hostname(), pid, startOf(pid)].join(" ");
}

/** Whether what `processMark` told of is over. Nobody can tell that of another host, or of words that are no mark. */
export function isOver(mark: string): boolean {
  const [host = "", pid = "", started = ""] = mark.split(" ");
  return /^\d+$/.test(pid) && !lives({ host, pid: Number(pid), started });
}

/** The file of a mark. */
export function markFile({ stack, pid }: Pick<RunMark, "stack" | "pid">): string {
  return join(RUN_FOLDER, `run-${shorten(stack)}-${pid}.json`);
}

/** Forgets the killed runs of a stack, once what they left is dealt with. */
export function forgetDeadRuns(stack: string): void {
  for (const mark of deadRuns(stack)) rmSync(markFile(mark), { force: true });
}

function begin({
  stack,
  command,
  phase,
  exclusive,
}: Pick<RunMark, "stack" | "command" | "phase" | "exclusive">): OwnMark {
  const mark: RunMark = {
    stack,
    pid: process.pid,
    started: startOf(process.pid),
    host: hostname(),
    command,
    phase,
    since: new Date().toISOString(),
    exclusive,
  };
  const file = markFile(mark);
  // Whole, or a run that looks at that moment takes this one for one that says nothing of itself.
  const write = () => {
    writeWhole(file, JSON.stringify(mark), 0o600);
  };
  // Written before the look at the others: of two that start at once, at least one sees the other.
  write();
  const [other] = runsOf(stack)
    .filter((run) => run.pid !== process.pid && (run.exclusive || exclusive))
    .sort((a, b) => a.since.localeCompare(b.since));
  if (other) {
    rmSync(file, { force: true });
    throw locked(other);
  }
  return {
    tests: (pid) => {
      if (pid === undefined) delete mark.tests;
      else mark.tests = { pid, started: startOf(pid) };
      write();
    },
    phase: (name) => {
      Object.assign(mark, { phase: name, since: new Date().toISOString() });
      write();
    },
    end: () => {
      rmSync(file, { force: true });
    },
  };
}

function locked(other: RunMark): UserError {
  if (!lives(other)) {
    return new UserError("E_STACK_LOCKED", {
      seen: `npm run ${other.command} (pid ${other.pid}) was killed, and its tests (pid ${other.tests!.pid}) go on with the stack ${other.stack}`,
      wanted: "one run of a stack at a time",
      next: `wait for them, or end them: kill -TERM -- -${other.tests!.pid}`,
    });
  }
  return new UserError("E_STACK_LOCKED", {
    seen: `npm run ${other.command} (pid ${other.pid}${other.host === hostname() ? "" : ` on ${other.host}`}) has the stack ${other.stack}; it is at ${other.phase} since ${other.since}`,
    wanted: "one run of a stack at a time",
    next:
      other.host === hostname()
        ? `wait for it, or end it: kill -INT ${other.pid}`
        : `wait for it, or if that host is gone: rm ${markFile(other)}`,
  });
}

function marks(): RunMark[] {
  if (!existsSync(RUN_FOLDER)) return [];
  return readdirSync(RUN_FOLDER)
    .filter((name) => /^run-.*-\d+\.json$/.test(name))
    .flatMap((name) => {
      const text = readIfThere(join(RUN_FOLDER, name));
      const [, stack = "", pid = ""] = /^run-(.*)-(\d+)\.json$/.exec(name) ?? [];
      // A machine that lost power can leave an empty file: the name tells enough.
      return text === "" && !existsSync(join(RUN_FOLDER, name))
        ? []
        : [
            {
              pid: Number(pid),
              started: "",
              host: hostname(),
              command: "",
              phase: "",
              since: "",
              exclusive: true,
              stack,
              ...parsed(text),
            },
          ];
    });
}

function parsed(text: string): Partial<RunMark> {
  try {
    return JSON.parse(text) as Partial<RunMark>;
  } catch {
    return {};
  }
}

/**
 * Whether tests that only use a stack outlived their run; those of a run that had the stack for itself are ended by the
 * next.
 */
function testsGoOn({ tests, host, exclusive }: RunMark): boolean {
  return !exclusive && tests !== undefined && host === hostname() && lives({ ...tests, host });
}

/** A run on another host cannot be proven dead from here. */
function lives({ pid, started, host }: Pick<RunMark, "pid" | "started" | "host">): boolean {
  return host !== hostname() || (isAlive(pid) && (started === "" || started === startOf(pid)));
}
