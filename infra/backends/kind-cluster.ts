import * as pulumi from "@pulumi/pulumi";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";

/** A kind cluster as the kind CLI makes it. */
export interface KindClusterArgs {
  name: pulumi.Input<string>;
  /** Node image. */
  image: pulumi.Input<string>;
  /** kind's own configuration, as YAML. */
  config: pulumi.Input<string>;
  /** File that kind writes its kubeconfig to; it goes with the cluster. */
  kubeconfigFile: pulumi.Input<string>;
  /** Docker network of the nodes, which exists already. */
  network: pulumi.Input<string>;
}

type Inputs = pulumi.Unwrap<KindClusterArgs>;
/** `nodes` is missing in states that were written before it was recorded, or while Docker could not be asked. */
type Outputs = Inputs & { kubeconfig: string; nodes?: string[] };

/**
 * A cluster by the kind CLI as a resource: made at the first `up`, deleted at the `destroy`, missed by a
 * `refresh` when its containers are gone. Every change replaces it, as kind cannot change a cluster.
 */
export class KindCluster extends pulumi.dynamic.Resource {
  /** Kubeconfig (YAML) that reaches the cluster from this host. Secret. */
  declare readonly kubeconfig: pulumi.Output<string>;
  /** Ids of the containers that kind made for it. */
  declare readonly nodes: pulumi.Output<string[]>;

  constructor(name: string, args: KindClusterArgs, options: pulumi.CustomResourceOptions = {}) {
    super(
      provider,
      name,
      { ...args, kubeconfig: undefined, nodes: undefined },
      { ...options, deleteBeforeReplace: true, additionalSecretOutputs: ["kubeconfig"] },
      "bay-e2e",
      "KindCluster",
    );
  }
}

// --- provider --------------------------------------------------------------------------------------------
// Pulumi writes the text of these functions into the stack's state, so that a destroy needs no program. They
// call nothing but Node itself and each other.

const provider: pulumi.dynamic.ResourceProvider<Inputs, Outputs> = {
  async create(inputs) {
    mkdirSync(dirname(inputs.kubeconfigFile), { recursive: true, mode: 0o700 });
    const { code, output } = await command(
      "kind",
      [
        "create",
        "cluster",
        "--name",
        inputs.name,
        "--image",
        inputs.image,
        "--config",
        "-",
        "--kubeconfig",
        inputs.kubeconfigFile,
      ],
      { input: inputs.config, network: inputs.network },
    );
    if (code !== 0) throw failure(inputs.name, code, output);
    return {
      id: inputs.name,
      outs: { ...inputs, kubeconfig: readFileSync(inputs.kubeconfigFile, "utf8"), nodes: await nodesIn(inputs) },
    };
  },

  async read(id, props) {
    // Where Docker cannot be asked, nothing is known to be gone.
    const nodes = props!.nodes ?? (await nodesIn(props!));
    const left = nodes && (await stillThere(nodes));
    return left !== undefined && left.length === 0 ? {} : { id, props: props! };
  },

  diff(_id, olds, news) {
    const replaces = (["name", "image", "config", "kubeconfigFile", "network"] as const).filter(
      (key) => olds[key] !== news[key],
    );
    return Promise.resolve({
      changes: replaces.length > 0 || olds.nodes === undefined,
      replaces,
      deleteBeforeReplace: true,
    });
  },

  async update(_id, olds, news) {
    return { outs: { ...news, kubeconfig: olds.kubeconfig, nodes: olds.nodes ?? (await nodesIn(news)) } };
  },

  async delete(id, props) {
    // By id, and not `kind delete cluster`, which removes every container that has the cluster's name in its label.
    const known = props.nodes ?? (await nodesIn(props));
    const nodes = known && (await stillThere(known));
    if (nodes === undefined)
      throw new Error(`Docker does not say whether the nodes of kind cluster ${id} are there: docker ps --all`);
    if (nodes.length > 0) {
      const { code, output } = await command("docker", ["rm", "--force", "--volumes", ...nodes], {});
      if (code !== 0)
        throw new Error(`docker rm of the nodes of kind cluster ${id} ended with exit code ${code}:\n${output}`);
    }
    for (const file of [props.kubeconfigFile, `${props.kubeconfigFile}.lock`]) rmSync(file, { force: true });
  },
};

/**
 * Ids of the containers that kind made in the stack's own network; undefined where Docker cannot be asked.
 * infra/support/docker-inspect.ts has the same rule and its reasons (isNodeOf); this text must stand alone.
 */
export async function nodesIn({ name, network }: Pick<Inputs, "name" | "network">): Promise<string[] | undefined> {
  interface Node {
    Id: string;
    Created: string;
    HostConfig: { NetworkMode: string };
    NetworkSettings: { Networks: Record<string, { NetworkID?: string }> | null };
  }
  const listed = await command(
    "docker",
    ["ps", "--all", "--quiet", "--no-trunc", "--filter", `label=io.x-k8s.kind.cluster=${name}`],
    {},
  );
  if (listed.code !== 0) return undefined;
  const ids = listed.output.split("\n").filter((line) => /^[0-9a-f]{64}$/.test(line));
  if (ids.length === 0) return [];
  const [made, nodes] = await Promise.all([
    command("docker", ["network", "inspect", network], {}),
    command("docker", ["container", "inspect", ...ids], {}),
  ]);
  if (made.code !== 0 && /network .* not found|no such network/i.test(made.output)) return [];
  if (made.code !== 0 || nodes.code !== 0) return undefined;
  const [own] = JSON.parse(made.output) as [{ Id: string; Created: string }];
  return (JSON.parse(nodes.output) as Node[])
    .filter((node) => {
      const attached = Object.values(node.NetworkSettings.Networks ?? {}).map(({ NetworkID = "" }) => NetworkID);
      return (
        [network, own.Id].includes(node.HostConfig.NetworkMode) &&
        attached.some((id) => id === own.Id || id === "") &&
        Date.parse(node.Created) >= Date.parse(own.Created)
      );
    })
    .map(({ Id }) => Id);
}

/** Those of some containers that exist; undefined where Docker cannot be asked. */
async function stillThere(ids: string[]): Promise<string[] | undefined> {
  const { code, output } = await command("docker", ["ps", "--all", "--quiet", "--no-trunc"], {});
  return code === 0 ? ids.filter((id) => output.includes(id)) : undefined;
}

/** What the runner shows as an error of its own: Pulumi hands on nothing but text. */
function failure(name: string, code: number, output: string): Error {
  const facts = (title: string, seen: string, wanted: string, next: string) => [
    title,
    `  seen:   ${seen}`,
    `  wanted: ${wanted}`,
    `  next:   ${next}`,
  ];
  const ended = `kind create cluster --name ${name} ended with exit code ${code}`;
  const lines = /spawn kind ENOENT/.test(output)
    ? facts(
        "E_TOOL_MISSING: A tool is missing and cannot be had",
        'no program "kind" on PATH',
        "the kind CLI",
        "npm run setup -- --backend kind   (or: https://kind.sigs.k8s.io/docs/user/quick-start)",
      )
    : /already exist for a cluster with the name/.test(output)
      ? facts(
          "E_CLUSTER_NAME_TAKEN: A cluster of that name exists and is not this stack's",
          ended,
          "a name that is free",
          `pulumi config set clusterName ANOTHER-NAME   (to look at it: kind get nodes --name ${name})`,
        )
      : facts("E_CLUSTER_CREATE: The cluster could not be made", ended, "exit code 0", "npm run doctor");
  return new Error(
    [
      ...lines,
      "",
      ...output
        .trim()
        .split("\n")
        .slice(-25)
        .map((line) => `        ${line}`),
    ].join("\n"),
  );
}

/** Runs a program to its end; a network other than kind's own is told to kind by its environment. */
function command(
  file: string,
  words: string[],
  { input, network }: { input?: string; network?: string },
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(file, words, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...(network ? { KIND_EXPERIMENTAL_DOCKER_NETWORK: network } : {}) },
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("error", (error) => {
      resolve({ code: 127, output: error.message });
    });
    child.on("close", (code) => {
      resolve({ code: code ?? 128, output });
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(input ?? "");
  });
}
