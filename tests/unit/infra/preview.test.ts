import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { Guard } from "../../../infra/components/guard";
import { PROFILES } from "../../../infra/components/profiles";
import { readConfig } from "../../../infra/config";
import {
  labelTime,
  namespaceOfPreview,
  type Preview,
  previewAnnotations,
  previewIn,
  previewLabels,
  previewOfNamespace,
  stackOfPreview,
  timeOfLabel,
} from "../../../infra/preview";
import { quotaOf, quotaProblems } from "../../../infra/quota";
import { amountOf, memoryText } from "../../../infra/support/quantity";

const PREVIEW: Preview = {
  name: "feature/Login page",
  owner: "octo/shop",
  created: "2026-11-22T16:00:00Z",
  expires: "2026-11-22T20:00:00Z",
  ttl: 14_400,
  idle: 3600,
  keep: false,
  template: "k3s",
  commit: "",
};

describe("a preview", () => {
  test("is read back from its namespace as it was written", () => {
    const found = previewOfNamespace(previewLabels(PREVIEW, "restricted"), previewAnnotations(PREVIEW));
    expect(found).toEqual({
      ...PREVIEW,
      owner: expect.stringMatching(/^octo-shop-[0-9a-f]{6}$/) as string,
      lastUsed: "",
    });
    expect(previewOfNamespace(previewLabels({ ...PREVIEW, expires: "", keep: true }, "restricted"), {})).toMatchObject({
      expires: "",
      keep: true,
    });
  });

  test("has labels that Kubernetes takes, whatever its name and its owner are", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 200 }),
        fc.string({ minLength: 1, maxLength: 63 }),
        (name, owner) => {
          for (const value of Object.values(previewLabels({ ...PREVIEW, name, owner }, "restricted")))
            expect(value).toMatch(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
        },
      ),
    );
  });

  test("is nobody's namespace without both labels", () => {
    expect(previewOfNamespace({ "bay-e2e.dev/owner": "0123456789ab" }, {})).toBeUndefined();
    expect(previewOfNamespace({ "bay-e2e.dev/preview": "pr-1" }, {})).toBeUndefined();
  });

  test("has a namespace and a stack of its own, legal and never another's", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 200 }),
        fc.string({ minLength: 1, maxLength: 200 }),
        (one, other) => {
          fc.pre(one !== other);
          expect(namespaceOfPreview(one)).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
          expect(namespaceOfPreview(one)).not.toBe(namespaceOfPreview(other));
          expect(stackOfPreview(one)).not.toBe(stackOfPreview(other));
        },
      ),
    );
    expect(namespaceOfPreview("pr-123")).toBe("bay-preview-pr-123");
  });

  test("writes its times so that labels hold them", () => {
    expect(labelTime("2026-11-22T16:00:00.123Z")).toBe("20261122T160000Z");
    expect(timeOfLabel("20261122T160000Z")).toBe("2026-11-22T16:00:00Z");
    expect([timeOfLabel("never"), timeOfLabel(undefined)]).toEqual(["", ""]);
  });

  test("is in the configuration of its stack, and in no other", () => {
    expect(previewIn(readConfig({}, "k3s"))).toBeUndefined();
    expect(previewIn(readConfig({ preview: JSON.stringify(PREVIEW) }, "k3s"))).toEqual(PREVIEW);
    expect(() => readConfig({ preview: '{"idle":-1}' }, "k3s")).toThrow(/preview.idle/);
    expect(() => readConfig({ preview: '{"idle":1}' }, "k3s")).toThrow(/wanted a name and an owner/);
  });
});

describe("a quota", () => {
  test("that is the default takes Bay and a sandbox of every profile", () => {
    expect(quotaProblems(quotaOf({}), "1Gi")).toEqual([]);
  });

  test.each([
    [{ pods: 1 }, "pods is 1, and Bay with one sandbox takes 2"],
    [{ "requests.memory": "200Mi" }, "requests.memory is 200Mi, and Bay with one sandbox takes 320Mi"],
    [{ "requests.cpu": "150m" }, "requests.cpu is 150m, and Bay with one sandbox takes 0.2"],
    [{ "limits.memory": "1Gi" }, "limits.memory is 1Gi, and Bay with one sandbox takes 2.5Gi"],
    [{ "requests.storage": "1Gi" }, "requests.storage is 1Gi, and Bay with one sandbox takes 2Gi"],
  ])("of %j is too small, and says by how much", (quota, problem) => {
    expect(quotaProblems(quotaOf(quota), "1Gi")).toEqual([problem]);
  });

  test("that is too small is a problem of the configuration, with all others", () => {
    const raw = { preview: JSON.stringify(PREVIEW), previewQuota: '{"pods":1,"requests.cpu":"1m"}' };
    expect(() => readConfig(raw, "k3s")).toThrow(/previewQuota: requests.cpu is 1m.*\n.*previewQuota: pods is 1/);
    expect(() => readConfig({ ...raw, preview: "{}" }, "k3s")).not.toThrow();
    expect(() => readConfig({ previewQuota: '{"cpu":"lots"}' }, "k3s")).toThrow(/previewQuota/);
  });
});

test("quantities are read as Kubernetes does, and told in binary units", () => {
  expect(["100m", "2", 1.5, "1Gi", "1G", "lots"].map(amountOf)).toEqual([0.1, 2, 1.5, 2 ** 30, 1e9, undefined]);
  expect([2 ** 30 * 1.5, 2 ** 20 * 640].map(memoryText)).toEqual(["1.5Gi", "640Mi"]);
});

test("an image of this host cannot come from a registry", () => {
  const bayImage = `sha256:${"0".repeat(64)}`;
  expect(readConfig({ bayImage }, "k3s").bayImage).toBe(bayImage);
  expect(() => readConfig({ bayImage, registry: "registry.example/team" }, "k3s")).toThrow(
    /bayImage: an image of this host/,
  );
});

test("a guard denies all but Bay's ways to DNS, sandboxes and the API server, under the quota", async () => {
  const declared: Record<string, Record<string, unknown>> = {};
  await pulumi.runtime.setMocks(
    {
      newResource: ({ name, inputs }) => {
        declared[name] = inputs as Record<string, unknown>;
        return { id: name, state: inputs as object };
      },
      call: () => ({}),
    },
    "bay-e2e",
    "preview-pr-1",
    false,
  );
  new Guard("guard", {
    namespace: "ns",
    quota: quotaOf({ pods: 7 }),
    profiles: PROFILES,
    apiServer: { addresses: ["10.43.0.1", "fd00::1"], ports: [443, 6443] },
    dns: { pods: [], addresses: ["10.43.0.10", "fd00::a"], ports: [53, 10053] },
  });
  await pulumi.runtime.disconnect();
  expect(declared["guard-quota"]).toMatchObject({ spec: { hard: { pods: "7", "requests.cpu": "2" } } });
  expect(declared["guard-default-deny"]).toMatchObject({
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  });
  expect(declared["guard-bay-egress"]).toMatchObject({
    spec: {
      podSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["bay", "bay-rehearsal"] }] },
      egress: [
        {
          to: [{ ipBlock: { cidr: "10.43.0.10/32" } }, { ipBlock: { cidr: "fd00::a/128" } }],
          ports: [{ port: 53 }, { port: 53 }, { port: 10053 }, { port: 10053 }],
        },
        { to: [{ podSelector: { matchLabels: { "bay.managed": "true" } } }], ports: [{ port: 8123 }, { port: 8124 }] },
        {
          to: [{ ipBlock: { cidr: "10.43.0.1/32" } }, { ipBlock: { cidr: "fd00::1/128" } }],
          ports: [{ port: 443 }, { port: 6443 }],
        },
      ],
    },
  });
});
