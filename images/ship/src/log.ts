// A log that cannot be written must not become an error that is logged.
process.stdout.on("error", () => undefined);

/** One line of structured log. */
export function log(level: "info" | "error", msg: string, fields: Record<string, unknown> = {}): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields })}\n`);
}
