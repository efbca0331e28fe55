import { parse } from "yaml";
import { kindConfig } from "../../../infra/backends/kind";
import { readConfig } from "../../../infra/config";
import { clusterName, ownerOf } from "../../../infra/naming";

const configOf = (config: Record<string, string>) =>
  parse(kindConfig(readConfig(config, "kind"), "/checkout")) as Record<string, unknown>;

describe("kind's configuration", () => {
  test("is one control plane that only this host reaches, with a limit of processes in each pod, and nothing else by default", () => {
    expect(configOf({})).toEqual({
      kind: "Cluster",
      apiVersion: "kind.x-k8s.io/v1alpha4",
      networking: { apiServerAddress: "127.0.0.1" },
      nodes: [{ role: "control-plane" }],
      kubeadmConfigPatches: [
        "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\npodPidsLimit: 1024\n",
      ],
    });
  });

  test("has as many workers as the nodes beside the control plane, each with the mounts, relative to the checkout", () => {
    const extraMounts = [{ hostPath: "/checkout/data", containerPath: "/data", readOnly: true }];
    expect(
      configOf({ kindNodes: "3", kindExtraMounts: '[{"hostPath":"data","containerPath":"/data","readOnly":true}]' }),
    ).toMatchObject({
      nodes: [
        { role: "control-plane", extraMounts },
        { role: "worker", extraMounts },
        { role: "worker", extraMounts },
      ],
    });
  });

  test("hands containerd's patches on as they are", () => {
    expect(configOf({ kindContainerdPatches: '["[debug]\\n  level = \\"debug\\""]' })).toMatchObject({
      containerdConfigPatches: ['[debug]\n  level = "debug"'],
    });
  });

  test("leaves room in a cluster's name for what kind adds to its nodes", () => {
    expect(
      `${clusterName(ownerOf("/checkout", "a-stack-whose-name-is-as-long-as-a-stack-name-may-well-be-in-some-team"))}-control-plane`
        .length,
    ).toBeLessThanOrEqual(63);
  });
});
