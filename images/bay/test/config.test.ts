import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ConfigError, loadConfig } from "../src/config/load";
import { containerFor, profilesOf } from "../src/config/profiles";
import { configSchema } from "../src/config/schema";

describe("Bay's configuration", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "bay-config-"));
  const file = path.join(folder, "config.yaml");
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const load = (content: string, env: NodeJS.ProcessEnv = {}) => {
    writeFileSync(file, content);
    return loadConfig({ BAY_CONFIG_FILE: file, ...env }).config;
  };
  const problems = (content: string, env: NodeJS.ProcessEnv = {}): string[] => {
    try {
      load(content, env);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
    return [];
  };
  const K8S = "driver: {type: k8s}\n";

  test("an almost empty file gives the contract's defaults", () => {
    const config = load(K8S);
    expect(config).toMatchObject({
      server: { host: "0.0.0.0", port: 8114 },
      driver: {
        image_pull_policy: "if_not_present",
        k8s: {
          namespace: "bay",
          kubeconfig: null,
          storage_class: null,
          default_storage_size: "1Gi",
          pod_startup_timeout: 60,
          label_prefix: "bay",
        },
      },
      cargo: { default_size_limit_mb: 1024, mount_path: "/workspace" },
      security: { api_key: null, allow_anonymous: true },
      idempotency: { enabled: true, ttl_hours: 1 },
      gc: {
        enabled: true,
        run_on_startup: true,
        interval_seconds: 300,
        instance_id: null,
        idle_session: { enabled: true },
        orphan_container: { enabled: false },
      },
    });
    expect(
      [...profilesOf(config).values()].map(({ id, primary, capabilities, idleTimeout }) => [
        id,
        primary.image,
        primary.resources,
        capabilities,
        idleTimeout,
      ]),
    ).toEqual([
      ["python-default", "ship:latest", { cpus: 1, memory: "1g" }, ["filesystem", "shell", "python"], 1800],
      ["python-data", "ship:data", { cpus: 2, memory: "4g" }, ["filesystem", "shell", "python"], 1800],
    ]);
  });

  test("the file wins over the environment, which fills what the file leaves out", () => {
    const config = load(`${K8S}server: {port: 9000}\n`, {
      BAY_SERVER__PORT: "1",
      bay_Server__HOST: "127.0.0.1",
      BAY_DRIVER__K8S__NAMESPACE: "elsewhere",
      BAY_DRIVER__K8S__IMAGE_PULL_SECRETS: '["one"]',
      BAY_GC__ENABLED: "no",
      BAY_PORT: "tcp://10.0.0.1:80",
      BAY_SERVICE_HOST: "10.0.0.1",
    });
    expect(config.server).toMatchObject({ port: 9000, host: "127.0.0.1" });
    expect(config.driver.k8s).toMatchObject({ namespace: "elsewhere", image_pull_secrets: ["one"] });
    expect(config.gc.enabled).toBe(false);
  });

  test("unknown nested keys are ignored, sections may be empty", () => {
    expect(load(`${K8S}server: {later: 1}\ngc:\nwarm_pool: {enabled: true}\n`).gc.enabled).toBe(true);
  });

  test.each([
    ["unknown: 1\nother: 2\n", ["unknown: unknown key", "other: unknown key"]],
    ["server: {port: abc}\ngc: {interval_seconds: -1}\n", ["server.port", "gc.interval_seconds"]],
    ["profiles: []\n", ["profiles: "]],
    ["profiles: [{image: x}]\n", ["profiles.0.id"]],
    ["profiles: [{id: a}, {id: a}]\n", ['profiles.1.id: the profile "a" is there twice']],
    [
      "profiles: [{id: a, containers: [{name: x, image: i}, {name: x, image: i}]}]\n",
      ["profiles.0.containers: two containers"],
    ],
    ["browser_service: {enabled: true}\n", ["browser_service.enabled: there is no browser service"]],
    ["cargo: {mount_path: /data}\n", ["cargo.mount_path"]],
    ["security: {api_key: 5}\n", ["security.api_key"]],
  ])("%j is refused and every problem is named", (content, wanted) => {
    const found = problems(K8S + content);
    expect(found).toHaveLength(wanted.length);
    wanted.forEach((start) => {
      expect(found).toContainEqual(expect.stringContaining(start));
    });
  });

  test.each([
    ["", ['driver.type: this Bay runs sandboxes on Kubernetes only; wanted "k8s"']],
    ["- a list\n", ["wanted a mapping at the top level"]],
    ["a: [\n", [expect.stringContaining("cannot be read")]],
  ])("%j is refused", (content, wanted) => {
    expect(problems(content)).toEqual(
      wanted.map((each) => (typeof each === "string" ? expect.stringContaining(each.slice(0, 12)) : each)),
    );
  });

  test("a missing file is named", () => {
    expect(() => loadConfig({ BAY_CONFIG_FILE: path.join(folder, "none.yaml") })).toThrow(
      /none\.yaml: 1 problem\n {2}- cannot be read: ENOENT/,
    );
  });

  test("a wrong API key is not printed", () => {
    expect(problems(`${K8S}security: {api_key: [planted-secret]}\n`).join()).not.toContain("planted-secret");
  });

  test("containers of a profile: union of capabilities, primary, routing, layered variables and proxy", () => {
    const config = configSchema.parse({
      driver: { type: "k8s" },
      proxy: { enabled: true, http_proxy: "http://global", https_proxy: "http://tls" },
      profiles: [
        {
          id: "multi",
          env: { A: "profile", B: "profile" },
          proxy: { http_proxy: "http://profile" },
          containers: [
            {
              name: "web",
              image: "gull",
              runtime_type: "gull",
              runtime_port: 8115,
              capabilities: ["browser", "filesystem"],
              env: { A: "container" },
              proxy: { http_proxy: "http://container" },
            },
            { name: "ship", image: "ship", capabilities: ["python", "filesystem"], primary_for: ["filesystem"] },
          ],
        },
        { id: "direct", proxy: { enabled: false } },
      ],
    });
    const [multi, direct] = [...profilesOf(config).values()] as [
      ReturnType<typeof profilesOf> extends Map<string, infer P> ? P : never,
      never,
    ];
    expect(multi).toMatchObject({
      multi: true,
      capabilities: ["browser", "filesystem", "python"],
      primary: { name: "ship" },
    });
    expect([
      containerFor(multi, "filesystem").name,
      containerFor(multi, "browser").name,
      containerFor(multi, "python").name,
    ]).toEqual(["ship", "web", "ship"]);
    expect(multi.containers[0]!.env).toMatchObject({
      A: "container",
      B: "profile",
      http_proxy: "http://container",
      HTTP_PROXY: "http://container",
      https_proxy: "http://tls",
      NO_PROXY: expect.stringContaining("localhost"),
    });
    expect(multi.containers[1]!.env).toMatchObject({ http_proxy: "http://profile" });
    expect((direct as typeof multi).primary.env).toEqual({});
  });
});
