import type { V1Pod } from "@kubernetes/client-node";

/** A process whose memory is filled to a size. */
export interface Size {
  /** As people call it. */
  name: string;
  /** Bytes that are laid on top of what Python has by itself, which is about ten megabytes. */
  ballast: number;
}

export const SIZES: readonly Size[] = [
  { name: "10 MB", ballast: 0 },
  { name: "100 MB", ballast: 90_000_000 },
  { name: "500 MB", ballast: 490_000_000 },
];

/**
 * Rounds of sha256 before the server listens: a start that takes seconds, as that of programs with something to load or
 * to learn.
 */
const WARM_UP = 6_000_000;

/** Port of the server. */
export const PORT = 8080;

/** Warms up, fills its memory with what cannot be packed, then answers with a word that stands in its memory alone. */
const PROGRAM = `
import hashlib, http.server, os, secrets, sys
word, digest = secrets.token_hex(16), b""
for _ in range(int(sys.argv[1])): digest = hashlib.sha256(digest).digest()
ballast = os.urandom(int(sys.argv[2]))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(word)))
        self.end_headers()
        self.wfile.write(word.encode())
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("0.0.0.0", ${PORT}), Handler).serve_forever()
`;

/** Label by which the pods of one sample are watched. */
export const SAMPLE_LABEL = "bench-sample";

/** The pod of one sample, of a class that can restore it: a cold start of the same is what it is compared with. */
export function warmServer(image: string, { ballast }: Size, sample: string): V1Pod {
  return {
    metadata: { name: sample, labels: { [SAMPLE_LABEL]: sample } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "server",
          image,
          imagePullPolicy: "IfNotPresent",
          command: ["python3", "-c", PROGRAM, String(WARM_UP), String(ballast)],
          readinessProbe: { httpGet: { path: "/", port: PORT }, periodSeconds: 1 },
          // Root, as a host without CAP_SYS_RESOURCE can dump no other.
          securityContext: {
            runAsUser: 0,
            runAsNonRoot: false,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            seccompProfile: { type: "RuntimeDefault" },
          },
        },
      ],
    },
  };
}
