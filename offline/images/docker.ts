import { run, tryRun } from "../../infra/support/exec";
import { LABEL } from "../versions";

/** Which of these images the daemon has. */
export async function presentImages(tags: readonly string[]): Promise<Set<string>> {
  const result = await tryRun([
    "docker",
    "images",
    "--filter",
    `label=${LABEL}`,
    "--format",
    "{{.Repository}}:{{.Tag}}",
  ]);
  const found = new Set(result.stdout.split("\n"));
  return new Set(tags.filter((tag) => found.has(tag)));
}

/** Makes an image of one layer out of a folder, keeping owners and modes. */
export async function importFolder(folder: string, tag: string, changes: readonly string[] = []): Promise<void> {
  const all = [`LABEL ${LABEL}`, ...changes].flatMap((change) => ["--change", change]);
  const script = 'tar -C "$1" --numeric-owner -c . | docker import "${@:3}" - "$2"';
  await run(["bash", "-o", "pipefail", "-c", script, "import", folder, tag, ...all], { timeout: 5 * 60_000 });
}

/**
 * Builds a Dockerfile whose context is a folder.
 * @throws UserError E_COMMAND with the end of the build's output
 */
export async function buildImage(folder: string, tag: string, args: Record<string, string>): Promise<void> {
  const given = Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  await run(["docker", "build", "--label", LABEL, ...given, "-t", tag, folder], { timeout: 10 * 60_000 });
}
