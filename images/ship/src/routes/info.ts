import type { FastifyInstance } from "fastify";
import type { ShipContext } from "../context";

/** Health and what this runtime is able to do. */
export function infoRoutes(app: FastifyInstance, { version, workspace, skills }: ShipContext): void {
  app.get("/", () => ({ message: "Ship: the runtime of a sandbox" }));
  app.get("/health", () => ({ status: "healthy", version }));
  app.get("/stat", () => ({ service: "ship", version, status: "running", author: "bay-e2e" }));
  app.get("/meta", () => ({
    runtime: {
      name: "ship", version, api_version: "v1",
      build: { image: fromEnv("SHIP_IMAGE"), image_digest: fromEnv("SHIP_IMAGE_DIGEST"), git_sha: fromEnv("GIT_SHA") },
    },
    workspace: { mount_path: workspace.root },
    capabilities: CAPABILITIES,
    built_in_skills: skills,
  }));
}

const CAPABILITIES = {
  filesystem: {
    operations: ["create", "read", "write", "edit", "delete", "list", "upload", "download"],
    endpoints: {
      create: "/fs/create_file", read: "/fs/read_file", write: "/fs/write_file", edit: "/fs/edit_file",
      delete: "/fs/delete_file", list: "/fs/list_dir", upload: "/fs/upload", download: "/fs/download",
    },
  },
  shell: { operations: ["exec"], endpoints: { exec: "/shell/exec" } },
  python: { operations: ["exec"], endpoints: { exec: "/ipython/exec" }, engine: "python" },
};

const fromEnv = (name: string): string | null => process.env[name] ?? null;
