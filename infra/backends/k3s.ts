import * as docker from "@pulumi/docker";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { substitute, type Settings } from "../config";
import { clusterName, dockerLabelsOf, PREFIX, shorten } from "../naming";
import type { ClusterOutput } from "../outputs";
import { execIn, inspectContainer, logsOf, recreateVolume, startContainer } from "../support/docker";
import { UserError } from "../support/errors";
import { record } from "../support/facts";
import { freePort, requirePort } from "../support/ports";
import { type Look, waitFor } from "../support/wait";
import type { Backend, BackendArgs, Cluster } from "./backend";
import { contentReference, loadIntoNode } from "./node-images";
import { clusterReady } from "./ready";

const API_PORT = 6443;
const KUBECONFIG = "/etc/rancher/k3s/k3s.yaml";

/** A k3s server in one privileged container: the container is the cluster, and goes with it. */
export const k3s: Backend = {
  name: "k3s",

  declare(args: BackendArgs, parent: pulumi.Resource): Cluster {
    const container = declareContainer(args, parent);
    const name = clusterName(args.owner);
    const running = container.id.apply((id) => ready(id, name, args.settings));
    const kubeconfig = pulumi.secret(running.apply((state) => state.kubeconfig));
    const provider = new k8s.Provider("cluster", {
      kubeconfig, clusterIdentifier: name, deleteUnreachable: true,
    }, { parent, deletedWith: container });
    return {
      provider, kubeconfig, owns: container,
      facts: running.apply((state) => state.facts),
      load: (images) => pulumi.all([container.id, images]).apply(async ([id, list]) => {
        if (pulumi.runtime.isDryRun()) return Object.fromEntries(list.map((image) => [image.name, contentReference(image)]));
        return loadIntoNode(id, list, { timeout: args.settings.readyTimeout });
      }),
    };
  },
};

// --- declare ---------------------------------------------------------------------------------------------

function declareContainer({ settings, owner }: BackendArgs, parent: pulumi.Resource): docker.Container {
  const name = clusterName(owner);
  const node = shorten(`${PREFIX}-${owner.stack}`);
  const labels = Object.entries(dockerLabelsOf(owner)).map(([label, value]) => ({ label, value }));
  const volumes = Object.entries({ k3s: "/var/lib/rancher/k3s", kubelet: "/var/lib/kubelet" }).map(([purpose, containerPath]) => {
    const volume = new docker.Volume(purpose, { name: `${name}-${purpose}`, labels }, { parent, deleteBeforeReplace: true });
    return { containerPath, volumeName: volume.name.apply((made) => emptyForNewNode(made, name, dockerLabelsOf(owner))) };
  });
  const port = settings.k3sApiPort === 0 ? pulumi.output(freePort()) : pulumi.output(choosePort(settings.k3sApiPort, name));
  return new docker.Container("node", {
    name, hostname: node, image: substitute(settings.k3sImage, settings.imageSubstitutes), labels, volumes,
    command: ["server", `--node-name=${node}`, "--tls-san=127.0.0.1", "--disable=traefik,servicelb,metrics-server", "--kubelet-arg=fail-cgroupv1=false"],
    privileged: true, cgroupnsMode: "private", mustRun: true, restart: "no",
    // The image declares these as volumes; anonymous ones would stay behind when the container is lost.
    tmpfs: { "/run": "", "/tmp": "", "/var/lib/cni": "", "/var/log": "" },
    ports: [{ internal: API_PORT, external: port, ip: "127.0.0.1" }],
    destroyGraceSeconds: 1,
  }, { parent, deleteBeforeReplace: true, ...(settings.k3sApiPort === 0 ? { ignoreChanges: ["ports"] } : {}) });
}

/**
 * A node that was lost leaves its volumes, and a refresh forgets all that was in its cluster. A new node on the
 * old data would find the objects there and not own them: it starts on empty volumes instead.
 */
async function emptyForNewNode(volume: string, container: string, labels: Record<string, string>): Promise<string> {
  if (!pulumi.runtime.isDryRun() && !(await inspectContainer(container))) await recreateVolume(volume, labels);
  return volume;
}

/** A port that the node itself holds is no conflict. */
async function choosePort(port: number, name: string): Promise<number> {
  const held = await inspectContainer(name);
  return held?.ports[`${API_PORT}/tcp`] === port ? port : requirePort(port, "k3sApiPort");
}

// --- ready -----------------------------------------------------------------------------------------------

async function ready(id: string, name: string, settings: Settings): Promise<{ kubeconfig: string; facts: ClusterOutput }> {
  const start = Date.now();
  const alive = () => requireRunning(id, name);
  await startIfStopped(id);
  // Asked together, as a cluster that is up should cost an `up` next to nothing.
  const [state, inside] = await Promise.all([alive(), waitFor(() => readKubeconfig(id, name), { deadline: settings.readyTimeout * 1000 }, (reason, seconds) => new UserError("E_CLUSTER_NOT_READY", {
    seen: `${name} after ${seconds} s: ${reason}`, wanted: `a kubeconfig at ${KUBECONFIG} in the node`, next: `docker logs ${name}`,
  }))]);
  const kubeconfig = inside.replace(/server: https:\/\/[^\s]+/, `server: https://127.0.0.1:${state.ports[`${API_PORT}/tcp`]}`);
  const facts = await clusterReady(kubeconfig, { name, timeout: settings.readyTimeout, alive: async () => { await alive(); }, next: `docker logs ${name}` });
  record({ clusterReadyMs: Date.now() - start });
  return { kubeconfig, facts };
}

async function readKubeconfig(id: string, name: string): Promise<Look<string>> {
  const file = await execIn(id, ["cat", KUBECONFIG]);
  if (file.exitCode === 0 && file.stdout.includes("client-key-data")) return { value: file.stdout };
  await requireRunning(id, name);
  return { reason: file.stderr || "the kubeconfig is not whole yet" };
}

/** A node that merely stopped, with its host or its Docker, has everything it needs to go on. */
async function startIfStopped(id: string): Promise<void> {
  const state = await inspectContainer(id);
  if (state && !state.running) await startContainer(id);
}

async function requireRunning(id: string, name: string): Promise<{ ports: Record<string, number> }> {
  const state = await inspectContainer(id);
  if (!state) {
    throw new UserError("E_NODE_GONE", { seen: `container ${name} (${id.slice(0, 12)}) is in the stack's state and not in Docker`, wanted: "the node's container", next: "pulumi refresh --yes && pulumi up --yes" });
  }
  if (!state.running) {
    throw new UserError("E_NODE_DIED", { seen: `container ${name} ended with exit code ${state.exitCode}`, wanted: "a running node", next: `docker rm --force ${name} && pulumi refresh --yes && pulumi up --yes`, detail: await logsOf(id) });
  }
  return state;
}
