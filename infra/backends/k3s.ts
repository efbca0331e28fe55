import * as docker from "@pulumi/docker";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { randomBytes } from "node:crypto";
import type { Settings } from "../config";
import { clusterName, dockerLabelsOf, LABELS, type Owner } from "../naming";
import type { ClusterOutput } from "../outputs";
import { execIn, inspectContainer, recreateVolume } from "../support/docker";
import { inspectNow } from "../support/docker-inspect";
import { UserError } from "../support/errors";
import { record } from "../support/facts";
import { freePort, requirePort } from "../support/ports";
import { type Look, waitFor } from "../support/wait";
import { type Backend, type BackendArgs, type Cluster, POD_PIDS_LIMIT } from "./backend";
import { nameTaken, nodeName, requireFreeNames, volumeName } from "./docker-names";
import { requireRunning, startIfStopped, type NodeContainer } from "./node-containers";
import { nodeImage } from "./node-image";
import { loadInto } from "./node-images";
import { clusterReady } from "./ready";

const API_PORT = 6443;
const KUBECONFIG = "/etc/rancher/k3s/k3s.yaml";

/**
 * A k3s server in one privileged container, and agents beside it where the configuration wants some: the containers are
 * the cluster.
 */
export const k3s: Backend = {
  name: "k3s",

  declare(args: BackendArgs, parent: pulumi.Resource): Cluster {
    requireFreeNames(args.settings, args.owner);
    const name = args.settings.clusterName || clusterName(args.owner);
    const { server, agents } = declareNodes(name, args, parent);
    const nodes = pulumi
      .all([server, ...agents].map((container) => container.id))
      .apply((ids) => ids.map((id, index) => ({ container: id, name: nodeName(name, index) })));
    const running = nodes.apply((containers) => ready(containers, name, args.settings));
    const kubeconfig = pulumi.secret(running.apply((state) => state.kubeconfig));
    const provider = new k8s.Provider(
      "cluster",
      {
        kubeconfig,
        clusterIdentifier: name,
        deleteUnreachable: true,
      },
      { parent, deletedWith: server },
    );
    return {
      provider,
      kubeconfig,
      owns: server,
      facts: running.apply((state) => state.facts),
      load: (images) =>
        loadInto(
          nodes.apply((containers) => containers.map(({ container }) => container)),
          images,
          args.settings.readyTimeout,
        ),
    };
  },
};

// --- declare ---------------------------------------------------------------------------------------------

/**
 * The kubelet's options on each node: a host with cgroup v1 will do, and a pod has a limit of processes and threads.
 */
const KUBELET = ["--kubelet-arg=fail-cgroupv1=false", `--kubelet-arg=pod-max-pids=${POD_PIDS_LIMIT}`];
/**
 * Binding a volume takes the controllers four calls, and by default they make 20 in a second: 20 sandboxes at once
 * would wait 4 s for that alone.
 */
const BINDING = ["--kube-controller-manager-arg=kube-api-qps=100", "--kube-controller-manager-arg=kube-api-burst=200"];

function declareNodes(
  name: string,
  args: BackendArgs,
  parent: pulumi.Resource,
): { server: docker.Container; agents: docker.Container[] } {
  const { settings } = args;
  const image = nodeImage("k3s", settings.k3sImage, args, parent);
  const port =
    settings.k3sApiPort === 0 ? pulumi.output(freePort()) : pulumi.output(choosePort(settings.k3sApiPort, name));
  const join = settings.k3sAgents > 0 ? declareJoin(name, args, parent) : undefined;
  const server = declareNode(
    {
      ...args,
      name,
      image,
      index: 0,
      join,
      ports: [{ internal: API_PORT, external: port, ip: "127.0.0.1" }],
      keepPort: settings.k3sApiPort === 0,
      command: [
        "server",
        `--node-name=${name}`,
        "--tls-san=127.0.0.1",
        "--disable=traefik,servicelb,metrics-server",
        ...KUBELET,
        ...BINDING,
      ],
    },
    parent,
  );
  const agents = Array.from({ length: settings.k3sAgents }, (_, number) =>
    declareNode(
      {
        ...args,
        name,
        image,
        index: number + 1,
        join,
        command: [
          "agent",
          `--node-name=${nodeName(name, number + 1)}`,
          `--server=https://${name}:${API_PORT}`,
          ...KUBELET,
        ],
      },
      parent,
      [server],
    ),
  );
  return { server, agents };
}

/**
 * What agents need to find the server and to be let in: a network in which names resolve, and a token that is made
 * once.
 */
function declareJoin(name: string, { owner }: BackendArgs, parent: pulumi.Resource): Join {
  const network = new docker.Network(
    "network",
    { name, labels: dockerLabels(owner) },
    { parent, deleteBeforeReplace: true },
  );
  return { network: network.name, token: pulumi.secret(randomBytes(24).toString("hex")) };
}

interface Join {
  network: pulumi.Output<string>;
  token: pulumi.Output<string>;
}

/** What of a node outlives its container, and where it is in it. */
const DATA = [
  ["k3s", "/var/lib/rancher/k3s"],
  ["kubelet", "/var/lib/kubelet"],
] as const;

interface NodeArgs extends BackendArgs {
  /** Name of the cluster. */
  name: string;
  image: pulumi.Input<string>;
  /** 0 is the server. */
  index: number;
  command: string[];
  join: Join | undefined;
  ports?: docker.types.input.ContainerPort[];
  /** The port was chosen at the first `up` and stays. */
  keepPort?: boolean;
}

function declareNode(args: NodeArgs, parent: pulumi.Resource, dependsOn: pulumi.Resource[] = []): docker.Container {
  const { owner, index, join, image } = args;
  const name = nodeName(args.name, index);
  const suffix = index === 0 ? "" : `-agent-${index}`;
  const volumes = DATA.map(([purpose, containerPath]) => {
    const volume = new docker.Volume(
      `${purpose}${suffix}`,
      { name: volumeName(name, purpose), labels: dockerLabels(owner) },
      { parent, deleteBeforeReplace: true },
    );
    return { containerPath, volumeName: volume.name.apply((made) => emptyForNewNode(made, name, owner)) };
  });
  // What is random is made at every run of the program, and only the first counts.
  const ignoreChanges = [...(args.keepPort ? ["ports"] : []), ...(join ? ["envs"] : [])];
  return new docker.Container(
    `node${suffix}`,
    {
      name,
      hostname: name,
      image,
      labels: dockerLabels(owner),
      volumes,
      command: args.command,
      privileged: true,
      cgroupnsMode: "private",
      mustRun: true,
      restart: "no",
      // The image declares these as volumes; anonymous ones would stay behind when the container is lost.
      tmpfs: { "/run": "", "/tmp": "", "/var/lib/cni": "", "/var/log": "" },
      ...(args.ports ? { ports: args.ports } : {}),
      ...(join
        ? { networksAdvanced: [{ name: join.network }], envs: [pulumi.interpolate`K3S_TOKEN=${join.token}`] }
        : {}),
      destroyGraceSeconds: 1,
    },
    { parent, deleteBeforeReplace: true, dependsOn, ignoreChanges },
  );
}

function dockerLabels(owner: Owner): { label: string; value: string }[] {
  return Object.entries(dockerLabelsOf(owner)).map(([label, value]) => ({ label, value }));
}

/**
 * A node that was lost leaves its volumes, and a refresh forgets all that was in its cluster. A new node on the old
 * data would find the objects there and not own them: it starts on empty volumes instead. Docker answers the making of
 * a volume that is there already as if it had made it, so the label is looked at before anything is emptied.
 */
export async function emptyForNewNode(volume: string, container: string, owner: Owner): Promise<string> {
  if (pulumi.runtime.isDryRun() || (await inspectContainer(container))) return volume;
  const [found] = inspectNow("volume", [volume]);
  if (found && found.Labels?.[LABELS.owner] !== owner.id) {
    throw nameTaken(
      [
        {
          kind: "volume",
          name: volume,
          about: "which carries no label of this stack",
          show: `docker volume inspect ${volume}`,
        },
      ],
      owner.stack,
    );
  }
  await recreateVolume(volume, dockerLabelsOf(owner));
  return volume;
}

/** A port that the node itself holds is no conflict. */
async function choosePort(port: number, name: string): Promise<number> {
  const held = await inspectContainer(name);
  return held?.ports[`${API_PORT}/tcp`] === port ? port : requirePort(port, "k3sApiPort");
}

// --- ready -----------------------------------------------------------------------------------------------

async function ready(
  nodes: NodeContainer[],
  name: string,
  settings: Settings,
): Promise<{ kubeconfig: string; facts: ClusterOutput }> {
  const start = Date.now();
  const [server] = nodes as [NodeContainer, ...NodeContainer[]];
  const alive = async () => {
    await Promise.all(nodes.map(requireRunning));
  };
  await Promise.all(nodes.map(startIfStopped));
  // Asked together, as a cluster that is up should cost an `up` next to nothing.
  const [state, inside] = await Promise.all([
    requireRunning(server),
    waitFor(
      () => readKubeconfig(server),
      { deadline: settings.readyTimeout * 1000 },
      (reason, seconds) =>
        new UserError("E_CLUSTER_NOT_READY", {
          seen: `${name} after ${seconds} s: ${reason}`,
          wanted: `a kubeconfig at ${KUBECONFIG} in the node`,
          next: `docker logs ${name}`,
        }),
    ),
  ]);
  const kubeconfig = inside.replace(
    /server: https:\/\/[^\s]+/,
    `server: https://127.0.0.1:${state.ports[`${API_PORT}/tcp`]}`,
  );
  const facts = await clusterReady(kubeconfig, {
    name,
    nodes: nodes.length,
    timeout: settings.readyTimeout,
    alive,
    next: `docker logs ${name}`,
  });
  record({ clusterReadyMs: Date.now() - start });
  return { kubeconfig, facts };
}

async function readKubeconfig(server: NodeContainer): Promise<Look<string>> {
  const file = await execIn(server.container, ["cat", KUBECONFIG]);
  if (file.exitCode === 0 && file.stdout.includes("client-key-data")) return { value: file.stdout };
  await requireRunning(server);
  return { reason: file.stderr || "the kubeconfig is not whole yet" };
}
