import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { loadConfig } from "../../../images/bay/src/config/load";
import { containerFor, profilesOf } from "../../../images/bay/src/config/profiles";
import { bayConfig } from "../../../infra/components/bay-config";
import { PROFILES, profileOutputs } from "../../../infra/components/profiles";

const folder = mkdtempSync(join(tmpdir(), "profiles-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The profiles as the reference Bay reads them out of the ConfigMap's file. */
function readByBay() {
  const file = join(folder, "config.yaml");
  const args = {
    name: "c",
    namespace: "ns",
    port: 8114,
    shipImage: "ship:1",
    pullPolicy: "Never" as const,
    storageClass: "",
    storageSize: "1Gi",
    podStartupTimeout: 120,
    profiles: PROFILES,
    pullSecrets: [],
    nodes: [],
  };
  writeFileSync(file, stringify(bayConfig(args, { namespace: "ns", image: "ship:1", pullSecrets: [], nodes: [] })));
  return profilesOf(loadConfig({ BAY_CONFIG_FILE: file }).config);
}

describe("the declared profiles", () => {
  it("are those of Bay's own integration tests, and one of several containers", () => {
    expect(PROFILES.map(({ id }) => id)).toEqual([
      "python-default",
      "python-only-test",
      "short-idle-test",
      "oom-test",
      "checkpoint-test",
      "two-containers-test",
    ]);
  });

  it("mean to the reference Bay what the outputs tell the tests", () => {
    const read = readByBay();
    expect([...read.values()].map(({ id, capabilities, idleTimeout }) => ({ id, capabilities, idleTimeout }))).toEqual(
      profileOutputs(PROFILES),
    );
    for (const { id, resources, requests, env, containers } of PROFILES) {
      expect(read.get(id)).toMatchObject({
        env,
        containers: (containers ?? [{ resources, requests }]).map((each) => ({
          image: "ship:1",
          resources: each.resources,
          requests: each.requests,
        })),
      });
    }
  });

  it("of several containers route each capability, on a port for each", () => {
    const several = readByBay().get("two-containers-test")!;
    expect(several.capabilities.map((each) => [each, containerFor(several, each).name])).toEqual([
      ["download", "ship"],
      ["filesystem", "ship"],
      ["python", "ship"],
      ["shell", "shell"],
      ["upload", "ship"],
    ]);
    expect(several.containers.map(({ name, port, env }) => [name, port, env["SHIP_PORT"]])).toEqual([
      ["ship", 8123, undefined],
      ["shell", 8124, "8124"],
    ]);
  });
});
