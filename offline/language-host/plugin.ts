/** Running a plugin that is a Node.js program itself (a component provider, a local package, a policy pack). */
import { resolve } from "node:path";
import { RunPluginResponse, type RunPluginRequest } from "@pulumi/pulumi/proto/language_pb";
import { ended } from "./children";
import { readOptions } from "./options";
import { typescriptEnvironment, type Host } from "./run";
import { sdkModule } from "./sdk";

/** Runs the plugin, sending its output as it comes and its exit code at last. */
export async function runPlugin(
  request: RunPluginRequest,
  host: Host,
  send: (answer: RunPluginResponse) => void,
  cancelled: AbortSignal,
): Promise<void> {
  const info = request.getInfo();
  const directory = info?.getProgramDirectory() || resolve(request.getPwd(), request.getProgram());
  const options = readOptions(info?.getOptions());
  // The SDK's runner of policy packs takes the engine's address first, and expects to be in the pack's folder.
  const [words, cwd] =
    request.getKind() === "analyzer"
      ? [[sdkModule("cmd/run-policy-pack", directory), ...request.getArgsList(), directory], directory]
      : [[sdkModule("cmd/run-plugin", directory), directory, ...request.getArgsList()], request.getPwd() || directory];
  const child = host.children.start(process.execPath, [...options.nodeargs, ...words], {
    cwd,
    env: { ...process.env, ...environment(request.getEnvList()), ...typescriptEnvironment(options, info) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout?.on("data", (data: Buffer) => {
    send(new RunPluginResponse().setStdout(data));
  });
  child.stderr?.on("data", (data: Buffer) => {
    send(new RunPluginResponse().setStderr(data));
  });
  cancelled.addEventListener("abort", () => {
    child.kill("SIGKILL");
  });
  const exit = await ended(child);
  send(new RunPluginResponse().setExitcode("code" in exit ? exit.code : 1));
}

function environment(lines: readonly string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}
