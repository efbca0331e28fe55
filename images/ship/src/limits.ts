/**
 * Every limit of Ship, in bytes where nothing else is said; each is told by the name beside it in the answer that it
 * cuts or refuses.
 */
export const LIMITS = {
  /**
   * A cell's output, and each stream of a command: its beginning and its end are kept, the rest is counted.
   * `output_limit_exceeded`
   */
  output: 8 * 1024 * 1024,
  /** All images of a cell, base64: further ones are dropped. `output_limit_exceeded` */
  images: 16 * 1024 * 1024,
  /**
   * One line from the interpreter: all images, and the longest traceback with what JSON's quoting adds. A longer one is
   * dropped.
   */
  result: 32 * 1024 * 1024,
  /** What an interpreter that does not start says of it. */
  startComplaint: 4 * 1024,
  /** A file that is read or edited as text. `file_too_large` */
  text: 64 * 1024 * 1024,
  /** A JSON body: a text of the largest file, and what JSON's quoting adds. `body_too_large` */
  json: 80 * 1024 * 1024,
  /** The JSON body of code or a command: what Bay takes, as JSON may quote it. `body_too_large` */
  code: 52 * 1024 * 1024,
  /** Any other JSON body, and what of a body is not one long text. `body_too_large` */
  body: 1024 * 1024,
  /** Levels of lists and objects in a JSON body, and values and keys. */
  jsonDepth: 32,
  jsonValues: 20_000,
  /** Terminals at once, and commands in the background. */
  terminals: 32,
  background: 256,
  /**
   * Processes in the sandbox. `process_limit_exceeded`. Fewer than the kubelet's limit of pids, at which Ship could
   * start nothing to help.
   */
  processes: 800,
  /**
   * One message to a terminal, which ends with code 1009; and what of its output may wait for a slow reader before the
   * program waits.
   */
  terminal: 1024 * 1024,
  /** Why a terminal could not be made, as Python says it. */
  terminalComplaint: 64 * 1024,
} as const;

/** What an answer says that was cut. */
export const outputCut = (dropped: number, limit: number, what = "bytes of output"): string =>
  `output_limit_exceeded: ${dropped} more ${what} were dropped, the limit is ${limit} bytes`;
