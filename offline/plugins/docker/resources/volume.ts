/** `docker.Volume`. */
import { DockerError } from "../daemon/client";
import { until } from "../wait";
import type { Inputs } from "../inputs";
import type { DockerResource, State } from "./resource";

interface VolumeInspect {
  Name: string;
  Driver: string;
  Mountpoint: string;
  Options: Record<string, string> | null;
  Labels: Record<string, string> | null;
}

/** Milliseconds to wait for containers to let go of the volume. */
const IN_USE_DEADLINE_MS = 30_000;

export const volume: DockerResource = {
  type: "docker:index/volume:Volume",
  schema: { name: {}, driver: {}, driverOpts: {}, labels: { set: true, fields: { label: {}, value: {} } } },

  async create(inputs, { client, signal }) {
    const created = await client.json<VolumeInspect>("POST", "/volumes/create", {
      json: {
        Name: inputs.text("name"),
        Driver: inputs.text("driver"),
        DriverOpts: inputs.map("driverOpts"),
        Labels: inputs.labels(),
      },
      signal,
    });
    return stateOf(created, inputs);
  },

  async read(id, inputs, { client }) {
    const found = await client.find<VolumeInspect>(`/volumes/${encodeURIComponent(id)}`);
    return (
      found && {
        ...stateOf(found, inputs),
        inputs: "name" in inputs.values ? inputs.values : { ...inputs.values, name: found.Name, __defaults: [] },
      }
    );
  },

  async remove(id, _state, { client, signal }) {
    await until(`volume ${id} is removed`, IN_USE_DEADLINE_MS, signal, async () => {
      try {
        await client.json("DELETE", `/volumes/${encodeURIComponent(id)}`, { signal });
      } catch (error) {
        if (!(error instanceof DockerError)) throw error;
        if (error.status === 409) return error.message;
        if (error.status !== 404) throw error;
      }
      return true;
    });
  },
};

function stateOf(found: VolumeInspect, inputs: Inputs): State {
  return {
    id: found.Name,
    outputs: {
      __meta: '{"schema_version":"1"}',
      cluster: null,
      driver: found.Driver,
      driverOpts: inputs.output("driverOpts"),
      id: found.Name,
      labels: inputs.output("labels"),
      mountpoint: found.Mountpoint,
      name: found.Name,
    },
  };
}
