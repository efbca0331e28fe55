import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { BayEnvironment, endOnRejection, PORT } from "bay-e2e/components";

endOnRejection();
const config = new pulumi.Config();
const kubeconfig = config.requireSecret("kubeconfig");
const images = { bayImage: config.require("bayImage"), shipImage: config.require("shipImage") };

const provider = new k8s.Provider("cluster", { kubeconfig });

/** A Bay of a team's own: its labels on all that is made, and its container beside Bay. */
function bayOf(team: string): BayEnvironment {
  return new BayEnvironment(
    team,
    {
      namespace: `bay-${team}`,
      ...images,
      kubeconfig,
      labels: { "example.com/team": team },
      parts: {
        bay: {
          transform: {
            pod: ({ metadata, spec }) => {
              metadata.annotations["example.com/contact"] = `${team}@example.com`;
              spec.containers.push(watcher(images.shipImage));
            },
          },
        },
      },
    },
    { provider },
  );
}

/** Writes a line to its log whenever Bay does not answer; containers of a pod share their localhost. */
function watcher(image: string): k8s.types.input.core.v1.Container {
  const watch = `trap 'exit 0' TERM
    while :; do
      curl --silent --fail --output /dev/null http://127.0.0.1:${PORT}/health || echo "$(date -u +%FT%TZ) Bay does not answer"
      sleep 10 & wait $!
    done`;
  return {
    name: "watcher",
    image,
    command: ["/bin/sh", "-c", watch],
    resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
  };
}

const blue = bayOf("blue");
const green = bayOf("green");

/** What a client of each Bay needs: a port-forward leads to namespace, pod and port. */
export const bays = {
  blue: { namespace: blue.namespace, pod: blue.pod, port: blue.port },
  green: { namespace: green.namespace, pod: green.pod, port: green.port },
};
export const apiKeys = pulumi.secret({ blue: blue.apiKey, green: green.apiKey });
