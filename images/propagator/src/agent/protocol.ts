import { z } from "zod";

/** What server and agent say to each other, and the node's tool to the agent (images/runc-cr/README.md). */
export const manifestSchema = z.object({
  id: z.string(), created: z.string().default(""),
  container: z.object({ id: z.string(), name: z.string().default(""), image: z.string().default(""), imageId: z.string().default("") }).loose(),
  bytes: z.number(), memoryBytes: z.number().default(0), rootfsBytes: z.number().default(0), volumeBytes: z.number().default(0),
  freezeMicroseconds: z.number().default(0), durationMicroseconds: z.number().default(0), checksum: z.string().default(""),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const listSchema = z.object({ store: z.string(), bytes: z.number(), freeBytes: z.number(), checkpoints: z.array(manifestSchema) });

export const toolErrorSchema = z.object({ code: z.string(), message: z.string(), criu: z.array(z.string()).nullable().default([]).transform((lines) => lines ?? []) });

export const checkSchema = z.object({
  ok: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), found: z.string().default(""), needed: z.string().default(""), fix: z.string().default("") })).default([]),
});
export type Check = z.infer<typeof checkSchema>;

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const dumpSchema = z.strictObject({
  container: z.string().regex(/^[0-9a-f]{8,64}$/, "wanted a container's id"),
  runcRoot: z.string().regex(/^\/[A-Za-z0-9._/-]+$/, "wanted an absolute path"),
  maxBytes: z.int().positive(),
});
export type Dump = z.infer<typeof dumpSchema>;
