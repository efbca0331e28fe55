/**
 * The base of the registry-only Pulumi plugins: serve handlers on plain objects as a resource provider.
 *
 * ```ts
 * await servePlugin({ version: "1.2.3", handlers: { check, diff, create, read, update, delete: remove } });
 * ```
 */
export { servePlugin, type Plugin } from "./serve";
export { Engine, type ResourceLog, type Severity } from "./engine";
export type { Context, ProviderHandlers } from "./service";
export * from "./requests";
export * from "./errors";
export * from "./values";
export * from "./paths";
