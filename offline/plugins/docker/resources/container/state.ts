/** The outputs of `docker.Container`: what the daemon tells, and for the rest the inputs. */
import type { Value, ValueMap } from "../../../rpc";
import type { Inputs } from "../../inputs";

const MEBIBYTE = 1024 * 1024;

interface Endpoint {
  Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  MacAddress: string;
}

/** The parts of the daemon's answer that are used here. */
export interface ContainerInspect {
  Id: string;
  Name: string;
  Platform: string;
  State: {
    Running: boolean;
    Status: string;
    ExitCode: number;
    Error: string;
    Health?: { Status: string; Log?: { Output: string }[] | null };
  };
  Config: {
    Image: string;
    Hostname: string;
    Domainname: string;
    Cmd: string[] | null;
    Entrypoint: string[] | null;
    User: string;
    WorkingDir: string;
    Tty: boolean;
    OpenStdin: boolean;
    StopSignal?: string;
    StopTimeout?: number;
  };
  HostConfig: {
    AutoRemove: boolean;
    CgroupnsMode: string;
    CpusetCpus: string;
    CpuShares: number;
    Init?: boolean | null;
    IpcMode: string;
    LogConfig: { Type: string };
    Memory: number;
    MemoryReservation: number;
    MemorySwap: number;
    NetworkMode: string;
    Privileged: boolean;
    PublishAllPorts: boolean;
    ReadonlyRootfs: boolean;
    RestartPolicy: { Name: string; MaximumRetryCount: number };
    Runtime: string;
    SecurityOpt: string[] | null;
    ShmSize: number;
    UsernsMode: string;
  };
  NetworkSettings: {
    Bridge: string;
    Ports?: Record<string, { HostIp: string; HostPort: string }[] | null> | null;
    Networks: Record<string, Endpoint> | null;
  };
}

/** The outputs, in the shape of the official plugin. `logs` is the container's output when the program asked for it. */
export function outputsOf(found: ContainerInspect, inputs: Inputs, logs: string | null = null): ValueMap {
  return {
    ...fromInputs(inputs),
    ...fromDaemon(found),
    containerLogs: logs,
    ports: ports(found, inputs),
    healthcheck: inputs.output("healthcheck"),
  };
}

/** Inputs that the daemon stores in another form or not at all, and what stands in the state without them. */
const INPUT_DEFAULTS: ValueMap = {
  attach: false,
  capabilities: null,
  cgroupParent: null,
  containerReadRefreshTimeoutMilliseconds: null,
  cpuPeriod: null,
  cpuQuota: null,
  cpus: null,
  destroyGraceSeconds: null,
  devices: [],
  dns: null,
  dnsOpts: null,
  dnsSearches: null,
  envs: [],
  groupAdds: null,
  hosts: [],
  labels: [],
  logOpts: null,
  logs: false,
  mounts: [],
  mustRun: true,
  networksAdvanced: [],
  pidMode: null,
  removeVolumes: true,
  start: true,
  storageOpts: null,
  sysctls: null,
  tmpfs: null,
  ulimits: [],
  uploads: [],
  wait: false,
  waitTimeout: null,
};

function fromInputs(inputs: Inputs): ValueMap {
  const outputs: ValueMap = {
    __meta:
      '{"e2bfb730-ecaa-11e6-8f88-34363bc7c4c0":{"create":1200000000000,"delete":1200000000000,"update":1200000000000},"schema_version":"2"}',
    deviceReadBps: [],
    deviceReadIops: [],
    deviceRequests: [],
    deviceWriteBps: [],
    deviceWriteIops: [],
    gpus: null,
  };
  for (const [key, absent] of Object.entries(INPUT_DEFAULTS)) outputs[key] = inputs.output(key) ?? absent;
  outputs.volumes = inputs.objects("volumes").map((volume) => ({
    containerPath: volume.text("containerPath") ?? "",
    fromContainer: volume.text("fromContainer") ?? "",
    hostPath: volume.text("hostPath") ?? "",
    readOnly: volume.flag("readOnly") ?? null,
    selinuxRelabel: volume.text("selinuxRelabel") ?? "",
    volumeName: volume.text("volumeName") ?? "",
  }));
  return outputs;
}

function fromDaemon({ Id, Name, Platform, State, Config, HostConfig, NetworkSettings }: ContainerInspect): ValueMap {
  return {
    id: Id,
    name: Name.replace(/^\//, ""),
    platform: Platform,
    image: Config.Image,
    hostname: Config.Hostname,
    domainname: Config.Domainname,
    command: Config.Cmd ?? [],
    entrypoints: Config.Entrypoint ?? [],
    user: Config.User,
    workingDir: Config.WorkingDir,
    tty: Config.Tty,
    stdinOpen: Config.OpenStdin,
    stopSignal: Config.StopSignal ?? "",
    stopTimeout: Config.StopTimeout ?? 0,
    exitCode: State.Running ? null : State.ExitCode,
    rm: HostConfig.AutoRemove,
    readOnly: HostConfig.ReadonlyRootfs,
    init: HostConfig.Init ?? false,
    privileged: HostConfig.Privileged,
    publishAllPorts: HostConfig.PublishAllPorts,
    restart: HostConfig.RestartPolicy.Name || "no",
    maxRetryCount: HostConfig.RestartPolicy.MaximumRetryCount,
    runtime: HostConfig.Runtime,
    securityOpts: HostConfig.SecurityOpt ?? [],
    cgroupnsMode: HostConfig.CgroupnsMode,
    ipcMode: HostConfig.IpcMode,
    usernsMode: HostConfig.UsernsMode,
    networkMode: HostConfig.NetworkMode,
    logDriver: HostConfig.LogConfig.Type,
    ...limits(HostConfig),
    bridge: NetworkSettings.Bridge,
    networkDatas: Object.entries(NetworkSettings.Networks ?? {}).map(([networkName, network]) => ({
      gateway: network.Gateway,
      globalIpv6Address: network.GlobalIPv6Address,
      globalIpv6PrefixLength: network.GlobalIPv6PrefixLen,
      ipAddress: network.IPAddress,
      ipPrefixLength: network.IPPrefixLen,
      ipv6Gateway: network.IPv6Gateway,
      macAddress: network.MacAddress,
      networkName,
    })),
  };
}

function limits(host: ContainerInspect["HostConfig"]): ValueMap {
  return {
    memory: host.Memory / MEBIBYTE,
    memoryReservation: host.MemoryReservation / MEBIBYTE,
    memorySwap: host.MemorySwap > 0 ? host.MemorySwap / MEBIBYTE : host.MemorySwap,
    shmSize: host.ShmSize / MEBIBYTE,
    cpuShares: host.CpuShares,
    cpuSet: host.CpusetCpus,
  };
}

/** In the order of the inputs, with the host's ports filled in. */
function ports(found: ContainerInspect, inputs: Inputs): Value {
  return inputs.objects("ports").map((port) => {
    const [internal, protocol, ip] = [
      port.number("internal") ?? 0,
      port.text("protocol") ?? "tcp",
      port.text("ip") ?? "0.0.0.0",
    ];
    const bindings = found.NetworkSettings.Ports?.[`${internal}/${protocol}`] ?? [];
    const wanted = port.number("external");
    const binding = bindings.find(
      ({ HostIp, HostPort }) => HostIp === ip && (wanted === undefined || HostPort === String(wanted)),
    );
    return { external: binding ? Number(binding.HostPort) : (wanted ?? null), internal, ip, protocol };
  });
}

/** The inputs with the settings that somebody changed by `docker update`; only those that the program gave. */
export function driftedInputs(found: ContainerInspect, inputs: Inputs): ValueMap {
  const real: ValueMap = {
    restart: found.HostConfig.RestartPolicy.Name || "no",
    maxRetryCount: found.HostConfig.RestartPolicy.MaximumRetryCount,
    ...limits(found.HostConfig),
  };
  delete real.shmSize;
  if (!("name" in inputs.values))
    return { ...inputs.values, name: found.Name.replace(/^\//, ""), image: found.Config.Image, __defaults: [] };
  return Object.fromEntries(Object.entries(inputs.values).map(([key, value]) => [key, real[key] ?? value]));
}
