import { createHash } from "node:crypto";
import { chmodSync, createReadStream, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import semver from "semver";
import { tryRun } from "../../infra/support/exec";
import { cacheFolder } from "./cache";
import { onPath } from "../probe/tools";
import type { Tell } from "../progress";

/** The release that is fetched where PATH has none that fits; Pulumi.yaml's `kindImage` is this release's default. */
export const KIND = "0.33.0";

/**
 * Older ones configure kubeadm in a version that newer Kubernetes does not read, and node images go with their release.
 */
export const ACCEPTED_KIND = ">=0.33.0";

/** SHA-256 of the release's binaries, as published beside each of them. */
const CHECKSUMS: Readonly<Record<string, string>> = {
  "linux-amd64": "aee6151561422756b764a4ae28e7f44cda5af5a9eead3cc9985112b1de8d8e0d",
  "linux-arm64": "20022bee6cfcd5086cb7234d218e3454e6090022f2a8f55d1fa7fcf42c3867a2",
  "darwin-amd64": "5a99f26f57246dc9319dd294803313197a0f34d33c525b3ea8b655db5916ece0",
  "darwin-arm64": "0c8c7dbe5e23594a198b786c4bc13dacc101fa6196b0cb0b23a1ca44e61f4b4f",
};

/** One platform's binary of a release. */
export interface KindSource {
  url: string;
  sha256: string;
}

/**
 * The folder of a kind CLI to put before PATH: empty when PATH has one that fits, else that of the vendor's release
 * in the cache; nothing where it cannot be had. What was downloaded is used only when its checksum is the pinned one.
 */
export async function officialKind(tell: Tell, source = vendorSource()): Promise<string | undefined> {
  const version = await versionOnPath();
  if (version && semver.satisfies(version, ACCEPTED_KIND)) return "";
  if (version) tell(`kind ${version.version} on PATH is not ${ACCEPTED_KIND}: taking ${KIND} beside it`);
  const folder = join(cacheFolder(), "official", `kind-${KIND}`);
  if (existsSync(join(folder, "kind"))) return folder;
  return source && (await download(source, folder, tell)) ? folder : undefined;
}

/** The version of the user's own kind; one that this project put before PATH in a shell is not the user's. */
async function versionOnPath(): Promise<semver.SemVer | undefined> {
  const program = await onPath("kind");
  if (!program || program.startsWith(cacheFolder())) return undefined;
  return semver.coerce((await tryRun([program, "version"])).stdout) ?? undefined;
}

function vendorSource(): KindSource | undefined {
  const platform = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
  const sha256 = CHECKSUMS[platform];
  return sha256 ? { url: `https://kind.sigs.k8s.io/dl/v${KIND}/kind-${platform}`, sha256 } : undefined;
}

/** By curl, which knows the host's proxy and certificates; Node's own client does not. */
async function download({ url, sha256 }: KindSource, folder: string, tell: Tell): Promise<boolean> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `kind.${process.pid}`);
  tell(`asking the vendor for kind ${KIND}`);
  try {
    const result = await tryRun(
      [
        "curl",
        "--fail",
        "--silent",
        "--show-error",
        "--location",
        "--connect-timeout",
        "10",
        "--max-time",
        "300",
        "--output",
        file,
        url,
      ],
      { timeout: 310_000 },
    );
    if (result.exitCode !== 0) return false;
    const seen = await sha256Of(file);
    if (seen !== sha256) {
      tell(`refusing what ${url} gave: its SHA-256 is ${seen}, wanted ${sha256}`);
      return false;
    }
    chmodSync(file, 0o755);
    renameSync(file, join(folder, "kind"));
    return true;
  } catch {
    return false; // no curl
  } finally {
    rmSync(file, { force: true });
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
