import { inspect, type InspectOptions } from "node:util";

/** With this exit code the program says to Pulumi: it failed, and the user has been told why. */
const ALREADY_REPORTED = 32;

/**
 * Ends the program after an error that nothing handled, such as a rejection inside an `apply`. Pulumi's SDK reports the
 * error and then waits until the event loop is empty, which it never is while a connection, a process or a timer is
 * open.
 * @param grace milliseconds for the report to reach the engine, and for what is being made to be recorded; default 10
 *   000
 */
export function endOnRejection(grace = 10_000): void {
  inspectErrorsWithoutColors();
  const end = () => {
    setTimeout(() => {
      process.stderr.write(
        `The program was still waiting ${grace / 1000} s after an error that nothing handled, which is reported above; it was ended.\n`,
      );
      process.exit(ALREADY_REPORTED);
    }, grace).unref();
  };
  process.once("unhandledRejection", end).once("uncaughtException", end);
}

/**
 * Makes `util.inspect` leave colors out of errors in this process. Pulumi's SDK reports an unhandled error by
 * `inspect(error, { colors: true })`, and many releases of Node.js never return from that call: their search for
 * `node_modules` in a stack frame loops where no folder follows the package's name (nodejs/node#64011). The SDK's
 * source maps give each frame of an `apply` such a path, `node_modules/@pulumi/output.ts`. Without colors, Node.js does
 * not search.
 */
function inspectErrorsWithoutColors(): void {
  Object.defineProperty(Error.prototype, inspect.custom, {
    configurable: true,
    writable: true,
    enumerable: false,
    value(this: Error, _depth: number, options: InspectOptions) {
      return inspect(this, { ...options, colors: false, customInspect: false });
    },
  });
}
