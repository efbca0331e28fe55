import { Secret } from "../../rpc";
import { CONTAINER, docker, LABELS, NETWORK, programImage, Resource, Scope, unique, VOLUME } from "./support";

const suite = new Scope();
let image: string;
let scope: Scope;
beforeAll(async () => {
  image = await programImage(suite);
}, 60_000);
afterAll(() => suite.clean());
beforeEach(() => {
  scope = new Scope();
});
afterEach(() => scope.clean());

function inspect<T>(id: string, format: string): T {
  return JSON.parse(docker("inspect", "--format", `{{json ${format}}}`, id)) as T;
}

test("a container runs with the options of its inputs, and its outputs tell the host's port", async () => {
  const name = unique("ctr");
  const volume = await scope.resource(VOLUME).create({ name: unique("vol"), labels: LABELS });
  const container = await scope.resource(CONTAINER).create({
    name,
    image,
    labels: LABELS,
    envs: ["A=1", "B=2"],
    privileged: true,
    cgroupnsMode: "private",
    hostname: "node-1",
    restart: "on-failure",
    maxRetryCount: 3,
    ports: [
      { internal: 8080, ip: "127.0.0.1" },
      { internal: 53, ip: "127.0.0.1", protocol: "udp" },
    ],
    tmpfs: { "/run": "", "/tmp": "size=1m" },
    memory: 64,
    shmSize: 8,
    volumes: [{ volumeName: volume.id, containerPath: "/data", readOnly: true }, { containerPath: "/anonymous" }],
    hosts: [{ host: "other", ip: "10.0.0.1" }],
    sysctls: { "net.ipv4.ip_forward": "1" },
    ulimits: [{ name: "nofile", soft: 100, hard: 200 }],
    capabilities: { adds: ["NET_ADMIN"] },
    workingDir: "/",
    init: false,
    mounts: [{ type: "tmpfs", target: "/mnt", tmpfsOptions: { sizeBytes: 4096 } }],
    securityOpts: ["seccomp=unconfined"],
    command: ["/program", "x"],
  });
  const host = inspect<Record<string, unknown>>(container.id, ".HostConfig");
  expect(host).toMatchObject({
    Privileged: true,
    CgroupnsMode: "private",
    RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 },
    Tmpfs: { "/run": "", "/tmp": "size=1m" },
    Memory: 64 << 20,
    ShmSize: 8 << 20,
    Binds: [`${volume.id}:/data:ro`],
    ExtraHosts: ["other:10.0.0.1"],
    Sysctls: { "net.ipv4.ip_forward": "1" },
    CapAdd: ["NET_ADMIN"],
    Ulimits: [{ Name: "nofile", Soft: 100, Hard: 200 }],
  });
  expect(host.Mounts).toEqual([
    expect.objectContaining({ Type: "tmpfs", Target: "/mnt", TmpfsOptions: { SizeBytes: 4096 } }),
  ]);
  expect(inspect<Record<string, unknown>>(container.id, ".Config")).toMatchObject({
    Hostname: "node-1",
    Env: expect.arrayContaining(["A=1", "B=2"]) as string[],
    Labels: { "bay-e2e.test": "docker-plugin" },
  });
  const published = inspect<Record<string, { HostPort: string }[]>>(container.id, ".NetworkSettings.Ports");
  expect(container.outputs).toMatchObject({
    id: container.id,
    name,
    hostname: "node-1",
    command: ["/program", "x"],
    exitCode: null,
    mustRun: true,
    ports: [
      { internal: 8080, ip: "127.0.0.1", protocol: "tcp", external: Number(published["8080/tcp"]![0]!.HostPort) },
      { internal: 53, ip: "127.0.0.1", protocol: "udp", external: Number(published["53/udp"]![0]!.HostPort) },
    ],
  });
  const anonymous = inspect<{ Type: string; Name: string; Destination: string }[]>(container.id, ".Mounts").find(
    ({ Destination }) => Destination === "/anonymous",
  )!.Name;
  await container.delete();
  expect(() => docker("inspect", name)).toThrow("No such object");
  expect(() => docker("volume", "inspect", anonymous)).toThrow("no such volume");
  expect(docker("volume", "inspect", "--format", "{{.Name}}", volume.id)).toBe(volume.id);
}, 30_000);

test("a container that dies at once is an error with its last lines, and nothing of it is left", async () => {
  const name = unique("dies");
  const created = scope.resource(CONTAINER).create({ name, image, command: ["/program", "fail"], labels: LABELS });
  await expect(created).rejects.toThrow(
    /exited immediately: .* ended with exit code 3\nlast lines of its output:\nabout to fail\nsecret is absent/,
  );
  expect(() => docker("inspect", name)).toThrow("No such object");
}, 30_000);

test("a secret in the environment is secret in the outputs and is not in an error", async () => {
  const token = "s3cr3t-token-value";
  const container = await scope
    .resource(CONTAINER)
    .create({ name: unique("ctr"), image, envs: ["A=1", new Secret(`TOKEN=${token}`)], labels: LABELS });
  expect(container.outputs.envs).toEqual(["A=1", new Secret(`TOKEN=${token}`)]);
  expect((await container.refresh()) as object).toMatchObject({
    properties: { envs: ["A=1", new Secret(`TOKEN=${token}`)] },
  });
  const failed = scope
    .resource(CONTAINER)
    .create({ name: unique("ctr"), image, command: ["/program", "fail"], envs: [new Secret(`TOKEN=${token}`)] });
  const error: Error = await failed.then(
    () => {
      throw new Error("it was created");
    },
    (reason: Error) => reason,
  );
  expect(error.message).toContain("secret is [secret]");
  expect(error.message).not.toContain(token);
}, 30_000);

test("an image that is nowhere is named in the error", async () => {
  const missing = "127.0.0.1:1/no/such-image:1";
  await expect(scope.resource(CONTAINER).create({ name: unique("ctr"), image: missing })).rejects.toThrow(
    `Unable to create container with image ${missing}: unable to find or pull image ${missing}: `,
  );
}, 30_000);

test("a port that is taken is named in the error, and no container is left that holds the name", async () => {
  const first = await scope
    .resource(CONTAINER)
    .create({ name: unique("ctr"), image, ports: [{ internal: 80, ip: "127.0.0.1" }], labels: LABELS });
  const external = (first.outputs.ports as { external: number }[])[0]!.external;
  const name = unique("ctr");
  await expect(
    scope.resource(CONTAINER).create({ name, image, ports: [{ internal: 80, external, ip: "127.0.0.1" }] }),
  ).rejects.toThrow(`${external}`);
  expect(() => docker("inspect", name)).toThrow("No such object");
}, 30_000);

test("refresh: a container that was removed is gone; one that must run and was stopped is removed and gone", async () => {
  const container = await scope.resource(CONTAINER).create({ name: unique("ctr"), image, labels: LABELS });
  expect((await container.refresh()).id).toBe(container.id);
  docker("stop", "--time", "0", container.id);
  expect(await container.refresh()).toEqual({});
  expect(docker("ps", "--all", "--quiet", "--filter", `name=${String(container.outputs.name)}-`)).toBe("");
}, 30_000);

test("a container that need not run may end, and its exit code is told", async () => {
  const container = await scope.resource(CONTAINER).create({
    name: unique("ctr"),
    image,
    mustRun: false,
    attach: true,
    logs: true,
    command: ["/program", "print", "hello"],
    labels: LABELS,
  });
  expect(container.outputs).toMatchObject({ exitCode: 0, containerLogs: "hello\n" });
  expect((await container.refresh()).id).toBe(container.id);
}, 30_000);

test("refresh shows what docker update changed, and the next update puts it right in place", async () => {
  const wanted = { name: unique("ctr"), image, memory: 64, restart: "no", labels: LABELS };
  const container = await scope.resource(CONTAINER).create(wanted);
  docker("update", "--restart", "always", "--memory", "128m", "--memory-swap", "256m", container.id);
  await container.refresh();
  expect(await container.diff(wanted)).toMatchObject({
    detailed: { memory: { kind: "update" }, restart: { kind: "update" } },
    replaces: [],
  });
  await container.update(wanted);
  expect(inspect(container.id, ".HostConfig")).toMatchObject({ Memory: 64 << 20, RestartPolicy: { Name: "no" } });
  expect((await container.diff(wanted)).changes).toBe(false);
}, 30_000);

test("what does not take effect before a replacement is said in a warning", async () => {
  const wanted = { name: unique("ctr"), image, labels: LABELS };
  const container = await scope.resource(CONTAINER).create(wanted);
  await container.update({ ...wanted, tmpfs: { "/run": "" } });
  expect(container.lines).toContain(
    "tmpfs of a container that exists cannot be changed; the new value counts from its next replacement on",
  );
}, 30_000);

test("files are put into the container before it starts", async () => {
  const container = await scope.resource(CONTAINER).create({
    name: unique("ctr"),
    image,
    uploads: [
      { file: "/etc/a.txt", content: "ä" },
      { file: "/b", contentBase64: Buffer.from([0, 255]).toString("base64"), executable: true },
    ],
    labels: LABELS,
  });
  expect(docker("cp", `${container.id}:/etc/a.txt`, "-")).toContain("ä");
  await expect(
    scope.resource(CONTAINER).create({ name: unique("ctr"), image, uploads: [{ file: "/a" }] }),
  ).rejects.toThrow("the upload of /a needs one of content, contentBase64 and source");
}, 30_000);

test("named networks take the place of the bridge, and a network goes when its containers are gone", async () => {
  const network = await scope
    .resource(NETWORK)
    .create({ name: unique("net"), internal: true, labels: LABELS, ipamConfigs: [{ subnet: "10.213.7.0/24" }] });
  expect(network.outputs).toMatchObject({
    driver: "bridge",
    internal: true,
    scope: "local",
    ipamDriver: "default",
    ipamConfigs: [{ subnet: "10.213.7.0/24" }],
  });
  const container = await scope.resource(CONTAINER).create({
    name: unique("ctr"),
    image,
    labels: LABELS,
    networksAdvanced: [{ name: network.id, aliases: ["me"], ipv4Address: "10.213.7.9" }],
  });
  expect(container.outputs.networkDatas).toEqual([
    expect.objectContaining({ networkName: network.outputs.name, ipAddress: "10.213.7.9" }),
  ]);
  await container.delete();
  const { id } = network;
  await network.delete();
  expect(() => docker("network", "inspect", id)).toThrow("not found");
}, 30_000);

test("waiting for health ends with health, and at its deadline tells the last check", async () => {
  const base = { image, labels: LABELS, wait: true, waitTimeout: 20 };
  const healthy = await scope.resource(CONTAINER).create({
    ...base,
    name: unique("ctr"),
    healthcheck: {
      tests: ["CMD", "/program", "print", "fine"],
      interval: "100ms",
      startPeriod: "1s",
      startInterval: "100ms",
    },
  });
  expect(inspect(healthy.id, ".State.Health.Status")).toBe("healthy");
  const sick = scope.resource(CONTAINER).create({
    ...base,
    waitTimeout: 2,
    name: unique("ctr"),
    healthcheck: { tests: ["CMD", "/program", "fail"], interval: "100ms", retries: 2 },
  });
  await expect(sick).rejects.toThrow(
    /waited 2 s until container .* is healthy: it is \w+; the last check said: about to fail/,
  );
}, 60_000);

test("cancelling while a container is waited for ends the creation and leaves nothing", async () => {
  const name = unique("ctr");
  const resource = new Resource(CONTAINER);
  const created = resource.create({
    name,
    image,
    labels: LABELS,
    wait: true,
    healthcheck: { tests: ["CMD", "/program", "fail"], interval: "1s", startPeriod: "60s" },
  });
  await running(name);
  resource.cancel();
  await expect(created).rejects.toThrow(/cancel|abort/i);
  expect(() => docker("inspect", name)).toThrow("No such object");
}, 30_000);

/** Resolves when the container runs; the test's own deadline ends a vain wait. */
async function running(name: string): Promise<void> {
  while (docker("ps", "--quiet", "--filter", `name=${name}`) === "")
    await new Promise((resolve) => setTimeout(resolve, 50));
}
