/** The parts of an image reference. */

/** Name and tag (or digest) of a reference; the tag is `latest` when there is none. */
export function splitReference(reference: string): { name: string; tag: string } {
  const at = reference.indexOf("@");
  if (at > 0) return { name: reference.slice(0, at).replace(/:[^/:]*$/, ""), tag: reference.slice(at + 1) };
  const [, name = reference, tag = "latest"] = /^(.+?)(?::([^/:]+))?$/.exec(reference) ?? [];
  return { name, tag };
}

/** The registry's host of an image name: the first part when it looks like a host, else Docker Hub. */
export function registryOf(name: string): string {
  const [first = "", ...rest] = name.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : "docker.io";
}
