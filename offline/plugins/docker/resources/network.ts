/** `docker.Network`. */
import { DockerError } from "../daemon/client";
import { until } from "../wait";
import type { Inputs } from "../inputs";
import type { DockerResource, State } from "./resource";

interface NetworkInspect {
  Id: string;
  Name: string;
  Driver: string;
  Scope: string;
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  EnableIPv6: boolean;
  Options: Record<string, string> | null;
  IPAM: {
    Driver: string;
    Options: Record<string, string> | null;
    Config:
      { Subnet?: string; Gateway?: string; IPRange?: string; AuxiliaryAddresses?: Record<string, string> }[] | null;
  };
}

/** Milliseconds to wait for containers to leave the network. */
const IN_USE_DEADLINE_MS = 30_000;

export const network: DockerResource = {
  type: "docker:index/network:Network",
  schema: {
    name: {},
    driver: {},
    attachable: {},
    ingress: {},
    internal: {},
    ipv6: {},
    ipamDriver: { default: "default" },
    ipamOptions: {},
    options: {},
    ipamConfigs: { set: true, fields: { auxAddress: {}, gateway: {}, ipRange: {}, subnet: {} } },
    labels: { set: true, fields: { label: {}, value: {} } },
  },

  async create(inputs, scope) {
    const { Id } = await scope.client.json<{ Id: string }>("POST", "/networks/create", {
      json: request(inputs),
      signal: scope.signal,
    });
    const found = await scope.client.json<NetworkInspect>("GET", `/networks/${Id}`);
    return stateOf(found, inputs);
  },

  async read(id, inputs, { client }) {
    const found = await client.find<NetworkInspect>(`/networks/${encodeURIComponent(id)}`);
    return (
      found && {
        ...stateOf(found, inputs),
        inputs: "name" in inputs.values ? inputs.values : { ...inputs.values, name: found.Name, __defaults: [] },
      }
    );
  },

  async remove(id, _state, { client, signal }) {
    await until(`network ${id} is removed`, IN_USE_DEADLINE_MS, signal, async () => {
      try {
        await client.json("DELETE", `/networks/${encodeURIComponent(id)}`, { signal });
      } catch (error) {
        if (!(error instanceof DockerError)) throw error;
        if (/has active endpoints/.test(error.message)) return error.message;
        if (error.status !== 404) throw error;
      }
      return true;
    });
  },
};

function request(inputs: Inputs) {
  return {
    Name: inputs.text("name"),
    CheckDuplicate: true,
    Driver: inputs.text("driver") ?? "bridge",
    Internal: inputs.flag("internal"),
    Attachable: inputs.flag("attachable"),
    Ingress: inputs.flag("ingress"),
    EnableIPv6: inputs.flag("ipv6"),
    Options: inputs.map("options"),
    Labels: inputs.labels(),
    IPAM: {
      Driver: inputs.text("ipamDriver"),
      Options: inputs.map("ipamOptions"),
      Config: inputs.objects("ipamConfigs").map((config) => ({
        Subnet: config.text("subnet"),
        Gateway: config.text("gateway"),
        IPRange: config.text("ipRange"),
        AuxiliaryAddresses: config.map("auxAddress"),
      })),
    },
  };
}

function stateOf(found: NetworkInspect, inputs: Inputs): State {
  return {
    id: found.Id,
    outputs: {
      __meta: '{"schema_version":"1"}',
      attachable: found.Attachable,
      driver: found.Driver,
      id: found.Id,
      ingress: found.Ingress,
      internal: found.Internal,
      ipamConfigs: (found.IPAM.Config ?? []).map((config) => ({
        auxAddress: config.AuxiliaryAddresses ?? {},
        gateway: config.Gateway ?? "",
        ipRange: config.IPRange ?? "",
        subnet: config.Subnet ?? "",
      })),
      ipamDriver: found.IPAM.Driver,
      ipamOptions: found.IPAM.Options ?? {},
      ipv6: found.EnableIPv6,
      labels: inputs.output("labels"),
      name: found.Name,
      options: found.Options ?? {},
      scope: found.Scope,
    },
  };
}
