/** The body of "create a container" from the inputs. */
import type { Inputs } from "../../inputs";

const MEBIBYTE = 1024 * 1024;

/** What the daemon is asked to create. */
export function createRequest(inputs: Inputs) {
  const ports = inputs.objects("ports").map((port) => ({
    key: `${port.number("internal") ?? 0}/${port.text("protocol") ?? "tcp"}`,
    HostIp: port.text("ip") ?? "",
    HostPort: port.number("external") === undefined ? "" : String(port.number("external")),
  }));
  return {
    Image: inputs.text("image"),
    Hostname: inputs.text("hostname"),
    Domainname: inputs.text("domainname"),
    User: inputs.text("user"),
    WorkingDir: inputs.text("workingDir"),
    Cmd: nonEmpty(inputs.texts("command")),
    Entrypoint: nonEmpty(inputs.texts("entrypoints")),
    Env: inputs.texts("envs"),
    Labels: inputs.labels(),
    Tty: inputs.flag("tty"),
    OpenStdin: inputs.flag("stdinOpen"),
    StopSignal: inputs.text("stopSignal"),
    StopTimeout: inputs.number("stopTimeout"),
    ExposedPorts: Object.fromEntries(ports.map(({ key }) => [key, {}])),
    Volumes: Object.fromEntries(
      inputs
        .objects("volumes")
        .filter((volume) => !source(volume) && !volume.text("fromContainer"))
        .map((volume) => [volume.text("containerPath") ?? "", {}]),
    ),
    Healthcheck: healthcheck(inputs.object("healthcheck")),
    HostConfig: hostConfig(inputs, ports),
  };
}

/** The part of the settings that can be changed later: restart policy and resources. */
export function updatable(inputs: Inputs) {
  const swap = inputs.number("memorySwap");
  return {
    // A container that removes itself cannot have a policy; the daemon refuses even "no" in an update.
    RestartPolicy: inputs.flag("rm")
      ? undefined
      : { Name: inputs.text("restart") ?? "no", MaximumRetryCount: inputs.number("maxRetryCount") ?? 0 },
    Memory: mebibytes(inputs.number("memory")),
    MemoryReservation: mebibytes(inputs.number("memoryReservation")),
    // -1 means without limit and is not a size.
    MemorySwap: swap !== undefined && swap > 0 ? mebibytes(swap) : swap,
    CpuShares: inputs.number("cpuShares"),
    CpusetCpus: inputs.text("cpuSet"),
    CpuPeriod: inputs.number("cpuPeriod"),
    CpuQuota: inputs.number("cpuQuota"),
    NanoCpus: inputs.text("cpus") ? Math.round(Number(inputs.text("cpus")) * 1e9) : undefined,
  };
}

function hostConfig(inputs: Inputs, ports: { key: string; HostIp: string; HostPort: string }[]) {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { key, ...binding } of ports) (bindings[key] ??= []).push(binding);
  const volumes = inputs.objects("volumes");
  return {
    ...updatable(inputs),
    Privileged: inputs.flag("privileged"),
    PublishAllPorts: inputs.flag("publishAllPorts"),
    AutoRemove: inputs.flag("rm"),
    ReadonlyRootfs: inputs.flag("readOnly"),
    Init: inputs.flag("init"),
    CgroupnsMode: inputs.text("cgroupnsMode"),
    CgroupParent: inputs.text("cgroupParent"),
    IpcMode: inputs.text("ipcMode"),
    PidMode: inputs.text("pidMode"),
    UsernsMode: inputs.text("usernsMode"),
    Runtime: inputs.text("runtime"),
    NetworkMode: inputs.text("networkMode"),
    ShmSize: mebibytes(inputs.number("shmSize")),
    SecurityOpt: inputs.texts("securityOpts"),
    StorageOpt: inputs.map("storageOpts"),
    Sysctls: inputs.map("sysctls"),
    GroupAdd: inputs.texts("groupAdds"),
    Dns: inputs.texts("dns"),
    DnsOptions: inputs.texts("dnsOpts"),
    DnsSearch: inputs.texts("dnsSearches"),
    CapAdd: inputs.object("capabilities")?.texts("adds"),
    CapDrop: inputs.object("capabilities")?.texts("drops"),
    ExtraHosts: inputs.objects("hosts").map((host) => `${host.text("host") ?? ""}:${host.text("ip") ?? ""}`),
    Ulimits: inputs
      .objects("ulimits")
      .map((limit) => ({ Name: limit.text("name"), Soft: limit.number("soft"), Hard: limit.number("hard") })),
    Devices: inputs.objects("devices").map((device) => ({
      PathOnHost: device.text("hostPath"),
      PathInContainer: device.text("containerPath") ?? device.text("hostPath"),
      CgroupPermissions: device.text("permissions") ?? "rwm",
    })),
    LogConfig:
      inputs.text("logDriver") || inputs.map("logOpts")
        ? { Type: inputs.text("logDriver") ?? "", Config: inputs.map("logOpts") ?? {} }
        : undefined,
    PortBindings: bindings,
    Tmpfs: inputs.map("tmpfs"),
    Mounts: inputs.objects("mounts").map(mount),
    Binds: volumes.filter((volume) => source(volume)).map(bind),
    VolumesFrom: volumes.flatMap((volume) => {
      const from = volume.text("fromContainer");
      return from ? [volume.flag("readOnly") ? `${from}:ro` : from] : [];
    }),
  };
}

function source(volume: Inputs): string | undefined {
  return volume.text("volumeName") || volume.text("hostPath");
}

function bind(volume: Inputs): string {
  const options = [volume.flag("readOnly") ? "ro" : "rw", volume.text("selinuxRelabel")].filter(Boolean).join(",");
  return `${source(volume) ?? ""}:${volume.text("containerPath") ?? ""}:${options}`;
}

function mount(wanted: Inputs) {
  const [binding, volume, tmpfs] = [
    wanted.object("bindOptions"),
    wanted.object("volumeOptions"),
    wanted.object("tmpfsOptions"),
  ];
  return {
    Type: wanted.text("type"),
    Source: wanted.text("source"),
    Target: wanted.text("target"),
    ReadOnly: wanted.flag("readOnly"),
    BindOptions: binding && { Propagation: binding.text("propagation") },
    VolumeOptions: volume && {
      NoCopy: volume.flag("noCopy"),
      Labels: volume.labels(),
      Subpath: volume.text("subpath"),
      DriverConfig: volume.text("driverName")
        ? { Name: volume.text("driverName"), Options: volume.map("driverOptions") }
        : undefined,
    },
    TmpfsOptions: tmpfs && { SizeBytes: tmpfs.number("sizeBytes"), Mode: tmpfs.number("mode") },
  };
}

function healthcheck(wanted: Inputs | undefined) {
  if (!wanted) return undefined;
  const time = (key: string): number => nanoseconds(wanted.text(key) ?? "0s");
  return {
    Test: wanted.texts("tests"),
    Interval: time("interval"),
    Timeout: time("timeout"),
    StartPeriod: time("startPeriod"),
    StartInterval: time("startInterval"),
    Retries: wanted.number("retries"),
  };
}

const UNITS: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** A duration as Go writes it (`1m30s`, `500ms`) in nanoseconds. @throws Error when it is none. */
export function nanoseconds(duration: string): number {
  if (!/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(duration))
    throw new Error(`${JSON.stringify(duration)} is not a duration such as 500ms or 1m30s`);
  return [...duration.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ""] ?? 0),
    0,
  );
}

function mebibytes(count: number | undefined): number | undefined {
  return count === undefined ? undefined : count * MEBIBYTE;
}

function nonEmpty(words: string[] | undefined): string[] | undefined {
  return words && words.length > 0 ? words : undefined;
}
