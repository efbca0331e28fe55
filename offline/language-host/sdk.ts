/** Where a program's own copy of the Pulumi SDK is. */
import { createRequire } from "node:module";
import { join } from "node:path";

/**
 * The file of a module of `@pulumi/pulumi` as the program in `directory` would load it.
 * @throws Error that tells the user to install the dependencies.
 */
export function sdkModule(name: string, directory: string): string {
  // PULUMI_LANGUAGE_NODEJS_RUN_PATH and the like are not honoured: they serve the SDK's own tests.
  try {
    return createRequire(join(directory, "package.json")).resolve(`@pulumi/pulumi/${name}`);
  } catch (error) {
    throw new Error(
      `The Pulumi SDK is not installed for the program in ${directory}: @pulumi/pulumi/${name} is not found. Run npm install.`,
      { cause: error },
    );
  }
}
