/** Where the records are kept: a file, or memory that ends with the process. */
export type DatabaseLocation = { kind: "memory" } | { kind: "file"; path: string };

const SCHEME = /^(?:file:|sqlite(?:\+\w+)?:\/\/)/i;

/**
 * Reads `database.url`. As in the contract three slashes are followed by a relative path (`sqlite:///./bay.db`) and
 * four by an absolute one; a driver's name (`sqlite+aiosqlite`) is ignored. A bare path and `:memory:` are taken too.
 * Undefined for a database of another kind.
 */
export function readDatabaseUrl(url: string): DatabaseLocation | undefined {
  if (!SCHEME.test(url) && /^[a-z][a-z0-9+.-]*:\/\//i.test(url)) return undefined;
  const [rest = ""] = url.replace(SCHEME, "").split("?");
  const path = /^sqlite/i.test(url) ? rest.replace(/^\//, "") : rest;
  if (path === "" || path === ":memory:") return { kind: "memory" };
  return { kind: "file", path };
}
