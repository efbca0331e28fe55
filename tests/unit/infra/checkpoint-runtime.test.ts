import * as pulumi from "@pulumi/pulumi";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { nodeImage } from "../../../infra/backends/node-image";
import { CheckpointRuntime } from "../../../infra/components/checkpoint-runtime";
import { readConfig } from "../../../infra/config";
import { ownerOf } from "../../../infra/naming";

interface Declared {
  type: string;
  inputs: Record<string, unknown>;
}
const declared: Declared[] = [];
const root = resolve(__dirname, "../../..");
const path = process.env["PATH"];
let folder: string;

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        declared.push({ type: args.type, inputs: args.inputs as Record<string, unknown> });
        return {
          id: `${args.name}-id`,
          state: { ...(args.inputs as Record<string, unknown>), repoDigest: "sha256:built" },
        };
      },
      call: () => ({}),
    },
    "bay-e2e",
    "k3s",
    false,
  );
});

beforeEach(() => {
  declared.length = 0;
  folder = mkdtempSync(join(tmpdir(), "docker-"));
});

afterEach(() => {
  process.env["PATH"] = path;
  rmSync(folder, { recursive: true });
});

/** A Docker that knows one image with that label; everything else about it is left out. */
function dockerWithLabel(value: string): void {
  writeFileSync(join(folder, "docker"), `#!/bin/sh\necho '${value}'\n`);
  chmodSync(join(folder, "docker"), 0o755);
  process.env["PATH"] = `${folder}:${path ?? ""}`;
}

async function imageOf(kind: "k3s" | "kind", config: Record<string, string>): Promise<string> {
  const settings = readConfig(config, kind);
  const parent = new pulumi.ComponentResource("test:index:Parent", `parent-${Math.random()}`);
  const output = pulumi.output(
    nodeImage(kind, settings.k3sImage, { settings, owner: ownerOf(root, "mine"), root }, parent),
  );
  const image = await new Promise<string>((give) => {
    output.apply(give);
  });
  await pulumi.runtime.disconnect();
  return image;
}

const builds = () => declared.filter(({ type }) => type === "docker:index/image:Image");

describe("the image of nodes", () => {
  test("is the configured one where that has the runtime of checkpoints", async () => {
    dockerWithLabel("checkpoint");
    expect(await imageOf("k3s", { k3sImage: "node:1" })).toBe("node:1");
    expect(builds()).toEqual([]);
  });

  test.each(["k3s", "kind"] as const)(
    "is built on top of the configured one where that has none, for %s",
    async (kind) => {
      dockerWithLabel("");
      expect(
        await imageOf(kind, { k3sImage: "node:1", goImage: "go:1", imageSubstitutes: '{"go:1":"mirror/go:1"}' }),
      ).toBe("sha256:built");
      expect(builds()).toMatchObject([
        {
          inputs: {
            imageName: "bay-e2e/checkpoint-node:mine",
            skipPush: true,
            build: {
              target: kind,
              args: {
                NODE_IMAGE: "node:1",
                GO_IMAGE: "mirror/go:1",
                DEBIAN_IMAGE: "docker.io/library/debian:sid-slim",
              },
            },
          },
        },
      ]);
      const { context, dockerfile } = builds()[0]!.inputs["build"] as { context: string; dockerfile: string };
      expect([resolve(context), resolve(dockerfile)]).toEqual([
        join(root, "images/runc-cr"),
        join(root, "images/runc-cr/Dockerfile"),
      ]);
    },
  );

  test("is the configured one where the stack has no checkpoints", async () => {
    dockerWithLabel("");
    expect(await imageOf("k3s", { k3sImage: "node:1", checkpoint: "false" })).toBe("node:1");
    expect(builds()).toEqual([]);
  });
});

test("pods ask for the runtime by a RuntimeClass of the handler that the nodes have", async () => {
  const { runtimeClass } = new CheckpointRuntime("checkpoint-runtime", { labels: { a: "b" }, annotations: {} });
  const name = await new Promise<string>((give) => {
    runtimeClass.apply(give);
  });
  await pulumi.runtime.disconnect();
  expect(name).toBe("bay-e2e-checkpoint");
  expect(declared.find(({ type }) => type.endsWith(":RuntimeClass"))?.inputs).toMatchObject({
    handler: "checkpoint",
    metadata: { name: "bay-e2e-checkpoint", labels: { a: "b" } },
  });
});
