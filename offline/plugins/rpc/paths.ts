/** Paths into property values, and secrets found or restored by path. */
import { isMap, OutputValue, Secret, type Value, type ValueMap } from "./values";

/** Keys and list indexes from the properties down to one value. */
export type Path = readonly (string | number)[];

/** The path in Pulumi's notation, e.g. `metadata.labels["app.kubernetes.io/name"]` or `ports[0].internal`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    if (!/^[A-Za-z_][A-Za-z0-9_$-]*$/.test(step)) return `${text}[${JSON.stringify(step)}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** The value at a path, looking through secrets and outputs; `undefined` when a step is not there. */
export function valueAt(root: Value | undefined, path: Path): Value | undefined {
  return path.reduce<Value | undefined>((value, step) => {
    const inner = bare(value);
    if (typeof step === "number") return Array.isArray(inner) ? inner[step] : undefined;
    return isMap(inner) && Object.hasOwn(inner, step) ? inner[step] : undefined;
  }, root);
}

/** The paths of the outermost secrets. */
export function secretPaths(value: Value | undefined, prefix: Path = []): Path[] {
  if (value instanceof Secret || (value instanceof OutputValue && value.secret)) return [prefix];
  const inner = bare(value);
  if (Array.isArray(inner)) return inner.flatMap((element, index) => secretPaths(element, [...prefix, index]));
  return isMap(inner) ? Object.entries(inner).flatMap(([key, element]) => secretPaths(element, [...prefix, key])) : [];
}

/**
 * `target` with every value marked secret that is secret at the same path in `source`: outputs made from unwrapped
 * inputs get their marks back. Where a list of `target` has another length than in `source` the whole list is marked,
 * because then nobody knows which element is which.
 */
export function markSecretsLike(target: ValueMap, source: ValueMap): ValueMap {
  return mark(target, source) as ValueMap;
}

function mark(target: Value, source: Value | undefined): Value {
  if (target instanceof Secret) return target;
  if (source instanceof Secret || (source instanceof OutputValue && source.secret)) return new Secret(target);
  const inner = bare(source);
  if (Array.isArray(target) && Array.isArray(inner)) {
    if (target.length !== inner.length && secretPaths(inner).length > 0) return new Secret(target);
    return target.map((element, index) => mark(element, inner[index]));
  }
  if (!isMap(target) || !isMap(inner)) return target;
  return Object.fromEntries(
    Object.entries(target).map(([key, value]) => [key, value === undefined ? undefined : mark(value, inner[key])]),
  );
}

function bare(value: Value | undefined): Value | undefined {
  return value instanceof Secret || value instanceof OutputValue ? bare(value.value) : value;
}
