import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../config";
import { Component, type ComponentOptions, type Draft, type ObjectArgs, type Transform } from "./component";

/** A registry that images are pushed to and nodes pull from. */
export interface Registry {
  /** Host, and the path of a project if it has one: what images' names begin with. */
  prefix: string;
  /** Without it nobody logs in. */
  login?: { username: string; password: pulumi.Input<string> };
}

/** The registry that the configuration names, if any. */
export function registryOf({ registry, registryUsername, registryPassword }: Settings): Registry | undefined {
  if (registry === "") return undefined;
  return {
    prefix: registry,
    ...(registryUsername ? { login: { username: registryUsername, password: pulumi.secret(registryPassword) } } : {}),
  };
}

/** The host of a registry, as Docker and the kubelet look up its login. */
export function hostOf(registry: Registry): string {
  return registry.prefix.split("/")[0]!;
}

export interface PullSecretArgs extends ObjectArgs {
  namespace: pulumi.Input<string>;
  /** The registry that the nodes pull from. Default none: no Secret is made. */
  registry?: Registry | undefined;
  /** Changes what is declared. */
  transform?: { secret?: Transform<Draft<k8s.core.v1.SecretArgs>> };
}

/** The Secret by which the nodes may pull what was pushed; nothing where no login is needed. */
export class PullSecret extends Component {
  /** Names for `imagePullSecrets`: one or none. */
  readonly names: pulumi.Output<string[]>;
  readonly nodes: { secret: k8s.core.v1.Secret | undefined };

  constructor(
    name: string,
    { namespace, registry, labels, transform = {} }: PullSecretArgs,
    options: ComponentOptions = {},
  ) {
    super("PullSecret", name, options);
    const login = registry?.login;
    const secret =
      registry &&
      login &&
      this.declare(
        k8s.core.v1.Secret,
        "",
        {
          metadata: { name: "bay-registry", namespace, labels: { ...labels }, annotations: {} },
          type: "kubernetes.io/dockerconfigjson",
          data: {
            ".dockerconfigjson": pulumi.secret(
              pulumi
                .output(login.password)
                .apply((password) => dockerConfig(hostOf(registry), login.username, password)),
            ),
          },
        },
        transform.secret,
      );
    this.names = secret ? secret.metadata.name.apply((made) => [made]) : pulumi.output([]);
    this.nodes = { secret };
    this.registerOutputs({ names: this.names });
  }
}

/** Docker's own file of logins, in base64 as a Secret holds it. */
function dockerConfig(host: string, username: string, password: string): string {
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  return Buffer.from(JSON.stringify({ auths: { [host]: { username, password, auth } } })).toString("base64");
}
