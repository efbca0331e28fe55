/** `pulumi-language-nodejs`: runs Node.js programs for the Pulumi engine, where the official host cannot be had. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import { bind, endWithParent } from "../plugins/rpc/process";
import { Children } from "./children";
import { implement } from "./service";

async function main(): Promise<void> {
  const stop = new AbortController();
  const children = new Children();
  stop.signal.addEventListener("abort", () => {
    children.killAll();
  });
  const engine =
    process.argv
      .slice(2)
      .filter((word) => !word.startsWith("-"))
      .at(-1) ?? "";
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(LanguageRuntimeService, implement({ engine, children }));
  const port = await bind(server, ServerCredentials.createInsecure());
  endWithParent(stop);
  // The engine reads the port from the first line; what follows on standard output is the program's.
  process.stdout.write(`${port}\n`);
}

void main();
