/** The LanguageRuntime service for Node.js. */
import {
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import * as pb from "@pulumi/pulumi/proto/language_pb";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import {
  PackageDependency,
  PackageParameterization,
  PluginDependency,
  PluginInfo,
} from "@pulumi/pulumi/proto/plugin_pb";
import { version } from "@pulumi/pulumi/version";
import { notImplemented, toServiceError } from "../plugins/rpc/errors";
import { installDependencies } from "./install";
import { installedPackages, readManifest, packageRoot, requiredPlugins, type RequiredPlugin } from "./packages";
import { runPlugin } from "./plugin";
import { runProgram, type Host } from "./run";

/** The gRPC implementation; what is not in it (code generation, packing) answers UNIMPLEMENTED. */
export function implement(host: Host): UntypedServiceImplementation {
  const implemented = {
    handshake: unary(() => new pb.LanguageHandshakeResponse()),
    getPluginInfo: unary(() => new PluginInfo().setVersion(version)),
    getRequiredPlugins: unary((request: pb.GetRequiredPluginsRequest) =>
      new pb.GetRequiredPluginsResponse().setPluginsList(requiredPlugins(directoryOf(request)).map(pluginDependency)),
    ),
    getRequiredPackages: unary((request: pb.GetRequiredPackagesRequest) =>
      new pb.GetRequiredPackagesResponse().setPackagesList(
        requiredPlugins(directoryOf(request)).map(packageDependency),
      ),
    ),
    getProgramDependencies: unary((request: pb.GetProgramDependenciesRequest) =>
      new pb.GetProgramDependenciesResponse().setDependenciesList(
        programDependencies(directoryOf(request), request.getTransitivedependencies()),
      ),
    ),
    about: unary(() => new pb.AboutResponse().setExecutable(process.execPath).setVersion(process.version)),
    runtimeOptionsPrompts: unary(() => new pb.RuntimeOptionsResponse()),
    run: unary(async (request: pb.RunRequest, cancelled) => {
      const outcome = await runProgram(request, host, cancelled);
      return new pb.RunResponse()
        .setBail(outcome.kind === "reported")
        .setError(outcome.kind === "failed" ? outcome.message : "");
    }),
    cancel: unary(() => {
      host.children.killAll();
      return new Empty();
    }),
    installDependencies: streaming(
      (request: pb.InstallDependenciesRequest, send: (answer: pb.InstallDependenciesResponse) => void, cancelled) =>
        installDependencies(request, host, send, cancelled),
    ),
    runPlugin: streaming((request: pb.RunPluginRequest, send: (answer: pb.RunPluginResponse) => void, cancelled) =>
      runPlugin(request, host, send, cancelled),
    ),
  };
  const others = Object.keys(LanguageRuntimeService).filter((name) => !(name in implemented));
  return {
    ...implemented,
    ...Object.fromEntries(
      others.map((name) => [
        name,
        unary(() => {
          throw notImplemented(name);
        }),
      ]),
    ),
  };
}

function unary<Request, Answer>(handler: (request: Request, cancelled: AbortSignal) => Promise<Answer> | Answer) {
  return (call: ServerUnaryCall<Request, Answer>, callback: sendUnaryData<Answer>): void => {
    const answer = async (): Promise<Answer> => handler(call.request, cancellation(call));
    answer().then(
      (value) => {
        callback(null, value);
      },
      (error: unknown) => {
        callback(toServiceError(error));
      },
    );
  };
}

function streaming<Request, Answer>(
  handler: (request: Request, send: (answer: Answer) => void, cancelled: AbortSignal) => Promise<void>,
) {
  return (call: ServerWritableStream<Request, Answer>): void => {
    handler(
      call.request,
      (answer) => {
        call.write(answer);
      },
      cancellation(call),
    ).then(
      () => {
        call.end();
      },
      (error: unknown) => {
        call.emit("error", { code: status.UNKNOWN, ...toServiceError(error) });
      },
    );
  };
}

function cancellation(call: { on(event: "cancelled", listener: () => void): unknown }): AbortSignal {
  const controller = new AbortController();
  call.on("cancelled", () => {
    controller.abort();
  });
  return controller.signal;
}

function directoryOf(request: { getInfo(): pb.ProgramInfo | undefined; getPwd?(): string }): string {
  return request.getInfo()?.getProgramDirectory() || request.getPwd?.() || process.cwd();
}

function pluginDependency(plugin: RequiredPlugin): PluginDependency {
  return new PluginDependency()
    .setKind("resource")
    .setName(plugin.name)
    .setVersion(plugin.version)
    .setServer(plugin.server);
}

function packageDependency(plugin: RequiredPlugin): PackageDependency {
  const dependency = new PackageDependency()
    .setKind("resource")
    .setName(plugin.name)
    .setVersion(plugin.version)
    .setServer(plugin.server);
  if (!plugin.parameterization) return dependency;
  const { name, version: parameterVersion, value } = plugin.parameterization;
  return dependency.setParameterization(
    new PackageParameterization().setName(name).setVersion(parameterVersion).setValue(Buffer.from(value, "base64")),
  );
}

/** What `pulumi about` lists: the packages that the program's own manifest names, or all that are installed. */
function programDependencies(directory: string, transitive: boolean): pb.DependencyInfo[] {
  const manifest = readManifest(packageRoot(directory) ?? directory);
  const named = { ...manifest?.dependencies, ...manifest?.devDependencies };
  return installedPackages(directory)
    .filter(({ name }) => transitive || name in named)
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((found) => new pb.DependencyInfo().setName(found.name).setVersion(found.version));
}
