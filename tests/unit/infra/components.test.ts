import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { BayEnvironment, type BayEnvironmentArgs } from "../../../infra/components";
import { Access } from "../../../infra/components/access";
import { Bay } from "../../../infra/components/bay";
import { BayConfig } from "../../../infra/components/bay-config";
import { Namespace } from "../../../infra/components/namespace";
import { Network } from "../../../infra/components/network";
import { FORMER_NAMES } from "../../../infra/former-names";

/** What is read here of an object's arguments. */
interface Inputs {
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  data: Record<string, string>;
  rules: { resources: string[] }[];
  spec?: { ingress?: object[]; containers: { name: string; ports: object[] }[] };
}
const declared: { type: string; name: string; inputs: Inputs }[] = [];

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        if (!args.type.startsWith("bay-e2e:"))
          declared.push({ type: args.type, name: args.name, inputs: args.inputs as Inputs });
        return { id: `${args.name}-id`, state: args.inputs as Record<string, unknown> };
      },
      call: () => ({}),
    },
    "others",
    "dev",
    false,
  );
});

beforeEach(() => {
  declared.length = 0;
});

const IMAGES = { bayImage: "bay@sha256:1", shipImage: "ship@sha256:2" };

async function environment(name: string, more: Partial<BayEnvironmentArgs> = {}): Promise<void> {
  new BayEnvironment(name, { namespace: name, ...IMAGES, ...more });
  await pulumi.runtime.disconnect();
}

const one = (kind: string) => declared.find(({ type }) => type.endsWith(`:${kind}`))!.inputs;
const configuration = () => parse(one("ConfigMap").data["config.yaml"]!) as unknown;

describe("a Bay in a program of somebody else", () => {
  test("needs a name, a namespace and two images", async () => {
    await environment("blue");
    expect(declared.map(({ type }) => type.split(":").pop()).sort()).toEqual([
      "ConfigMap",
      "Namespace",
      "NetworkPolicy",
      "NetworkPolicy",
      "NetworkPolicy",
      "PersistentVolumeClaim",
      "Pod",
      "Role",
      "RoleBinding",
      "Secret",
      "Secret",
      "ServiceAccount",
    ]);
    expect(new Set(declared.map(({ inputs }) => inputs.metadata.namespace ?? inputs.metadata.name))).toEqual(
      new Set(["blue"]),
    );
  });

  test("can be there twice: no resource of one has the name of another's", async () => {
    await environment("blue");
    await environment("green");
    const names = declared.map(({ type, name }) => `${type} ${name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test("collects its sandboxes by itself, and has one profile without the suite's variables", async () => {
    await environment("blue");
    const config = configuration() as { gc: object; profiles: { id: string; env: object }[] };
    expect(config.gc).toMatchObject({ enabled: true });
    expect(config.profiles).toEqual([expect.objectContaining({ id: "python-default", env: {} })]);
  });

  test("puts a team's labels on each object, and none where none are given", async () => {
    await environment("blue", { labels: { team: "blue" } });
    expect(declared.filter(({ inputs }) => inputs.metadata.labels?.["team"] !== "blue")).toEqual([]);
    declared.length = 0;
    await environment("green");
    expect(declared.filter(({ inputs }) => inputs.metadata.labels !== undefined).map(({ type }) => type)).toEqual([
      "kubernetes:core/v1:Pod",
    ]);
  });

  test("lets each object be changed before it is declared: a container more, another rule, another key of Bay's configuration", async () => {
    await environment("blue", {
      parts: {
        access: {
          transform: {
            role: ({ rules }) => {
              rules.push({ apiGroups: [""], resources: ["events"], verbs: ["list"] });
            },
          },
        },
        config: {
          transform: {
            config: (config) => {
              config["idempotency"] = { enabled: false };
            },
          },
        },
        bay: {
          transform: {
            pod: ({ metadata, spec }) => {
              metadata.annotations["seen"] = "yes";
              spec.containers.push({ name: "sidecar", image: "sidecar@sha256:3" });
            },
          },
        },
      },
    });
    expect(one("Role").rules.map(({ resources }) => resources[0])).toEqual([
      "pods",
      "pods/log",
      "persistentvolumeclaims",
      "events",
    ]);
    expect(configuration()).toMatchObject({ idempotency: { enabled: false } });
    const pod = one("Pod");
    expect(pod.spec?.containers.map(({ name }) => name)).toEqual(["bay", "sidecar"]);
    expect(pod.metadata.annotations).toMatchObject({ seen: "yes" });
  });

  test("is served on the port that is chosen, by pod, configuration and policy alike", async () => {
    await environment("blue", { port: 9000, parts: { network: { clients: [{ pod: { app: "client" } }] } } });
    expect(one("Pod").spec?.containers[0]!.ports).toContainEqual({ name: "http", containerPort: 9000 });
    expect(configuration()).toMatchObject({ server: { port: 9000 } });
    const policy = declared.find(({ inputs }) => inputs.metadata.name === "bay" && inputs.spec?.ingress)!;
    expect(JSON.stringify(policy.inputs)).toContain('"port":9000');
  });
});

test("every object of this project's own program has its former name, so that a stack of then goes on with what it has", async () => {
  const namespace = "ns";
  new Namespace("namespace", { name: namespace });
  new Access("access", { namespace });
  new Network("network", { namespace });
  new BayConfig("bay-config", { namespace, shipImage: "ship" });
  new Bay("bay", { namespace, image: "bay", serviceAccount: "bay", configMap: "bay-config", configDigest: "d" });
  await pulumi.runtime.disconnect();
  // The namespace's name was always its component's; the sessions' key is newer than the new names.
  expect(
    declared
      .map(({ name }) => name)
      .filter((name) => !(name in FORMER_NAMES))
      .sort(),
  ).toEqual(["bay-session-key", "namespace"]);
});
