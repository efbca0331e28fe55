import { type Make, python } from "../../checkpoint/support/workloads";

/** Who exchanges, what, and in which folder of the container. */
export interface Swap {
  by: "probe" | "exec";
  what: "file" | "folder";
  folder: "/bait" | "/scratch";
}

/** How many pairs of names are exchanged. */
const PAIRS = 40;
/** What the honest files hold. */
const HONEST = { byte: "A", bytes: 1_800 };

/** Makes pairs of an honest thing and a link to the node's, which does not lead anywhere in the container. */
const prepare = ({ what, folder }: Swap, file: string) => `
import os, time
file = ${JSON.stringify(file)}
content = ${JSON.stringify(HONEST.byte)} * ${HONEST.bytes}
os.makedirs(${JSON.stringify(folder)}, exist_ok=True)
os.chdir(${JSON.stringify(folder)})
for i in range(${PAIRS}):
    if ${what === "file" ? "True" : "False"}:
        open(f"thing{i}", "w").write(content)
        os.symlink(file, f"link{i}")
    else:
        os.mkdir(f"thing{i}")
        open(f"thing{i}/{os.path.basename(file)}", "w").write(content)
        os.symlink(os.path.dirname(file), f"link{i}")
print("ready", flush=True)
time.sleep(1e6)
`;

/**
 * Exchanges the two of each pair until \`/stop\` is there, or for some seconds: renameat2 with RENAME_EXCHANGE, by its
 * number.
 */
export const exchange = ({ folder }: Pick<Swap, "folder">, seconds: number): string => `
import ctypes, os, platform, time
call = {"x86_64": 316, "aarch64": 276}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(${JSON.stringify(folder)})
pairs = [(f"thing{i}".encode(), f"link{i}".encode()) for i in range(${PAIRS})]
end, done = time.time() + ${seconds}, 0
while time.time() < end and not os.path.exists("/stop"):
    for a, b in pairs:
        if libc.syscall(call, -100, a, -100, b, 2) != 0: raise OSError(ctypes.get_errno(), "renameat2")
        done += 1
print(done)
`;

/** Says how many regular files below a folder hold anything but what the honest ones hold, and how many do not. */
export const judge = ({ folder }: Swap): string => `
import os
bad = good = 0
for at, _, names in os.walk(${JSON.stringify(folder)}):
    for name in names:
        path = os.path.join(at, name)
        if os.path.islink(path): continue
        if set(open(path).read()) == {${JSON.stringify(HONEST.byte)}}: good += 1
        else: bad += 1
print(bad, good > 0)
`;

/** A pod whose own processes are honest, and whose probe or exec'd process is not. @param file of the node */
export const swapper =
  (swap: Swap, file: string): Make =>
  (image, runtimeClass) => {
    const pod = python(prepare(swap, file), {
      ...(swap.by === "probe"
        ? {
            livenessProbe: {
              exec: { command: ["python3", "-c", exchange(swap, 4)] },
              periodSeconds: 1,
              timeoutSeconds: 30,
              failureThreshold: 100,
            },
          }
        : {}),
      ...(swap.folder === "/scratch" ? { volumeMounts: [{ name: "scratch", mountPath: "/scratch" }] } : {}),
      // A container's ordinary rights.
      securityContext: { runAsUser: 0 },
    })(image, runtimeClass);
    return swap.folder === "/scratch"
      ? { ...pod, spec: { ...pod.spec, volumes: [{ name: "scratch", emptyDir: {} }] } }
      : pod;
  };
