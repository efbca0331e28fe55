/** With this code Pulumi's SDK says: the program failed, and the user has been told why. */
const ALREADY_REPORTED = 32;

/**
 * Ends the program when a promise was rejected and nobody handled it, such as one inside an `apply`. Pulumi's SDK reports
 * the error and then lets the program run out, which it never does while something waits: a connection, a process, a timer.
 * @param grace milliseconds for the report to reach the engine, and for what is being made to be recorded; default 10 000
 */
export function endOnRejection(grace = 10_000): void {
  const end = () => {
    setTimeout(() => {
      process.stderr.write(`The program was still waiting ${grace / 1000} s after an error that nothing handled, which is reported above; it was ended.\n`);
      process.exit(ALREADY_REPORTED);
    }, grace).unref();
  };
  process.once("unhandledRejection", end).once("uncaughtException", end);
}
