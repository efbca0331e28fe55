import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type {
  CargoVolume,
  Driver,
  ListedCargo,
  ListedSession,
  SessionCondition,
  SessionSpec,
} from "../../src/driver/driver";

/** What a runtime answers to a path: JSON, bytes as they are, or anything by hand. */
export type Reply = object | string | Buffer | ((request: IncomingMessage, response: ServerResponse) => void);

/** Answers as Ship gives them. */
export const GOOD: Record<string, Reply> = {
  "/health": { status: "healthy", version: "1" },
  "/meta": { runtime: { version: "1" }, capabilities: { python: {}, shell: {}, filesystem: {} } },
  "/ipython/exec": { success: true, execution_count: 1, output: { text: "text", images: [] }, error: null },
  "/shell/exec": { success: true, return_code: 0, stdout: "out", stderr: "", pid: 1, process_id: null, error: null },
  "/fs/read_file": { content: "content", path: "/workspace/x", size: 7 },
  "/fs/write_file": { success: true, message: "", path: "/workspace/x", size: 1 },
  "/fs/delete_file": { success: true, message: "", path: "/workspace/x" },
  "/fs/list_dir": {
    files: [{ name: "x", path: "/workspace/x", is_file: true, is_dir: false, size: 1, modified_time: 1.5 }],
    current_path: "/workspace",
  },
  "/fs/upload": { success: true, message: "", file_path: "/workspace/x", size: 1, error: null },
  "/fs/download": "bytes",
};

/** A runtime that answers what it is told to: one whose user has taken it over. */
export class FakeRuntime {
  replies: Record<string, Reply> = { ...GOOD };
  private readonly server = createServer((request, response) => {
    const reply = this.replies[request.url!.split("?")[0]!] ?? { detail: "Not Found" };
    if (typeof reply === "function") {
      reply(request, response);
      return;
    }
    request.resume().once("end", () => {
      const body = typeof reply === "string" || Buffer.isBuffer(reply) ? reply : JSON.stringify(reply);
      response
        .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
        .end(body);
    });
  });

  async listen(): Promise<string> {
    // As Ship: a connection that the server ends when it was idle for a while may be the one of the next call.
    this.server.keepAliveTimeout = 0;
    await new Promise<void>((resolve) => {
      this.server.listen(0, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A driver all of whose sessions are one runtime. */
export class OneRuntimeDriver implements Driver {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "bay-test-"));
  readonly sessions = new Map<string, SessionSpec>();
  readonly volumes = new Set<string>();

  constructor(private readonly url: string) {}

  async createCargo({ id }: CargoVolume): Promise<void> {
    this.volumes.add(id);
  }
  async deleteCargo(id: string): Promise<void> {
    this.volumes.delete(id);
  }
  async startSession(spec: SessionSpec): Promise<Record<string, string>> {
    this.sessions.set(spec.id, spec);
    return Object.fromEntries(spec.containers.map(({ name }) => [name, this.url]));
  }
  async locateSession(): Promise<undefined> {
    return undefined;
  }
  async inspectSession(id: string): Promise<SessionCondition> {
    return this.sessions.has(id) ? { alive: true } : { alive: false, failure: "gone", message: "it is gone" };
  }
  async whyLost(): Promise<undefined> {
    return undefined;
  }
  async destroySession(id: string): Promise<void> {
    this.sessions.delete(id);
  }
  async listSessions(): Promise<ListedSession[]> {
    return [];
  }
  async listCargos(): Promise<ListedCargo[]> {
    return [];
  }
  async markCargo(): Promise<boolean> {
    return true;
  }
  close(): void {
    /* nothing is open */
  }
  async end(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
