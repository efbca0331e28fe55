/** `docker.Container`. */
import { DockerError } from "../../daemon/client";
import { ensureImage } from "../../daemon/images";
import type { Inputs } from "../../inputs";
import type { DockerResource, Scope } from "../resource";
import { containerLogs } from "./logs";
import { createRequest, updatable } from "./request";
import { schema } from "./schema";
import { inspect, startContainer } from "./start";
import { driftedInputs, outputsOf, type ContainerInspect } from "./state";
import { uploadFiles } from "./upload";

export const container: DockerResource = {
  type: "docker:index/container:Container",
  schema,

  problems: (inputs) =>
    inputs.texts("command")?.includes("")
      ? [{ property: "command", reason: "values for command may not be empty" }]
      : [],

  async create(inputs, scope) {
    const image = inputs.text("image") ?? "";
    await ensureImage(scope.client, image, {
      platform: inputs.text("platform"),
      auths: scope.auths,
      signal: scope.signal,
      onStatus: scope.log.status,
    }).catch((error: unknown) => {
      throw new Error(`Unable to create container with image ${image}: ${message(error)}`, { cause: error });
    });
    const { Id } = await scope.client
      .json<{ Id: string }>("POST", "/containers/create", {
        query: { name: inputs.text("name"), platform: inputs.text("platform") },
        json: createRequest(inputs),
        signal: scope.signal,
      })
      .catch((error: unknown) => {
        throw new Error(`Unable to create container: ${message(error)}`, { cause: error });
      });
    try {
      return { id: Id, outputs: await bringUp(Id, inputs, scope) };
    } catch (error) {
      // A container that is not in the state would hold its name and ports for ever.
      await removeContainer(Id, true, scope);
      throw error;
    }
  },

  async read(id, inputs, scope) {
    const found = await scope.client.find<ContainerInspect>(`/containers/${encodeURIComponent(id)}/json`);
    if (!found) return undefined;
    if (!found.State.Running && "name" in inputs.values && (inputs.flag("mustRun") ?? true)) {
      // As the official plugin does: what must run and does not is removed, so that the next update makes it anew under
      // its name.
      await removeContainer(id, inputs.flag("removeVolumes") ?? true, scope);
      return undefined;
    }
    return { id: found.Id, outputs: outputsOf(found, inputs), inputs: driftedInputs(found, inputs) };
  },

  async update(id, inputs, changed, scope) {
    for (const key of WITHOUT_EFFECT) {
      if (changed.has(key))
        scope.log.warn(
          `${key} of a container that exists cannot be changed; the new value counts from its next replacement on`,
        );
    }
    await scope.client.json("POST", `/containers/${id}/update`, { json: updatable(inputs), signal: scope.signal });
    return outputsOf(await inspect(id, scope), inputs);
  },

  async remove(id, state, scope) {
    const grace = state.number("destroyGraceSeconds") ?? 0;
    if (grace > 0 && !state.flag("attach"))
      await ignoring(
        [304, 404],
        scope.client.json("POST", `/containers/${id}/stop`, { query: { t: grace }, signal: scope.signal }),
      );
    await removeContainer(id, state.flag("removeVolumes") ?? true, scope);
  },
};

/** The official plugin takes changes of these for updates, too, and says nothing. */
const WITHOUT_EFFECT = ["healthcheck", "init", "rm", "tmpfs"] as const;

async function bringUp(id: string, inputs: Inputs, scope: Scope) {
  await connectNetworks(id, inputs, scope);
  await uploadFiles(id, inputs, scope);
  if (inputs.flag("start") ?? true) await startContainer(id, inputs, scope);
  const logs = inputs.flag("attach") && inputs.flag("logs") ? await containerLogs(scope.client, id) : null;
  return outputsOf(await inspect(id, scope), inputs, logs);
}

/** Named networks take the place of the default bridge. */
async function connectNetworks(id: string, inputs: Inputs, { client, signal }: Scope): Promise<void> {
  const networks = inputs.objects("networksAdvanced");
  if (networks.length === 0) return;
  await client
    .json("POST", "/networks/bridge/disconnect", { json: { Container: id }, signal })
    .catch((error: unknown) => {
      if (!/is not connected to/.test(message(error))) throw error;
    });
  for (const network of networks) {
    const name = network.text("name") ?? "";
    const EndpointConfig = {
      Aliases: network.texts("aliases"),
      MacAddress: network.text("macAddress"),
      GwPriority: network.number("gwPriority"),
      DriverOpts: Object.fromEntries((network.texts("driverOpts") ?? []).map((option) => option.split("=", 2))),
      IPAMConfig: {
        IPv4Address: network.text("ipv4Address"),
        IPv6Address: network.text("ipv6Address"),
        LinkLocalIPs: network.texts("linkLocalIps"),
      },
    };
    await client
      .json("POST", `/networks/${encodeURIComponent(name)}/connect`, {
        json: { Container: id, EndpointConfig },
        signal,
      })
      .catch((error: unknown) => {
        throw new Error(`Unable to connect to network '${name}': ${message(error)}`, { cause: error });
      });
  }
}

/** Removes the container by force and returns when it is gone. One that is gone already is well. */
async function removeContainer(id: string, volumes: boolean, { client }: Scope): Promise<void> {
  // 409: somebody else is removing it; the wait below sees the end of that too.
  await ignoring([404, 409], client.json("DELETE", `/containers/${id}`, { query: { force: true, v: volumes } }));
  await ignoring([404], client.json("POST", `/containers/${id}/wait`, { query: { condition: "removed" } }));
}

async function ignoring(statuses: readonly number[], call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof DockerError) || !statuses.includes(error.status)) throw error;
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
