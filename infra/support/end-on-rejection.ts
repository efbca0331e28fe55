import * as pulumi from "@pulumi/pulumi";

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

/**
 * The same for outputs: Pulumi's SDK holds their rejections back until the program has run out, so that one which never does says
 * nothing at all. The error is reported here once the grace is over.
 * @param grace milliseconds in which the program may end by itself, with the SDK's own report; default 10 000
 */
export function endOnRejectedOutputs(outputs: Readonly<Record<string, unknown>>, grace = 10_000): void {
  const promises = Object.values(outputs).filter((value) => pulumi.Output.isInstance(value)).map((output) => (output as unknown as { promise(): Promise<unknown> }).promise());
  Promise.all(promises).catch((error: unknown) => {
    setTimeout(() => {
      const { message, stack } = error as Error & { __pulumiRunError?: boolean };
      const told = pulumi.log.error((error as { __pulumiRunError?: boolean }).__pulumiRunError ? message : stack ?? String(error));
      void Promise.race([told, new Promise((resolve) => { setTimeout(resolve, 2_000); })]).finally(() => { process.exit(ALREADY_REPORTED); });
    }, grace).unref();
  });
}
