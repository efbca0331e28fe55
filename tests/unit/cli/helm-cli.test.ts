import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { hasHelm } from "../../../cli/tools/helm-cli";

describe("the helm of a run", () => {
  const before = { PATH: process.env["PATH"], BAY_E2E_CACHE: process.env["BAY_E2E_CACHE"] };
  let folder: string;
  let said: string[];

  beforeEach(() => {
    said = [];
    folder = mkdtempSync(join(tmpdir(), "helm-cli-"));
    process.env["BAY_E2E_CACHE"] = join(folder, "cache");
    const without = before.PATH!.split(delimiter).filter((part) => !existsSync(join(part, "helm")));
    process.env["PATH"] = [join(folder, "bin"), join(folder, "cache", "helm-made-here"), ...without].join(delimiter);
  });

  afterEach(() => {
    Object.assign(process.env, before);
    if (before.BAY_E2E_CACHE === undefined) delete process.env["BAY_E2E_CACHE"];
    rmSync(folder, { recursive: true });
  });

  function put(place: string, version: string): void {
    const file = join(folder, place, "helm");
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(file, `#!/bin/sh\n[ "$*" = "version --template {{.Version}}" ] && echo "${version}"\n`);
    chmodSync(file, 0o755);
  }

  test.each(["v3.14.0", "v3.22.0+g123", "v4.1.1"])(
    "is the user's own where that is new enough: %s",
    async (version) => {
      put("bin", version);
      expect(await hasHelm((line) => said.push(line))).toBe(true);
      expect(said).toEqual([]);
    },
  );

  test("is not one that is too old, which is named", async () => {
    put("bin", "v3.13.3");
    expect(await hasHelm((line) => said.push(line))).toBe(false);
    expect(said).toEqual(["helm 3.13.3 on PATH is not >=3.14.0: taking another beside it"]);
  });

  test("is not taken for the user's own when this project put it before PATH, and nothing is no helm", async () => {
    expect(await hasHelm((line) => said.push(line))).toBe(false);
    put("cache/helm-made-here", "v3.22.0");
    expect(await hasHelm((line) => said.push(line))).toBe(false);
  });
});
