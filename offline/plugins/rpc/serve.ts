/** A resource plugin's process: the gRPC server, its announcement to the engine, and its end. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { Engine } from "./engine";
import { bind, endWithParent } from "./process";
import { implement, type ProviderHandlers } from "./service";

export interface Plugin {
  /** Version that the engine is told, without a leading `v`; must equal the one that the SDK asks for. */
  version: string;
  handlers: ProviderHandlers;
}

/**
 * Runs the plugin until the engine ends it. The engine starts a plugin with its own address as the last argument and
 * reads the port from the first line of standard output; without an address the plugin can be attached to later
 * (`PULUMI_DEBUG_PROVIDERS`).
 */
export async function servePlugin(plugin: Plugin, argv: readonly string[] = process.argv.slice(2)): Promise<void> {
  let engine = new Engine(argv.filter((word) => !word.startsWith("-")).at(-1));
  const stop = new AbortController();
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(
    ResourceProviderService,
    implement(plugin.version, plugin.handlers, {
      engine: () => engine,
      attach: (address) => {
        engine.close();
        engine = new Engine(address);
      },
      stop,
    }),
  );
  const port = await bind(server, ServerCredentials.createInsecure());
  endWithParent(stop);
  process.stdout.write(`${port}\n`);
}
