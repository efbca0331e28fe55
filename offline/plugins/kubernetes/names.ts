/** Names that the plugin makes. */
import { createHash, randomBytes } from "node:crypto";
import type { CheckRequest } from "../rpc/requests";
import { isMap, type ValueMap } from "../rpc/values";
import { annotation, AUTONAMED, isAutonamed } from "./annotations";
import { at, mapAt, nameOf, withMetadata } from "./objects";

/** Eight hexadecimal digits; the same ones for the same non-empty seed, so that a preview and its update agree. */
export function suffix(seed?: Uint8Array): string {
  const hex =
    seed && seed.length > 0 ? createHash("sha256").update(seed).digest("hex") : randomBytes(4).toString("hex");
  return hex.slice(0, 8);
}

/** Name of the field manager of one resource: the annotation, else the one in the state, else a new one. */
export function fieldManager(inputs: ValueMap, state: ValueMap = {}): string {
  const known = annotation(inputs, "patchFieldManager") || state.__fieldManager;
  return typeof known === "string" ? known : `pulumi-kubernetes-${suffix()}`;
}

/**
 * The inputs with a name. A name of the program stays; otherwise the one that was made before, else a new one:
 * the resource's name in the program, a dash and eight hexadecimal digits.
 * @throws Error when the stack's configuration forbids automatic names.
 */
export function withName(
  inputs: ValueMap,
  request: Pick<CheckRequest, "name" | "olds" | "randomSeed" | "autonaming">,
): ValueMap {
  const given = at(inputs, "metadata", "name");
  if (given !== undefined && given !== "") return inputs;
  if (at(inputs, "metadata", "generateName") !== undefined) {
    throw new Error("the `.metadata.generateName` field is not supported in Server-Side Apply mode");
  }
  // Metadata that a preview does not know yet may turn out to hold a name.
  const metadata = at(inputs, "metadata");
  if (metadata !== undefined && !isMap(metadata)) return inputs;
  const name = isAutonamed(request.olds) ? nameOf(request.olds) : newName(request);
  const annotations = { ...mapAt(inputs, "metadata", "annotations"), [AUTONAMED.key]: AUTONAMED.value };
  return withMetadata(withMetadata(inputs, "annotations", annotations), "name", name);
}

function newName({ name, randomSeed, autonaming }: Pick<CheckRequest, "name" | "randomSeed" | "autonaming">): string {
  if (autonaming?.mode === "disable")
    throw new Error(`"${name}" has no metadata.name and automatic names are switched off by pulumi:autonaming`);
  if (autonaming) return autonaming.proposedName;
  return `${name}-${suffix(randomSeed)}`;
}
