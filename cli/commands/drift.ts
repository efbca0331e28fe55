import { UserError } from "../../infra/support/errors";
import { describeDrift } from "../stack/drift";
import { onInterrupt } from "../interrupt";
import { phase } from "../progress";
import { prepare } from "../session";
import { findDrift, openStack, stackExists } from "../stack/stack";

/** Exit code where something is not as the stack has it, so that a script can tell that from a failure. */
const DRIFTED = 3;

/** Compares a stack's state with what is really there, and changes neither. @throws UserError E_STACK_NOT_UP */
export async function driftCommand({ stack }: { stack: string }): Promise<number> {
  const interrupt = onInterrupt("cancelling; nothing is changed", () => "Left at once. Nothing was changed.");
  await prepare();
  if (!(await stackExists(stack)))
    throw new UserError("E_STACK_NOT_UP", {
      seen: `no state of ${stack}`,
      wanted: "a stack that is up",
      next: `npm run up -- --stack ${stack}`,
    });
  const found = await phase(`Stack ${stack}: drift`, async (tell) =>
    findDrift(await openStack(stack), { tell, signal: interrupt.signal }),
  );
  interrupt.release();
  if (found.length === 0) {
    process.stdout.write(`Stack ${stack} is as it was made.\n`);
    return 0;
  }
  process.stdout.write(
    `${describeDrift(found)}\n\n${found.length} of stack ${stack} ${found.length === 1 ? "is" : "are"} not as it was made. Put right: npm run up -- --stack ${stack} --refresh\n`,
  );
  return DRIFTED;
}
