/** `docker.RemoteImage`: an image from a registry, or from the store when it is there already. */
import { DockerError } from "../daemon/client";
import { ensureImage, inspectImage, type ImageInspect } from "../daemon/images";
import type { Inputs } from "../inputs";
import type { DockerResource, State } from "./resource";

export const remoteImage: DockerResource = {
  type: "docker:index/remoteImage:RemoteImage",
  autoName: false,
  schema: {
    name: { required: true },
    keepLocally: { inPlace: true },
    forceRemove: { inPlace: true },
    platform: {},
    pullTriggers: { set: true },
    triggers: {},
  },

  async create(inputs, { client, auths, log, signal }) {
    const name = inputs.text("name") ?? "";
    const image = await ensureImage(client, name, {
      platform: inputs.text("platform"),
      auths,
      signal,
      onStatus: log.status,
    });
    return stateOf(image, inputs);
  },

  async read(_id, inputs, { client }) {
    const image = await inspectImage(client, inputs.text("name") ?? "");
    return image && { ...stateOf(image, inputs), inputs: inputs.values };
  },

  async update(_id, inputs, _changed, { client }) {
    const image = await inspectImage(client, inputs.text("name") ?? "");
    if (!image) throw new Error(`image ${inputs.text("name") ?? ""} is no longer in the local store; run a refresh`);
    return stateOf(image, inputs).outputs;
  },

  async remove(_id, state, { client, signal }) {
    if (state.flag("keepLocally")) return;
    try {
      await client.json("DELETE", `/images/${encodeURIComponent(state.text("name") ?? "")}`, {
        query: { force: state.flag("forceRemove") },
        signal,
      });
    } catch (error) {
      if (!(error instanceof DockerError) || error.status !== 404) throw error;
    }
  },
};

function stateOf(image: ImageInspect, inputs: Inputs): State {
  const name = inputs.text("name") ?? "";
  return {
    id: `${image.Id}${name}`,
    outputs: {
      build: null,
      forceRemove: inputs.output("forceRemove"),
      id: `${image.Id}${name}`,
      imageId: image.Id,
      keepLocally: inputs.output("keepLocally"),
      name,
      platform: inputs.output("platform"),
      pullTriggers: inputs.output("pullTriggers"),
      repoDigest: image.RepoDigests?.[0] ?? "",
      triggers: inputs.output("triggers"),
    },
  };
}
