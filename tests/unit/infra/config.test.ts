import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import {
  canonical,
  checkpointMode,
  CONFIG_KEYS,
  configDefaults,
  imageSources,
  readConfig,
  substitute,
} from "../../../infra/config";
import { fromEnvironment } from "../../../infra/program-config";
import { UserError } from "../../../infra/support/errors";

const schema = (
  parse(readFileSync(join(__dirname, "../../../Pulumi.yaml"), "utf8")) as {
    config: Record<string, { type: string; description: string; default: unknown }>;
  }
).config;

function problemsOf(raw: Record<string, string>, stack = "k3s"): string {
  try {
    readConfig(raw, stack);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).code).toBe("E_CONFIG");
    return (error as UserError).seen;
  }
  throw new Error("the configuration was accepted");
}

describe("the configuration", () => {
  test("has the same keys, in the same order, in Pulumi.yaml and in the reader", () => {
    expect(Object.keys(schema)).toEqual(CONFIG_KEYS);
  });

  test.each(CONFIG_KEYS)("states the default of %s in Pulumi.yaml as the reader has it, with a description", (key) => {
    expect(schema[key]!.default).toEqual(configDefaults()[key]);
    expect(schema[key]!.description.length).toBeGreaterThan(20);
  });

  test("takes the backend from the stack's name where none is set", () => {
    expect(readConfig({}, "k3s").backend).toBe("k3s");
    expect(readConfig({ backend: "kind" }, "anything").backend).toBe("kind");
  });

  test("reads numbers and objects from the text that Pulumi hands over", () => {
    const settings = readConfig({ bayPort: "9000", imageSubstitutes: '{"a":"b"}' }, "k3s");
    expect(settings).toMatchObject({ bayPort: 9000, imageSubstitutes: { a: "b" } });
  });

  test("reports all problems at once, each with its key and value", () => {
    const seen = problemsOf({ namespace: "Bad_Name", bayPort: "99999", readyTimeot: "5", storageSize: "lots" });
    expect(seen).toMatch(/4 problems/);
    expect(seen).toMatch(/namespace: wanted a DNS label.*"Bad_Name"/);
    expect(seen).toMatch(/bayPort: .*99999/);
    expect(seen).toMatch(/readyTimeot: no such key, did you mean readyTimeout\?/);
    expect(seen).toMatch(/storageSize: wanted a Kubernetes quantity.*"lots"/);
  });

  test("names the backends where the stack's name is none and no key is set", () => {
    expect(problemsOf({}, "pr-7")).toMatch(/"pr-7" is no backend: wanted one of kind, docker-desktop, existing, k3s/);
  });

  test.each([
    ["k3s", "", true],
    ["kind", "auto", true],
    ["existing", "", "auto"],
    ["docker-desktop", "auto", "auto"],
    ["existing", "true", true],
    ["k3s", "false", false],
  ])("on %s with checkpoint=%j gives checkpoints: %j", (stack, checkpoint, wanted) => {
    expect(checkpointMode(readConfig({ ...(checkpoint === "" ? {} : { checkpoint }), backend: stack }, stack))).toBe(
      wanted,
    );
  });

  test("wants a cluster's id with a token of Cedana, and never shows the token", () => {
    expect(problemsOf({ cedanaToken: "planted-token" })).toMatch(/^cedanaClusterId: no value, and cedanaToken is set/);
    expect(problemsOf({ cedanaToken: "planted-token", checkpoint: "maybe" })).not.toContain("planted-token");
    expect(
      readConfig({ cedanaToken: "t", cedanaClusterId: "c", checkpointResources: '{"limits":{"cpu":1}}' }, "k3s")
        .checkpointResources,
    ).toEqual({ limits: { cpu: 1 } });
  });

  test("reports what is missing beside another key together with what is wrong", () => {
    const seen = problemsOf({ registryUsername: "me", cedanaToken: "t", bayPort: "0" });
    expect(seen).toMatch(/3 problems/);
    expect(seen).toMatch(/registry: no value, and registryUsername is set/);
  });

  test("never shows the API key, not even a bad one", () => {
    expect(problemsOf({ apiKey: "s3 cr" })).not.toMatch(/s3 cr/);
  });
});

describe("Cedana's variables", () => {
  const env = { CEDANA_AUTH_TOKEN: "t", CEDANA_URL: "host/v1", CLUSTER_ID: "c" };
  const defaults = { cedanaToken: "", cedanaUrl: "https://ci.cedana.ai/v1", cedanaClusterId: "" };

  test("fill what the configuration leaves at its default", () => {
    expect(fromEnvironment(env, defaults)).toEqual({ cedanaToken: "t", cedanaUrl: "host/v1", cedanaClusterId: "c" });
    expect(fromEnvironment(env, { ...defaults, cedanaUrl: "other/v1", cedanaToken: "own" })).toEqual({
      cedanaClusterId: "c",
    });
  });

  test("mean nothing without a token", () => {
    expect(fromEnvironment({ ...env, CEDANA_AUTH_TOKEN: "" }, defaults)).toEqual({});
  });
});

describe("image references", () => {
  test.each([
    ["node", "docker.io/library/node:latest"],
    ["node:24", "docker.io/library/node:24"],
    ["rancher/k3s:v1", "docker.io/rancher/k3s:v1"],
    ["localhost/x", "localhost/x:latest"],
    ["registry.example:5000/x:1", "registry.example:5000/x:1"],
    ["ghcr.io/a/b@sha256:00", "ghcr.io/a/b@sha256:00"],
  ])("%s is %s", (short, full) => {
    expect(canonical(short)).toBe(full);
  });

  test("are substituted whichever way they are written, and otherwise left alone", () => {
    const substitutes = { "docker.io/library/node:24": "mirror/node:24" };
    expect(substitute("node:24", substitutes)).toBe("mirror/node:24");
    expect(substitute("node:22", substitutes)).toBe("node:22");
  });

  test("of the base images go through the substitutes, a ready reference does not", () => {
    const settings = {
      ...readConfig({ shipImage: "ship:1" }, "k3s"),
      imageSubstitutes: { "node:24-bookworm-slim": "base:1", "ship:1": "other" },
    };
    expect(imageSources(settings).bay.baseImage).toBe("base:1");
    expect(imageSources(settings).ship.reference).toBe("ship:1");
  });
});
