import { z } from "zod";

/** What server and agent say to each other, and the node's tool to the agent (images/runc-cr/README.md). */
const amount = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER);
const text = z.string().max(4096);

export const manifestSchema = z.object({
  id: text,
  created: text.default(""),
  container: z.object({ id: text, name: text.default(""), image: text.default(""), imageId: text.default("") }),
  bytes: amount,
  memoryBytes: amount.default(0),
  rootfsBytes: amount.default(0),
  volumeBytes: amount.default(0),
  freezeMicroseconds: amount.default(0),
  durationMicroseconds: amount.default(0),
  checksum: text.default(""),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const listSchema = z.object({
  store: text,
  bytes: amount,
  freeBytes: amount,
  checkpoints: z.array(manifestSchema).max(100_000),
});

const cut = (most: number) => z.string().transform((long) => long.slice(0, most));
export const toolErrorSchema = z.object({
  code: z.string().max(100),
  message: cut(4096),
  criu: z
    .array(cut(1024))
    .nullable()
    .default([])
    .transform((lines) => (lines ?? []).slice(0, 50)),
});

export const checkSchema = z.object({
  ok: z.boolean(),
  checks: z
    .array(
      z.object({
        name: z.string(),
        ok: z.boolean(),
        found: z.string().default(""),
        needed: z.string().default(""),
        fix: z.string().default(""),
      }),
    )
    .default([]),
});
export type Check = z.infer<typeof checkSchema>;

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const dumpSchema = z.strictObject({
  container: z.string().regex(/^[0-9a-f]{8,64}$/, "wanted a container's id"),
  runcRoot: z.string().regex(/^\/[A-Za-z0-9._/-]+$/, "wanted an absolute path"),
  maxBytes: z.int().positive(),
});
export type Dump = z.infer<typeof dumpSchema>;
