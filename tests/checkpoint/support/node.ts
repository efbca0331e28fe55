import { randomUUID } from "node:crypto";
import { execa, type ExecaReturnValue } from "execa";
import type { StackOutputs } from "../../../infra/outputs";
import { lacks } from "../../support/lacking";
import type { Scope } from "../../support/scope";
import type { Pods } from "./pods";
import type { Make, Pod } from "./workloads";

/** Milliseconds for one command on a node. */
const COMMAND = 60_000;

/** How the node's tool ended. */
export interface Answer {
  exitCode: number;
  /** What stood on stdout, or nothing. */
  value?: Record<string, unknown>;
  /** What stood on stderr, or nothing. */
  failure?: { code: string; message: string; criu: string[] };
}

/** Runs a program of this host. */
export async function commandOnHost(
  program: string,
  words: readonly string[],
): Promise<{ missing: boolean; exitCode: number; stdout: string; stderr: string }> {
  // execa's types leave out the code of a program that could not be started.
  const { code, exitCode, stdout, stderr }: ExecaReturnValue & { code?: string } = await execa(program, words, {
    reject: false,
    timeout: COMMAND,
    stdin: "ignore",
  });
  return { missing: code === "ENOENT", exitCode: exitCode ?? 128, stdout: stdout ?? "", stderr: stderr ?? "" };
}

/** The container of this host that is a stack's first node; nothing where its nodes are somebody else's. */
export function nodeContainer(outputs: StackOutputs | undefined): string | undefined {
  if (!outputs || (outputs.backend !== "k3s" && outputs.backend !== "kind")) return undefined;
  return outputs.backend === "kind" ? `${outputs.cluster.name}-control-plane` : outputs.cluster.name;
}

/**
 * A node of the stack under test, as a container of this host: for tests of its own program, and for breaking things
 * there.
 */
export class Node {
  private constructor(
    readonly container: string,
    readonly pods: Pods,
    readonly image: string,
    readonly runtimeClass: string,
  ) {}

  /** Ends the test as a named skip where no node is within reach. */
  static of(outputs: StackOutputs | undefined, pods: Pods, image: string): Node {
    const container = nodeContainer(outputs) ?? lacks("a node that is a container of this host");
    const runtimeClass = outputs!.checkpointRuntimeClass;
    return new Node(
      container,
      pods,
      image,
      runtimeClass === "" ? lacks("a RuntimeClass for checkpoints") : runtimeClass,
    );
  }

  /** Runs a command on the node. @throws Error unless it ends well */
  async run(...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await execa("docker", ["exec", this.container, ...argv], {
      reject: false,
      timeout: COMMAND,
      stdin: "ignore",
    });
    if (exitCode !== 0) throw new Error(`${argv.slice(0, 6).join(" ")}: ${stderr || stdout}`);
    return stdout;
  }

  /** Calls the node's tool. */
  async runcCr(...words: string[]): Promise<Answer> {
    const { exitCode, stdout, stderr } = await execa("docker", ["exec", this.container, "runc-cr", ...words], {
      reject: false,
      timeout: COMMAND,
      stdin: "ignore",
    });
    const parsed = <T>(text: string) => (text.trim() === "" ? undefined : (JSON.parse(text) as T));
    const [value, failure] = [parsed<Record<string, unknown>>(stdout), parsed<NonNullable<Answer["failure"]>>(stderr)];
    return { exitCode, ...(value ? { value } : {}), ...(failure ? { failure } : {}) };
  }

  /** Ids of the checkpoints on the node. */
  async stored(): Promise<string[]> {
    const { value } = await this.runcCr("list");
    return (value as { checkpoints: { id: string }[] }).checkpoints.map(({ id }) => id);
  }

  /** Makes a pod of the runtime's class, which the scope removes. */
  make(scope: Scope, pod: Pod | Make): Promise<Pod> {
    return this.pods.make(scope, typeof pod === "function" ? pod(this.image, this.runtimeClass) : pod);
  }

  async containerOf(pod: Pod): Promise<string> {
    return (await this.pods.state(pod)).status!.containerStatuses![0]!.containerID!.replace("containerd://", "");
  }

  /** Dumps a pod's container; the scope removes the checkpoint. */
  async dump(scope: Scope, pod: Pod, ...more: string[]): Promise<Answer & { id: string }> {
    const id = randomUUID();
    scope.add(`checkpoint ${id}`, () => this.runcCr("remove", id));
    return { id, ...(await this.runcCr("dump", "--container", await this.containerOf(pod), "--id", id, ...more)) };
  }

  /** Dumps what must be possible to dump. */
  async checkpoint(scope: Scope, pod: Pod): Promise<{ id: string; manifest: Record<string, unknown> }> {
    const { id, value, failure } = await this.dump(scope, pod);
    if (!value) throw new Error(`dump of ${pod.metadata.name}: ${JSON.stringify(failure)}`);
    return { id, manifest: value };
  }
}
