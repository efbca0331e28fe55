import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { KIND, officialKind } from "../../../cli/tools/kind-cli";

const BINARY = "#!/bin/sh\necho the release\n";
const CHECKSUM = createHash("sha256").update(BINARY).digest("hex");

describe("the kind CLI of a run", () => {
  let folder: string;
  let server: Server;
  let url: string;
  let said: string[];
  const before = { PATH: process.env["PATH"], BAY_E2E_CACHE: process.env["BAY_E2E_CACHE"] };
  const tell = (line: string) => {
    said.push(line);
  };

  beforeEach(async () => {
    said = [];
    folder = mkdtempSync(join(tmpdir(), "kind-cli-"));
    mkdirSync(join(folder, "bin"));
    process.env["BAY_E2E_CACHE"] = join(folder, "cache");
    // No kind of this host may be found; curl and sh must.
    const without = before.PATH!.split(delimiter).filter((part) => !existsSync(join(part, "kind")));
    process.env["PATH"] = [join(folder, "bin"), ...without].join(delimiter);
    server = createServer((request, response) => {
      response.statusCode = request.url === "/kind" ? 200 : 404;
      response.end(BINARY);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/kind`;
  });

  afterEach(async () => {
    Object.assign(process.env, before);
    if (before.BAY_E2E_CACHE === undefined) delete process.env["BAY_E2E_CACHE"];
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  function putOnPath(version: string): void {
    writeFileSync(join(folder, "bin", "kind"), `#!/bin/sh\necho "kind v${version} go1.26.8 linux/amd64"\n`);
    chmodSync(join(folder, "bin", "kind"), 0o755);
  }

  it.each(["0.33.0", "0.34.1", "1.0.0"])("is the user's own where that is new enough: %s", async (version) => {
    putOnPath(version);
    expect(await officialKind(tell, { url: "http://127.0.0.1:1/never-asked", sha256: CHECKSUM })).toBe("");
    expect(said).toEqual([]);
  });

  it("is the vendor's release beside one that is too old, which is named", async () => {
    putOnPath("0.20.0");
    const found = await officialKind(tell, { url, sha256: CHECKSUM });
    expect(found).toBe(join(folder, "cache", "official", `kind-${KIND}`));
    expect(readFileSync(join(found!, "kind"), "utf8")).toBe(BINARY);
    expect(said[0]).toContain("0.20.0");
  });

  it("is downloaded once", async () => {
    const found = await officialKind(tell, { url, sha256: CHECKSUM });
    expect(await officialKind(tell, { url: `${url}-gone`, sha256: CHECKSUM })).toBe(found);
  });

  it("is never a file of another checksum, of which nothing stays", async () => {
    expect(await officialKind(tell, { url, sha256: "0".repeat(64) })).toBeUndefined();
    expect(said.at(-1)).toContain(`its SHA-256 is ${CHECKSUM}`);
    expect(readdirSync(join(folder, "cache", "official", `kind-${KIND}`))).toEqual([]);
  });

  it("is nothing where the vendor does not answer, or has no such file", async () => {
    expect(await officialKind(tell, { url: `${url}-gone`, sha256: CHECKSUM })).toBeUndefined();
    expect(await officialKind(tell, { url: "http://127.0.0.1:1/kind", sha256: CHECKSUM })).toBeUndefined();
  });

  it("is not taken for the user's own when this project put it before PATH", async () => {
    const made = join(folder, "cache", "kind-cli-made-here");
    mkdirSync(made, { recursive: true });
    putOnPath("0.33.0");
    writeFileSync(join(made, "kind"), readFileSync(join(folder, "bin", "kind")));
    chmodSync(join(made, "kind"), 0o755);
    rmSync(join(folder, "bin", "kind"));
    process.env["PATH"] = [made, process.env["PATH"]].join(delimiter);
    expect(await officialKind(tell, { url: "http://127.0.0.1:1/kind", sha256: CHECKSUM })).toBeUndefined();
  });
});
