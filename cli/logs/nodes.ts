import { spawn } from "node:child_process";
import { tail, tryRun } from "../../infra/support/exec";
import { Lines, type LogOptions, type LogSource } from "./source";

/** Where a node keeps its kubelet's log, when it is not its container's own output. */
type KubeletLog = "journal" | "file" | "none";

/** The logs of a node that is a container of this host: what the container prints, and its kubelet's. */
export async function nodeSources(container: string): Promise<LogSource[]> {
  const kubelet = await findKubeletLog(container);
  const own: LogSource = {
    name: container,
    read: (options, line, signal) => pipe(containerLog(container, options), line, signal),
  };
  if (kubelet === "none") return [own];
  return [
    own,
    {
      name: `${container}/kubelet`,
      read: (options, line, signal) => pipe(kubeletLog(container, kubelet, options), line, signal),
    },
  ];
}

/** @throws Error for `previous`: a container that was restarted goes on with its log */
export function containerLog(
  container: string,
  { follow, previous, since, tail: lines }: LogOptions,
): [string, ...string[]] {
  if (previous) throw new Error("a node's container has one log over all its runs: leave --previous out");
  return [
    "docker",
    "logs",
    "--tail",
    String(lines),
    ...(since ? ["--since", `${since}s`] : []),
    ...(follow ? ["--follow"] : []),
    container,
  ];
}

/** A file has no index by time, so `since` counts for a journal only. */
export function kubeletLog(
  container: string,
  place: "journal" | "file",
  { follow, previous, since, tail: lines }: LogOptions,
): [string, ...string[]] {
  if (previous) throw new Error("a kubelet has one log over all its runs: leave --previous out");
  const command =
    place === "journal"
      ? `journalctl --unit kubelet --no-pager --output cat --lines ${lines}${since ? ` --since -${since}s` : ""}${follow ? " --follow" : ""}`
      : `tail -n ${lines}${follow ? " -F" : ""} /var/log/kubelet.log`;
  // What runs in a container outlives the `docker exec` that started it; this one ends with its standard input.
  return [
    "docker",
    "exec",
    "-i",
    container,
    "sh",
    "-c",
    follow ? `${command} & reader=$!; cat > /dev/null; kill $reader` : `exec ${command}`,
  ];
}

async function findKubeletLog(container: string): Promise<KubeletLog> {
  const { stdout } = await tryRun(
    [
      "docker",
      "exec",
      container,
      "sh",
      "-c",
      "if command -v journalctl > /dev/null; then echo journal; elif [ -f /var/log/kubelet.log ]; then echo file; else echo none; fi",
    ],
    { timeout: 8_000 },
  );
  return (["journal", "file"] as const).find((place) => place === stdout.trim()) ?? "none";
}

/** Runs a command whose both outputs are the log; its standard input is held open until the signal fires. */
function pipe(argv: [string, ...string[]], line: (text: string) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ["pipe", "pipe", "pipe"] });
    const outputs = [child.stdout, child.stderr].map((stream) => {
      const lines = new Lines(line);
      stream.on("data", (chunk: Buffer) => {
        lines.add(chunk);
      });
      return lines;
    });
    let last = "";
    child.stderr.on("data", (chunk: Buffer) => {
      last = tail(chunk.toString(), 1);
    });
    const stop = () => {
      child.stdin.end();
      if (argv[1] === "logs") child.kill();
    };
    signal.addEventListener("abort", stop);
    child.stdin.on("error", () => undefined);
    child.on("error", reject);
    child.on("close", (code) => {
      signal.removeEventListener("abort", stop);
      for (const lines of outputs) lines.end();
      if (code === 0 || signal.aborted) resolve();
      else reject(new Error(last || `${argv[0]} ended with ${code ?? "a signal"}`));
    });
  });
}
