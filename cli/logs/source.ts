/** How much of a log, and until when. */
export interface LogOptions {
  /** Go on until the user ends it. */
  follow: boolean;
  /** Of each container the run before its last restart, in place of the present one. */
  previous: boolean;
  /** Only what is younger, in seconds. */
  since?: number;
  /** Lines of each source from its end. */
  tail: number;
}

/** Where log lines come from: a container of a pod, a node's container, a kubelet. */
export interface LogSource {
  /** What stands before each line when there are several sources. */
  name: string;
  /**
   * Hands over each line until the log ends or the signal fires.
   * @throws Error with the reason, in one line, why there is none
   */
  read(options: LogOptions, line: (text: string) => void, signal: AbortSignal): Promise<void>;
}

/** Cuts a stream of text into lines; a last line without an end comes when the stream ends. */
export class Lines {
  private rest = "";
  private readonly decoder = new TextDecoder();

  constructor(private readonly line: (text: string) => void) {}

  add(chunk: Uint8Array): void {
    const parts = (this.rest + this.decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    this.rest = parts.pop()!;
    parts.forEach(this.line);
  }

  end(): void {
    if (this.rest !== "") this.line(this.rest);
    this.rest = "";
  }
}

/**
 * Reads several sources. A log that is not followed comes source by source, so that each can be read; one that
 * is followed comes as it is written. A source without a log is told, and does not hide the others.
 * @returns how many sources had none
 */
export async function readAll(
  sources: readonly LogSource[],
  options: LogOptions,
  out: { line(text: string): void; problem(text: string): void },
  signal: AbortSignal,
): Promise<number> {
  const width = sources.length > 1 ? Math.max(...sources.map(({ name }) => name.length)) : 0;
  const mark = (name: string) => (width > 0 ? `${name.padEnd(width)} | ` : "");
  let failed = 0;
  const read = async (source: LogSource) => {
    await source
      .read(
        options,
        (text) => {
          out.line(`${mark(source.name)}${text}`);
        },
        signal,
      )
      .catch((error: unknown) => {
        if (signal.aborted) return;
        failed += 1;
        out.problem(`${source.name}: ${(error as Error).message}`);
      });
  };
  if (options.follow) await Promise.all(sources.map(read));
  else for (const source of sources) await read(source);
  return failed;
}
