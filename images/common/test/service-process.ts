import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import os from "node:os";
import path from "node:path";

const NO_CLUSTER = `
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {token: planted-token}}]
`;

/** A service that runs as a process of its own. */
export interface Started {
  child: ChildProcess;
  output: { out: string; err: string };
  /** Waits until its log has a line of this message. @throws Error when the process ends before */
  says(message: string): Promise<void>;
}

/** The processes of a service under test, with a folder for their files. */
export class ServiceProcesses {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "service-process-"));
  readonly #children: ChildProcess[] = [];

  /** @param server file of the service's entry, in TypeScript */
  constructor(readonly server: string) {}

  /** Starts one with nothing in its environment but PATH and what is given. */
  start(words: string[], env: NodeJS.ProcessEnv): Started {
    const child = spawn(process.execPath, ["--import", "tsx", this.server, ...words], {
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.push(child);
    const output = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      output.out += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output.err += chunk.toString();
    });
    const says = (message: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (output.out.includes(`"${message}"`)) resolve();
        };
        child.stdout.on("data", look);
        child.once("close", () => {
          reject(new Error(`it ended: ${output.err}${output.out}`));
        });
        look();
      });
    return { child, output, says };
  }

  /** Writes a file into the folder. */
  file(name: string, text: string): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** A kubeconfig, with a token in it, of a cluster that does not answer. */
  kubeconfig(): string {
    return this.file("kubeconfig", NO_CLUSTER);
  }

  /** Ends all of them and removes the folder. */
  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true });
  }
}

/** A port of this host at which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
