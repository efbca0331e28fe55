import type { FastifyInstance } from "fastify";
import type { ShipContext } from "../context";

/** Health and what this runtime is able to do. */
export function infoRoutes(app: FastifyInstance, { version, workspace, skills, missing }: ShipContext): void {
  app.get("/", () => ({ message: "Ship: the runtime of a sandbox" }));
  app.get("/health", () => ({ status: "healthy", version }));
  app.get("/stat", () => ({ service: "ship", version, status: "running", author: "bay-e2e" }));
  app.get("/meta", () => ({
    runtime: {
      name: "ship",
      version,
      api_version: "v1",
      build: { image: fromEnv("SHIP_IMAGE"), image_digest: fromEnv("SHIP_IMAGE_DIGEST"), git_sha: fromEnv("GIT_SHA") },
    },
    workspace: { mount_path: workspace.root },
    capabilities: { ...CAPABILITIES, shell: { ...CAPABILITIES.shell, missing_tools: missing } },
    built_in_skills: skills,
  }));
}

const CAPABILITIES = {
  filesystem: {
    operations: ["create", "read", "write", "edit", "delete", "list", "upload", "download"],
    endpoints: {
      create: "/fs/create_file",
      read: "/fs/read_file",
      write: "/fs/write_file",
      edit: "/fs/edit_file",
      delete: "/fs/delete_file",
      list: "/fs/list_dir",
      upload: "/fs/upload",
      download: "/fs/download",
    },
  },
  shell: { operations: ["exec", "processes"], endpoints: { exec: "/shell/exec", processes: "/shell/processes" } },
  python: {
    operations: ["exec", "status", "restart", "stop"],
    engine: "python",
    endpoints: {
      exec: "/ipython/exec",
      status: "/ipython/kernel/status",
      restart: "/ipython/kernel/restart",
      stop: "/ipython/kernel",
    },
  },
  terminal: { operations: ["connect"], endpoints: { connect: "/term/ws" } },
};

const fromEnv = (name: string): string | null => process.env[name] ?? null;
