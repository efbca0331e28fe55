import { spawn } from "node:child_process";
import type { z } from "zod";
import { Failed } from "../errors";
import {
  type Check,
  checkSchema,
  type Dump,
  listSchema,
  type Manifest,
  manifestSchema,
  toolErrorSchema,
} from "./protocol";

/** Longest output that is read of the tool; a list of many checkpoints is long. */
const OUTPUT_LIMIT = 16 * 1024 * 1024;
/** The tool looks for runc, criu and tar on the node, not in this image. */
const NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The node's tool `runc-cr`. Methods throw `Failed` with the tool's code. */
export class NodeTool {
  /** @param command How it is started. @param store Where it keeps checkpoints, when not where it does by itself. */
  constructor(
    private readonly command: readonly string[],
    private readonly store?: string,
  ) {}

  dump(id: string, { container, runcRoot, maxBytes }: Dump): Promise<Manifest> {
    return this.run(manifestSchema, [
      "dump",
      "--container",
      container,
      "--id",
      id,
      "--runc-root",
      runcRoot,
      "--max-bytes",
      String(maxBytes),
    ]);
  }

  verify(id: string): Promise<Manifest> {
    return this.run(manifestSchema, ["verify", id]);
  }

  /** Bytes that came free; 0 where there was no such checkpoint. */
  async remove(id: string): Promise<number> {
    const answer = await this.run(undefined, ["remove", id]);
    return (answer as { bytes?: number }).bytes ?? 0;
  }

  list(): Promise<z.infer<typeof listSchema>> {
    return this.run(listSchema, ["list"]);
  }

  async sweep(): Promise<string[]> {
    const answer = await this.run(undefined, ["sweep"]);
    return (answer as { removed?: string[] }).removed ?? [];
  }

  /** What the node has and lacks; a lack is no error here. */
  async check(): Promise<Check> {
    const { stdout, stderr } = await this.call(["check"]);
    const answer = checkSchema.safeParse(jsonOf(stdout));
    if (answer.success) return answer.data;
    throw failureIn(stderr, "check gave no answer that can be read");
  }

  private async run<T = unknown>(schema: z.ZodType<T> | undefined, words: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.call(words);
    if (code !== 0) throw failureIn(stderr, `${words[0]!} ended with exit code ${code ?? "of a signal"}`);
    const answer = jsonOf(stdout);
    const parsed = schema?.safeParse(answer);
    if (answer === undefined || parsed?.success === false)
      throw new Failed("internal", `${words[0]!} gave an answer that cannot be read: ${stdout.slice(0, 200)}`);
    return (parsed?.data ?? answer) as T;
  }

  private call(words: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return new Promise((resolve, reject) => {
      const [program, ...before] = this.command;
      const child = spawn(program!, [...before, ...words], {
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          PATH: `${NODE_PATH}:${process.env["PATH"] ?? ""}`,
          ...(this.store ? { RUNC_CR_STORE: this.store } : {}),
        },
      });
      const output = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (text: string) => {
          if (output[name].length < OUTPUT_LIMIT) output[name] += text;
        });
      }
      child.once("error", (error) => {
        reject(new Failed("tool_missing", `the node's tool cannot be started: ${error.message}`));
      });
      child.once("close", (code) => {
        resolve({ code, ...output });
      });
    });
  }
}

/** The tool's own error, else what it or the program that starts it wrote. */
function failureIn(stderr: string, otherwise: string): Failed {
  const last = stderr.trim().split("\n").at(-1) ?? "";
  const parsed = toolErrorSchema.safeParse(jsonOf(last));
  if (parsed.success) return new Failed(parsed.data.code, parsed.data.message, parsed.data.criu);
  const missing = /failed to execute|No such file|not found/i.test(stderr);
  return new Failed(
    missing ? "tool_missing" : "internal",
    `runc-cr ${otherwise}${stderr.trim() ? `: ${stderr.trim().slice(-500)}` : ""}`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
