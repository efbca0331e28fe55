import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { run } from "../../infra/support/exec";
import { freePort } from "../../infra/support/ports";
import { waitFor } from "../../infra/support/wait";
import { ROOT } from "../lifecycle/host";

/** A real image registry on this host that wants a login, for as long as a file of tests runs. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`, to which Docker pushes without TLS. */
  host: string;
  username: string;
  password: string;
  /** Folder to be mounted as `/etc/containerd/certs.d`, by which nodes find the registry under the same name. */
  certificates: string;
  stop(): void;
}

/** Starts the program `registry` of the distribution project: from PATH, else from this project's own set-up. */
export async function startRegistry(): Promise<TestRegistry> {
  const program = await findRegistry();
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-registry-"));
  const port = await freePort();
  const [host, username, password] = [`127.0.0.1:${port}`, "tester", "let-me-in"];
  writeFileSync(join(folder, "htpasswd"), await run([program, "htpasswd", username], { input: password }));
  writeFileSync(
    join(folder, "config.yaml"),
    JSON.stringify({
      version: "0.1",
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(folder, "data") } },
      // Nodes come by the gateway of Docker's default network.
      http: { addr: `0.0.0.0:${port}` },
      auth: { htpasswd: { realm: "tests", path: join(folder, "htpasswd") } },
    }),
  );
  const certificates = join(folder, "certs.d");
  mkdirSync(join(certificates, host), { recursive: true });
  const gateway = execFileSync(
    "docker",
    ["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"],
    { encoding: "utf8" },
  ).trim();
  writeFileSync(
    join(certificates, host, "hosts.toml"),
    `server = "http://${host}"\n[host."http://${gateway}:${port}"]\n  capabilities = ["pull", "resolve"]\n`,
  );
  const server = spawn(program, ["serve", join(folder, "config.yaml")], { stdio: "ignore" });
  await waitFor(
    async () => {
      const status = await fetch(`http://${host}/v2/`).then(
        (response) => response.status,
        (error: unknown) => String(error),
      );
      return status === 401 ? { value: true } : { reason: `${host} answers ${status}` };
    },
    { deadline: 30_000 },
    (reason) => new Error(reason),
  );
  return {
    host,
    username,
    password,
    certificates,
    stop: () => {
      server.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

async function findRegistry(): Promise<string> {
  const find = (path: string) =>
    path
      .split(delimiter)
      .map((folder) => join(folder, "registry"))
      .find((file) => existsSync(file));
  const found = find(process.env["PATH"] ?? "");
  if (found) return found;
  const setUp = join(ROOT, "offline", "main.ts");
  if (!existsSync(setUp))
    throw new Error('no program "registry" on PATH: install that of https://distribution.github.io/distribution');
  const { env } = JSON.parse(
    await run([process.execPath, "--import", "tsx", setUp, "ensure", "--need", "registry", "--json"], {
      cwd: ROOT,
      timeout: 15 * 60_000,
    }),
  ) as { env: { PATH_PREPEND: string } };
  return find(env.PATH_PREPEND)!;
}
