/**
 * `pulumi-resource-pulumi-nodejs`: the provider of dynamic resources, whose code is part of the program. It must run in
 * the program's own copy of the SDK, so this only finds and starts it; the engine starts it in the program's folder.
 */
import { sdkModule } from "./sdk";

// eslint-disable-next-line @typescript-eslint/no-require-imports -- the path is known at run time only, and a child process would cost another start
require(sdkModule("cmd/dynamic-provider", process.cwd()));
