import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { ROOT } from "../../cli/paths";

interface Job {
  permissions?: Record<string, string>;
  "timeout-minutes"?: number;
  steps: { uses?: string; run?: string; with?: Record<string, unknown> }[];
}
interface Workflow {
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  concurrency?: unknown;
  jobs: Record<string, Job>;
}

const FOLDER = join(ROOT, ".github", "workflows");
const workflows = readdirSync(FOLDER).map((name) => {
  const text = readFileSync(join(FOLDER, name), "utf8");
  return { name, text, workflow: parse(text) as Workflow };
});
const scripts = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> })
  .scripts;

// What actionlint (`npm run lint`) does not ask.
describe.each(workflows)("$name", ({ text, workflow }) => {
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

  test("may read the repository and nothing more, unless a job says what else and why", () => {
    expect(workflow.permissions).toEqual({ contents: "read" });
  });

  test("gives code of a fork no secret: by no pull_request_target, and by a token that no later step finds", () => {
    expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
    const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    expect(checkouts.length).toBeGreaterThan(0);
    for (const step of checkouts) expect(step.with).toMatchObject({ "persist-credentials": false });
  });

  test("pins each action by its commit, with the version beside it", () => {
    const used = [...text.matchAll(/uses: (.+)$/gm)].map(([, reference]) => reference);
    expect(used.length).toBeGreaterThan(0);
    for (const reference of used) expect(reference).toMatch(/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("ends: each job has its minutes, and each ref one run at a time", () => {
    expect(workflow.concurrency).toBeDefined();
    for (const job of Object.values(workflow.jobs)) expect(job["timeout-minutes"]).toBeGreaterThan(0);
  });

  test("gives a secret to the steps that need it, and to no whole job", () => {
    for (const job of Object.values(workflow.jobs))
      expect(JSON.stringify((job as { env?: object }).env ?? {})).not.toContain("secrets.");
    expect(JSON.stringify((workflow as { env?: object }).env ?? {})).not.toContain("secrets.");
  });

  test("calls npm scripts that there are", () => {
    const called = steps.flatMap(({ run }) =>
      [...(run ?? "").matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name]) => name!),
    );
    expect(called.filter((name) => !(name in scripts))).toEqual([]);
  });
});

test("the main job runs on k3s and on kind", () => {
  const main = workflows.find(({ name }) => name === "e2e.yml")!.workflow.jobs["e2e"] as unknown as {
    strategy: { matrix: { backend: string[] } };
  };
  expect(main.strategy.matrix.backend).toEqual(["k3s", "kind"]);
});

test("a preview of a pull request is made and removed for branches of this repository alone, with rights for its comment and nothing more", () => {
  const { on, jobs } = workflows.find(({ name }) => name === "preview.yml")!.workflow;
  expect(Object.keys(on)).toEqual(["pull_request"]);
  for (const job of Object.values(jobs)) {
    expect((job as unknown as { if: string }).if).toContain(
      "github.event.pull_request.head.repo.full_name == github.repository",
    );
    expect(job.permissions).toEqual({ contents: "read", "pull-requests": "write" });
  }
});

test("the nightly collection asks which pull requests are open, and removes without being asked", () => {
  const { gc } = workflows.find(({ name }) => name === "preview-gc.yml")!.workflow.jobs;
  expect(gc!.permissions).toEqual({ contents: "read", "pull-requests": "read" });
  expect(gc!.steps.map(({ run }) => run)).toContain("npm run preview -- gc --from existing --pull-requests --yes");
});
