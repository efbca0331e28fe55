import { uniqueName } from "../../support/names";

/** A pod as the Kubernetes API takes it. */
export interface Pod {
  apiVersion: "v1";
  kind: "Pod";
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: { containers: [Record<string, unknown>]; [key: string]: unknown };
}

/** The annotation by which a pod asks for a restore. */
const RESTORE = "runc-cr.dev/restore";

/**
 * What all pods here have: the runtime where it is asked for, no token, an end within a second, and an image that is on
 * the node.
 */
function pod(
  prefix: string,
  image: string,
  runtimeClassName: string | undefined,
  container: Record<string, unknown>,
  spec: Record<string, unknown> = {},
): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: uniqueName(prefix) },
    spec: {
      ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // With 0 a pod is gone for the API while its processes still end.
      terminationGracePeriodSeconds: 1,
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          name: "app",
          image,
          imagePullPolicy: "IfNotPresent",
          // Root, as a host without CAP_SYS_RESOURCE can dump no other; for the rest as locked down as a sandbox.
          securityContext: {
            runAsUser: 0,
            runAsNonRoot: false,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            seccompProfile: { type: "RuntimeDefault" },
          },
          ...container,
        },
      ],
      ...spec,
    },
  };
}

/** Makes a pod of an image that has bash and Python. */
export type Make = (image: string, runtimeClass?: string) => Pod;

/** Says a random word, that stands nowhere but in its memory, and a number that grows, in each line of its log. */
export const counter: Make = (image, runtimeClass) =>
  pod("counter", image, runtimeClass, {
    command: [
      "bash",
      "-c",
      `word=$RANDOM$RANDOM; echo "$RANDOM" > /marker; rm /etc/debian_version; mkdir /made; ln /marker /made/same
    i=0; while :; do i=$((i+1)); echo "$word $i"; sleep 0.1; done`,
    ],
  });

const SERVER = `
import http.server, os, secrets, socketserver, threading, time
secret, count = secrets.token_hex(16), 0
open("/marker", "w").write(secret[:8])
def grow():
    global count
    while True:
        count += 1
        time.sleep(0.02)
threading.Thread(target=grow, daemon=True).start()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = f"{secret} {count} {open('/marker').read()} {threading.active_count() > 1}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
Server((os.environ["ADDRESS"], 8080), Handler).serve_forever()
`;

/** A server with threads that answers with a secret of its memory, a number that grows, and a file's content. */
export const server =
  (ballastMiB = 0): Make =>
  (image, runtimeClass) =>
    pod("server", image, runtimeClass, {
      command: ["python3", "-c", `import os; ballast = os.urandom(${ballastMiB} << 20)\n${SERVER}`],
      env: [{ name: "ADDRESS", value: "0.0.0.0" }],
      readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
    });

/** The same, listening at its pod's own address only, which no other pod can have. */
export const boundServer: Make = (image, runtimeClass) => {
  const made = server()(image, runtimeClass);
  made.spec.containers[0]["env"] = [{ name: "ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }];
  return made;
};

const FILES = `
import os, time
kept = open("/scratch/open", "w+")
kept.write("open"); kept.flush()
open("/scratch/closed", "w").write("closed")
open("/memory/file", "w").write("memory")
open("/dev/shm/area", "w").write("shared")
print("here", flush=True)
while not os.path.exists("/scratch/go"): time.sleep(0.05)
kept.seek(0)
print("files", kept.read(), *(open(path).read() for path in ("/scratch/closed", "/memory/file", "/dev/shm/area")), flush=True)
time.sleep(1e6)
`;

/** Has files in volumes that live and die with the pod, and tells what is in them when it is asked. */
export const withVolumes: Make = (image, runtimeClass) =>
  pod(
    "volumes",
    image,
    runtimeClass,
    {
      command: ["python3", "-c", FILES],
      volumeMounts: [
        { name: "scratch", mountPath: "/scratch" },
        { name: "memory", mountPath: "/memory" },
      ],
    },
    {
      volumes: [
        { name: "scratch", emptyDir: {} },
        { name: "memory", emptyDir: { medium: "Memory" } },
      ],
    },
  );

const BUSY = `
import secrets
secret, count = secrets.token_hex(8), 0
while True:
    for _ in range(200_000): count += 1
    print(secret, count, flush=True)
`;

/** Never waits: computes, and says a secret of its memory and how far it came. */
export const busy: Make = (image, runtimeClass) =>
  pod("busy", image, runtimeClass, { command: ["python3", "-c", BUSY] });

/**
 * Writes many small files, and says a secret of its memory and how many there are with what they should hold. @param
 * files how many
 */
export const manyFiles =
  (files: number): Make =>
  (image, runtimeClass) =>
    pod("files", image, runtimeClass, {
      command: [
        "python3",
        "-c",
        `
import os, secrets, time
secret, made = secrets.token_hex(8), []
os.makedirs("/many")
for i in range(${files}):
    with open(f"/many/{i}", "w") as file: file.write(f"{secret} {i}")
held = open("/many/0")
while True:
    print(secret, sum(open(f"/many/{i}").read() == f"{secret} {i}" for i in range(${files})), held.seek(0) == 0 and held.read(), flush=True)
    time.sleep(0.2)
`,
      ],
    });

/**
 * Writes a secret of its memory and a number into a file of a claim, which it keeps open, says the line, and goes on
 * when `/data/go` is there: CRIU restores no file that was written on after the dump, and a claim is not put back.
 * @param claim its name
 */
export const withClaim =
  (claim: string): Make =>
  (image, runtimeClass) =>
    pod(
      "claim",
      image,
      runtimeClass,
      {
        command: [
          "python3",
          "-c",
          `
import os, secrets, time
secret, count, file = secrets.token_hex(8), 0, open("/data/lines", "a+")
while True:
    count += 1
    print(secret, count, file=file, flush=True)
    print(secret, count, flush=True)
    while not os.path.exists("/data/go"): time.sleep(0.05)
    time.sleep(0.1)
`,
        ],
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      },
      { volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim } }] },
    );

/** Runs a Python program. */
export const python =
  (program: string, container: Record<string, unknown> = {}): Make =>
  (image, runtimeClass) =>
    pod("python", image, runtimeClass, { command: ["python3", "-c", program], ...container });

/** A pod like another one, under a new name, that is restored from a checkpoint. */
export function restored(from: Pod, checkpoint: string): Pod {
  return {
    ...from,
    metadata: {
      name: uniqueName(from.metadata.name.replace(/-[0-9a-f]+$/, "-restored")),
      annotations: { [RESTORE]: checkpoint },
    },
  };
}

/** A pod like another one that starts afresh: what a restore must be told from. */
export function afresh(from: Pod): Pod {
  return { ...from, metadata: { name: uniqueName(from.metadata.name) } };
}
