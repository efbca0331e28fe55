import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseOutputs, readOutputs } from "../../support/outputs";

const complete = {
  backend: "k3s",
  namespace: "bay-e2e-test",
  pod: "bay",
  port: 8114,
  apiKey: "planted-key",
  kubeconfig: "apiVersion: v1",
  cluster: { name: "k3s", version: "v1.36.3", nodes: ["one"], runtime: "containerd://2", distribution: "k3s" },
  images: { bay: { reference: "bay:1", id: "" }, ship: { reference: "ship:1", id: "" } },
  profiles: [],
  checkpointRuntimeClass: "",
  checkpoint: {
    source: "none",
    reason: "switched off",
    url: "",
    forward: null,
    clusterId: "",
    namespace: "",
    release: "",
    chart: "",
  },
  propagatorToken: "",
};

describe("the stack's outputs", () => {
  it("are taken when they are complete", () => {
    expect(parseOutputs("a file", JSON.stringify(complete))).toEqual(complete);
  });

  it("are refused with every problem at once, and no secret is shown", () => {
    const parse = (): unknown =>
      parseOutputs("a file", JSON.stringify({ ...complete, port: "8114", namespace: undefined }));
    expect(parse).toThrow(
      /^E_OUTPUTS: [^]*"namespace" is missing[^]*"port" is a string, wanted a number[^]*next: +npm run e2e/,
    );
    expect(parse).not.toThrow(/planted-key/);
  });

  it.each([
    ["no outputs", "{}", /^E_STACK_NOT_UP/],
    ["no JSON", "error: planted-key", /^E_OUTPUTS[^]*a file is not JSON/],
    ["a list", "[]", /^E_OUTPUTS/],
    ["null", "null", /^E_OUTPUTS[^]*are null/],
  ])("are refused when there is %s", (_, text, message) => {
    expect(() => parseOutputs("a file", text)).toThrow(message);
    expect(() => parseOutputs("a file", text)).not.toThrow(/planted-key/);
  });

  it("are read from the file that BAY_E2E_OUTPUTS_FILE names", async () => {
    const folder = mkdtempSync(join(tmpdir(), "outputs-"));
    try {
      const file = join(folder, "outputs.json");
      writeFileSync(file, JSON.stringify(complete), { mode: 0o600 });
      await expect(readOutputs({ BAY_E2E_OUTPUTS_FILE: file })).resolves.toEqual(complete);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
