/** Typed reading of properties that have been unwrapped. */
import { isMap, type Value, type ValueMap } from "../rpc";

/** Reads single properties; one that is absent, null or unknown is `undefined`. */
export class Inputs {
  constructor(readonly values: ValueMap) {}

  text(key: string): string | undefined {
    const value = this.values[key];
    return typeof value === "string" ? value : undefined;
  }

  number(key: string): number | undefined {
    const value = this.values[key];
    return typeof value === "number" ? value : undefined;
  }

  flag(key: string): boolean | undefined {
    const value = this.values[key];
    return typeof value === "boolean" ? value : undefined;
  }

  texts(key: string): string[] | undefined {
    const value = this.values[key];
    return Array.isArray(value) ? value.filter((element): element is string => typeof element === "string") : undefined;
  }

  /** An object with text values; numbers and booleans become text. */
  map(key: string): Record<string, string> | undefined {
    const value = this.values[key];
    if (!isMap(value)) return undefined;
    const entries = Object.entries(value).filter(
      ([name, element]) =>
        name !== "__defaults" &&
        (typeof element === "string" || typeof element === "number" || typeof element === "boolean"),
    );
    return Object.fromEntries(entries.map(([name, element]) => [name, String(element as string | number | boolean)]));
  }

  object(key: string): Inputs | undefined {
    const value = this.values[key];
    return isMap(value) ? new Inputs(value) : undefined;
  }

  objects(key: string): Inputs[] {
    const value = this.values[key];
    return Array.isArray(value) ? value.filter(isMap).map((element) => new Inputs(element)) : [];
  }

  /** Labels as docker has them, from the list that the SDK has. */
  labels(key = "labels"): Record<string, string> {
    return Object.fromEntries(this.objects(key).map((label) => [label.text("label") ?? "", label.text("value") ?? ""]));
  }

  /** The value without the bookkeeping of defaults, for use as an output; null when absent. */
  output(key: string): Value {
    return plainOutput(this.values[key] ?? null);
  }
}

function plainOutput(value: Value): Value {
  if (Array.isArray(value)) return value.map(plainOutput);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, element]) => key !== "__defaults" && element !== undefined)
      .map(([key, element]) => [key, plainOutput(element as Value)]),
  );
}
