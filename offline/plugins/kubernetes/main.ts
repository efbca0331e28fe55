/** Entry of the executable `pulumi-resource-kubernetes`. */
import { servePlugin } from "../rpc";
import { kubernetesHandlers } from "./provider";
import { PLUGIN_VERSION } from "./version";

servePlugin({ version: PLUGIN_VERSION, handlers: kubernetesHandlers() }).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
