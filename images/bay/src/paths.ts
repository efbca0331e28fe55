import { BayError } from "./errors";

/**
 * Checks a path given by a client and gives its normal form, relative to the workspace (`.` for the workspace itself).
 * Only syntax is judged; the runtime resolves links.
 * @throws BayError invalid_path
 */
export function normalizePath(path: string, field: "path" | "cwd" = "path"): string {
  const refuse = (reason: string, message: string): never => {
    throw new BayError("invalid_path", message, { field, reason });
  };
  if (path === "") refuse("empty_path", "the path is empty");
  if (path.includes("\0")) refuse("null_byte", "the path holds a NUL byte");
  if (path.startsWith("/"))
    refuse("absolute_path", `the path is absolute: ${path}; wanted one relative to the workspace`);
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) refuse("path_traversal", `the path leaves the workspace: ${path}`);
  }
  return parts.length > 0 ? parts.join("/") : ".";
}
