import type { CheckSpec } from "../check";
import { fail, ok } from "../check";

/**
 * The stack's configuration file. Not in the preflight: Pulumi knows values that no file has, and reads them at once.
 */
export const configuration: CheckSpec<{ problem?: string; stack: string }> = {
  name: "configuration",
  cost: "cheap",
  probe: ({ configProblem, stack }) =>
    Promise.resolve({ stack, ...(configProblem === undefined ? {} : { problem: configProblem }) }),
  judge: ({ problem, stack }) =>
    problem === undefined
      ? ok(`stacks/Pulumi.${stack}.yaml`, "keys of Pulumi.yaml")
      : fail(problem, "keys of Pulumi.yaml", `pulumi config --stack ${stack}`),
};
