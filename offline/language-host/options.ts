/** The `runtime.options` of Pulumi.yaml that the Node.js host knows. */
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";

export interface RuntimeOptions {
  /** Compile TypeScript while loading. Default true. */
  typescript: boolean;
  /**
   * Path of the tsconfig, relative to the program's folder or the project's root. Default: tsconfig.json in the
   * program's folder.
   */
  tsconfig: string | undefined;
  /** Arguments for node, in front of the program. */
  nodeargs: string[];
  /** npm, pnpm, yarn or bun; default: told by the lock file. */
  packagemanager: string | undefined;
}

/** @throws Error that names an option of the wrong type. */
export function readOptions(struct: Struct | undefined): RuntimeOptions {
  const given: Record<string, unknown> = struct ? struct.toJavaScript() : {};
  const text = (key: string): string | undefined => typed(given, key, "string") || undefined;
  return {
    typescript: typed<boolean>(given, "typescript", "boolean") ?? true,
    tsconfig: text("tsconfig"),
    nodeargs: splitWords(text("nodeargs") ?? ""),
    packagemanager: text("packagemanager"),
  };
}

function typed<T = string>(given: Record<string, unknown>, key: string, type: "string" | "boolean"): T | undefined {
  const value = given[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== type)
    throw new Error(`the runtime option "${key}" is ${JSON.stringify(value)}, wanted a ${type}`);
  return value as T;
}

/** Words as a shell parts them, with single and double quotes. */
export function splitWords(line: string): string[] {
  const words = line.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) =>
    word.replace(
      /"([^"]*)"|'([^']*)'/g,
      (_all, double: string | undefined, single: string | undefined) => double ?? single ?? "",
    ),
  );
}
