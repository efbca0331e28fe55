import { plainSecretsIn } from "../../../cli/stack/plain-secrets";
import { secrets } from "../../../cli/doctor/checks/secrets";
import { SECRET_KEYS } from "../../../infra/config";
import type { Subject } from "../../../cli/doctor/check";

const VALUE = "a-value-that-nobody-may-see";
const pathsIn = (config: Record<string, unknown>) =>
  plainSecretsIn(config).map(({ path, certain }) => `${path}${certain ? "" : "?"}`);

describe("secrets in clear in a stack's configuration", () => {
  test.each([...SECRET_KEYS])(
    "are found under %s, and not where Pulumi encrypted the value or there is none",
    (key) => {
      expect(pathsIn({ [key]: VALUE })).toEqual([key]);
      expect(pathsIn({ [key]: 12345678 })).toEqual([key]);
      expect(pathsIn({ [key]: { secure: "v1:abc" } })).toEqual([]);
      expect(pathsIn({ [key]: "" })).toEqual([]);
    },
  );

  test.each([
    ["a login in a URL", { cedanaUrl: "https://me:pass@host/v1" }, ["cedanaUrl"]],
    [
      "a private key, in a list",
      { kindContainerdPatches: ["-----BEGIN EC PRIVATE KEY-----\nabc"] },
      ["kindContainerdPatches[0]"],
    ],
    ["a whole kubeconfig", { kubeconfig: "users:\n- name: a\n  user:\n    client-key-data: abc" }, ["kubeconfig"]],
    [
      "a chart's values",
      { checkpointValues: { cedanaConfig: { authToken: VALUE }, "odd.key": { dbPassword: "x" } } },
      ["checkpointValues.cedanaConfig.authToken?", 'checkpointValues["odd.key"].dbPassword?'],
    ],
    [
      "a registry's login for containerd",
      { kindContainerdPatches: ['[plugins]\n  password = "x"'] },
      ["kindContainerdPatches[0]?"],
    ],
  ])("are found in %s", (_, config, paths) => {
    expect(pathsIn(config)).toEqual(paths);
  });

  test("are not what names a Secret or a file, has no value, or is encrypted within", () => {
    expect(
      pathsIn({
        registry: "registry.example:5000/team",
        registryUsername: "robot",
        kubeconfig: "~/.kube/config",
        cedanaUrl: "https://ci.cedana.ai/v1",
        kindImage: "kindest/node:v1@sha256:abc",
        checkpointValues: {
          existingSecret: "name",
          imagePullSecrets: [{ name: "pull" }],
          tokenFile: "/run/t",
          secretName: "s",
          auth: { token: { secure: "v1:abc" }, password: "" },
        },
      }),
    ).toEqual([]);
  });
});

describe("the check of them", () => {
  const judge = (config: Record<string, unknown>, tracked: boolean) =>
    secrets.judge({ stack: "team", plain: plainSecretsIn(config), tracked }, {} as Subject);

  test("refuses a stack whose file git has, by its keys and never by their values", () => {
    const finding = judge({ apiKey: VALUE, registryPassword: VALUE }, true);
    expect(finding).toMatchObject({
      status: "fail",
      code: "E_SECRET_IN_CLEAR",
      found: "stacks/Pulumi.team.yaml has apiKey, registryPassword in clear, and git has the file",
    });
    expect(finding.fix).toContain(
      "pulumi config set --secret apiKey --stack team && pulumi config set --secret registryPassword --stack team",
    );
    expect(JSON.stringify(finding)).not.toContain(VALUE);
  });

  test("warns where git does not have the file, or only a name says that it is a secret", () => {
    expect(judge({ apiKey: VALUE }, false)).toMatchObject({
      status: "warn",
      fix: "pulumi config set --secret apiKey --stack team",
    });
    expect(judge({ checkpointValues: { token: VALUE } }, true)).toMatchObject({
      status: "warn",
      fix: "pulumi config set --secret --path checkpointValues.token --stack team",
    });
    expect(judge({ apiKey: { secure: "v1:a" } }, true).status).toBe("ok");
  });
});
