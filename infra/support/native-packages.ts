import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "./errors";

/** A package of native code for one platform. */
export interface NativePackage {
  name: string;
  version: string;
  /** Where npm put it, when it is the platform of this host. */
  installed: string;
}

interface Manifest {
  optionalDependencies?: Record<string, string>;
  neon?: { targets?: Record<string, string> };
}

/**
 * The package with a package's native code for Linux with glibc; undefined for one without native code. Such a package
 * (made with Neon) names one package a platform in its package.json, of which npm installs this host's.
 * @param root Folder of the package. @param arch Processor of the image, as Node names it.
 */
export function nativePackageOf(root: string, arch: string = process.arch): NativePackage | undefined {
  const file = join(root, "package.json");
  if (!existsSync(file)) return undefined;
  const { optionalDependencies = {}, neon } = JSON.parse(readFileSync(file, "utf8")) as Manifest;
  const name = neon?.targets?.[`${arch === "arm64" ? "aarch64" : "x86_64"}-unknown-linux-gnu`];
  const version = name === undefined ? undefined : optionalDependencies[name];
  return name === undefined || version === undefined
    ? undefined
    : { name, version, installed: join(dirname(root), name) };
}

/**
 * Copies a package into a `node_modules` folder: the installed one, else (a host of another kind than the image) it is
 * fetched through npm.
 * @throws UserError E_COMMAND when npm does not give it
 */
export function copyNativePackage({ name, version, installed }: NativePackage, folder: string): void {
  const to = join(folder, name);
  mkdirSync(to, { recursive: true });
  if (existsSync(installed)) cpSync(installed, to, { recursive: true });
  else fetchPackage(`${name}@${version}`, to);
}

/** Waits, as the program does for esbuild: what is declared after it needs the files. */
function fetchPackage(spec: string, to: string): void {
  const scratch = mkdtempSync(join(tmpdir(), "bay-e2e-native-"));
  try {
    const packed = execFileSync("npm", ["pack", spec, "--silent", "--pack-destination", scratch], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 120_000,
    });
    execFileSync("tar", ["-xzf", join(scratch, packed.trim().split("\n").at(-1)!), "--strip-components=1", "-C", to]);
  } catch (error) {
    rmSync(to, { recursive: true, force: true });
    const { stderr, message } = error as Error & { stderr?: string };
    throw new UserError("E_COMMAND", {
      seen: `the package ${spec} could not be fetched`,
      wanted: "native code for the image's platform",
      next: `npm pack ${spec}`,
      detail: stderr || message,
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
