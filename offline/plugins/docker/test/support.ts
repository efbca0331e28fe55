/**
 * For tests against the real daemon: the plugin's handlers used as the engine uses them, small images, and cleaning up.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  Engine,
  type Context,
  type DiffResult,
  type ProviderHandlers,
  type ReadResult,
  type ValueMap,
} from "../../rpc";
import { createHandlers } from "../provider";

export const IMAGE = "docker:index/image:Image";
export const CONTAINER = "docker:index/container:Container";
export const VOLUME = "docker:index/volume:Volume";
export const NETWORK = "docker:index/network:Network";
export const REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage";

/** Label on everything that a test makes. */
export const LABELS = [{ label: "bay-e2e.test", value: "docker-plugin" }];

/** A name that no other run uses. */
export function unique(stem: string): string {
  return `bay-e2e-test-${stem}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
}

/** One resource in the engine's hands: what it keeps in the state, and the operations in their order. */
export class Resource {
  id = "";
  inputs: ValueMap = {};
  outputs: ValueMap = {};
  /** Status lines and messages of all operations. */
  readonly lines: string[] = [];
  private readonly stop = new AbortController();

  constructor(
    private readonly type: string,
    readonly name = "res",
    private readonly handlers: ProviderHandlers = createHandlers(),
  ) {}

  /** The checked inputs. @throws Error with the reasons when check finds failures. */
  async check(news: ValueMap): Promise<ValueMap> {
    const result = await this.handlers.check!(
      { ...this.request(), olds: this.inputs, news, randomSeed: new Uint8Array() },
      this.context(),
    );
    if (result.failures?.length)
      throw new Error(result.failures.map(({ property, reason }) => `${property}: ${reason}`).join("; "));
    return result.inputs;
  }

  async diff(news: ValueMap): Promise<DiffResult> {
    return this.handlers.diff!(
      {
        ...this.request(),
        id: this.id,
        olds: this.outputs,
        oldInputs: this.inputs,
        news: await this.check(news),
        ignoreChanges: [],
      },
      this.context(),
    );
  }

  async create(news: ValueMap): Promise<this> {
    const properties = await this.check(news);
    const result = await this.handlers.create!(
      { ...this.request(), properties, preview: false, timeout: 0 },
      this.context(),
    );
    return this.keep(result.id, properties, result.properties);
  }

  async update(news: ValueMap): Promise<this> {
    const inputs = await this.check(news);
    const result = await this.handlers.update!(
      {
        ...this.request(),
        id: this.id,
        olds: this.outputs,
        oldInputs: this.inputs,
        news: inputs,
        ignoreChanges: [],
        preview: false,
        timeout: 0,
      },
      this.context(),
    );
    return this.keep(this.id, inputs, result.properties);
  }

  async refresh(): Promise<ReadResult> {
    const result = await this.handlers.read!(
      { ...this.request(), id: this.id, properties: this.outputs, inputs: this.inputs, timeout: 0 },
      this.context(),
    );
    if (result.id === undefined) this.keep("", {}, {});
    else this.keep(result.id, result.inputs, result.properties);
    return result;
  }

  /** Removes the resource; without one there is nothing to do, so that it can be called after any failure. */
  async delete(): Promise<void> {
    if (this.id)
      await this.handlers.delete!(
        { ...this.request(), id: this.id, properties: this.outputs, oldInputs: this.inputs, timeout: 0 },
        this.context(),
      );
    this.keep("", {}, {});
  }

  /** As the engine's Cancel. */
  cancel(): void {
    this.stop.abort(new Error("cancelled"));
  }

  private request() {
    return { urn: `urn:pulumi:dev::proj::${this.type}::${this.name}`, name: this.name, type: this.type };
  }

  private context(): Context {
    const note = (line: string): void => {
      this.lines.push(line);
    };
    return {
      engine: new Engine(undefined),
      signal: this.stop.signal,
      log: { debug: note, info: note, warn: note, error: note, status: note },
    };
  }

  private keep(id: string, inputs: ValueMap, outputs: ValueMap): this {
    Object.assign(this, { id, inputs, outputs });
    return this;
  }
}

/** The last made is removed first; a removal that fails does not keep the others from being tried. */
export class Scope {
  private readonly removals: (() => Promise<unknown> | unknown)[] = [];

  resource(type: string, name?: string): Resource {
    const resource = new Resource(type, name);
    this.defer(() => resource.delete());
    return resource;
  }

  /** A folder with these files. */
  folder(files: Record<string, string | Buffer>): string {
    const folder = mkdtempSync(join(tmpdir(), "docker-plugin-"));
    this.defer(() => {
      rmSync(folder, { recursive: true });
    });
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content, { mode: name === "program" ? 0o755 : 0o644 });
    }
    return folder;
  }

  defer(removal: () => Promise<unknown> | unknown): void {
    this.removals.push(removal);
  }

  async clean(): Promise<void> {
    const failed: unknown[] = [];
    for (const removal of this.removals.splice(0).reverse()) {
      try {
        await removal();
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw new AggregateError(failed, "something of the test is left");
  }
}

const SOURCE = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
  if (count > 1 && !strcmp(words[1], "fail")) { puts("about to fail"); printf("secret is %s\\n", getenv("TOKEN") ? getenv("TOKEN") : "absent"); return 3; }
  if (count > 1 && !strcmp(words[1], "print")) { puts(words[2]); return 0; }
  for (;;) pause();
}`;

let compiled: Buffer | undefined;

/**
 * A static program: runs for ever; \`fail\` writes two lines and ends with 3; \`print TEXT\` writes the text and ends.
 */
export function staticProgram(): Buffer {
  if (compiled) return compiled;
  const folder = mkdtempSync(join(tmpdir(), "static-"));
  execFileSync("gcc", ["-static", "-Os", "-s", "-x", "c", "-", "-o", join(folder, "program")], { input: SOURCE });
  compiled = execFileSync("cat", [join(folder, "program")], { maxBuffer: 1 << 26 });
  rmSync(folder, { recursive: true });
  return compiled;
}

/** Builds an image from nothing that holds the static program as `/program`, and gives its name. */
export async function programImage(scope: Scope, extra = ""): Promise<string> {
  const name = `${unique("image")}:1`;
  const context = scope.folder({
    program: staticProgram(),
    Dockerfile: `FROM scratch\nLABEL bay-e2e.test=docker-plugin\nCOPY program /program\n${extra}\nCMD ["/program"]\n`,
  });
  await scope.resource(IMAGE).create({ imageName: name, build: { context }, skipPush: true });
  scope.defer(() => docker("image", "rm", "--force", name));
  return name;
}

/** Runs the docker CLI, which is not the code under test. */
export function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/**
 * Removes the untagged images that builds with this label leave: of rebuilt images, and of the classic builder's steps.
 */
export function pruneImages(label: string): void {
  docker("image", "prune", "--force", "--filter", `label=bay-e2e.test=${label}`);
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
