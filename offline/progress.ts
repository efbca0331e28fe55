/** Plain lines about long work, on standard error: what is done, which of how many, seconds so far. */
export interface Progress {
  /** A line of its own. */
  say: (text: string) => void;
  /** Runs work under a title; says so at least every 15 s and at the end. Its time goes into `ms` under `name`. */
  step: <T>(name: string, title: string, work: () => Promise<T>) => Promise<T>;
  /** How many steps there will be. */
  expect: (count: number) => void;
  /** Milliseconds of each step. */
  ms: Record<string, number>;
}

const HEARTBEAT_MS = 15_000;

/** @param write where a line goes; the default is standard error */
export function createProgress(
  write: (line: string) => void = (line) => {
    process.stderr.write(`${line}\n`);
  },
): Progress {
  const ms: Record<string, number> = {};
  let expected = 0;
  let begun = 0;
  return {
    ms,
    say: write,
    expect(count) {
      expected = count;
    },
    async step(name, title, work) {
      begun += 1;
      const place = `[${begun}/${Math.max(expected, begun)}] ${title}`;
      const start = Date.now();
      const seconds = () => `${((Date.now() - start) / 1000).toFixed(0)} s`;
      write(place);
      const heartbeat = setInterval(() => {
        write(`${place}: ${seconds()} so far`);
      }, HEARTBEAT_MS);
      try {
        const result = await work();
        write(`${place}: done in ${seconds()}`);
        return result;
      } finally {
        clearInterval(heartbeat);
        ms[name] = Date.now() - start;
      }
    },
  };
}
