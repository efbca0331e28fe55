import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LABELS } from "../../infra/naming";
import {
  namespaceOfPreview,
  PREVIEW_LABELS,
  type Preview,
  previewAnnotations,
  previewLabels,
} from "../../infra/preview";
import type { Details } from "../../cli/preview/details";
import type { PreviewFacts } from "../../cli/preview/facts";
import { previewOwner } from "../../cli/preview/names";
import { Kube } from "../support/kube";
import { notYet, waitFor } from "../support/wait";
import { type HostState, lookAtHost, ROOT } from "./host";
import { npmRun } from "./runner";
import { stackFile } from "./stack-file";

// One cluster for all: what is proven is the life of previews on it. It goes with a preview still up, as the last test
// wants.
jest.setTimeout(400_000);

const SHARED = "shared";
const [LIFE, OTHER, CUT] = ["life", "feature/Other", "cut"];

const preview = (...words: string[]) => npmRun(["preview", "--", ...words]);
const up = (name: string, ...words: string[]) => preview("up", name, "--from", SHARED, ...words);

async function done(run: ReturnType<typeof npmRun>): Promise<string> {
  const code = await run.done;
  if (code !== 0) throw new Error(`ended with ${code}:\n${run.output()}`);
  return run.output();
}

const json = async <T>(...words: string[]): Promise<T> => {
  const output = await done(npmRun(["--silent", "preview", "--", ...words, "--json"]));
  return JSON.parse(output.slice(output.search(/^[[{]/m))) as T;
};
const status = (name: string) => json<PreviewFacts & Details>("status", name);
const names = async () => (await json<PreviewFacts[]>("list")).map(({ name }) => name);

let before: HostState;
let files: string[] = [];
let kube: Kube;
beforeAll(async () => {
  files = [stackFile(SHARED)];
  before = lookAtHost();
  await done(npmRun(["up", "--", "--stack", SHARED]));
  const kubeconfig = await done(npmRun(["--silent", "kubeconfig", "--", "--stack", SHARED]));
  kube = new Kube(kubeconfig.slice(kubeconfig.indexOf("apiVersion:")));
});
afterAll(async () => {
  for (const name of [LIFE, OTHER, CUT]) await preview("down", name).done;
  await npmRun(["down", "--", "--stack", SHARED]).done;
  for (const file of files) rmSync(file, { force: true });
});

const namespace = (name: string) =>
  kube.read<{ metadata: { name: string; labels: Record<string, string> } }>({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
  });

/** A namespace as a preview of another checkout leaves it; `labels` are laid over. */
async function ofAnother(name: string, about: Partial<Preview>, labels: Record<string, string> = {}): Promise<string> {
  const full: Preview = {
    name,
    owner: previewOwner(),
    created: "2026-01-01T00:00:00Z",
    expires: "",
    ttl: 3600,
    idle: 0,
    keep: false,
    template: "elsewhere",
    commit: "",
    ...about,
  };
  const metadata = {
    name: namespaceOfPreview(name),
    labels: {
      ...previewLabels(full, "restricted"),
      [LABELS.owner]: "0123456789ab",
      [LABELS.stack]: "elsewhere",
      ...labels,
    },
    annotations: { ...previewAnnotations(full), [LABELS.checkout]: "/gone" },
  };
  await kube.create({ apiVersion: "v1", kind: "Namespace", metadata });
  return metadata.name;
}

/** Files of a preview's stack: those of the local state, and its configuration. */
function stackFiles(stack: string): string[] {
  const state = join(ROOT, ".state", "pulumi", ".pulumi", "stacks", "bay-e2e");
  return [
    ...(existsSync(state)
      ? readdirSync(state)
          .filter((name) => name === `${stack}.json`)
          .map((name) => join(state, name))
      : []),
    join(ROOT, "stacks", `Pulumi.${stack}.yaml`),
  ].filter((file) => existsSync(file));
}

describe("the life of a preview", () => {
  test("begins on a shared cluster, under its guards, with the commit that was asked for", async () => {
    await done(up(LIFE, "--ttl", "1h", "--ref", "HEAD"));
    const found = await status(LIFE);
    expect(found).toMatchObject({
      condition: "up",
      clusterState: "answers",
      cluster: SHARED,
      ttl: 3600,
      keep: false,
      bay: { ready: true },
      commit: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
    });
    expect(found.quota).toMatchObject({ pods: { used: "1", hard: "25" } });
    expect((await kube.networkPolicies(found.namespace!)).map(({ metadata }) => metadata?.name)).toEqual(
      expect.arrayContaining(["default-deny", "bay-egress", "bay-sandboxes", "bay"]),
    );
    const { labels } = (await namespace(found.namespace!))!.metadata;
    expect(labels).toMatchObject({
      [PREVIEW_LABELS.preview]: LIFE,
      [PREVIEW_LABELS.owner]: previewOwner(),
      "pod-security.kubernetes.io/enforce": "restricted",
    });
    for (const key of [PREVIEW_LABELS.created, PREVIEW_LABELS.expires, PREVIEW_LABELS.lastUsed])
      expect(labels[key]).toMatch(/^\d{8}T\d{6}Z$/);
  });

  test("passes the smoke tests and says so in its summary, with how it is reached and what it takes", async () => {
    await done(preview("test", LIFE));
    const summary = await done(preview("summary", LIFE));
    expect(summary).toMatch(/### Preview `life`: up/);
    expect(summary).toMatch(/\| Tests \| passed: \d+ passed, 0 failed/);
    expect(summary).toMatch(/\| Takes \| \d+ pods?: requests .* cores?, .*; limits/);
    expect(summary).toContain("npm run preview -- open life");
  });

  test("is opened through a port-forward that ends at Ctrl-C, with the key of its API", async () => {
    const open = preview("open", LIFE);
    await open.until(/http:\/\/127\.0\.0\.1:\d+/);
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(open.output())!;
    const key = (await done(npmRun(["--silent", "preview", "--", "key", LIFE]))).trim();
    expect(key).toMatch(/^sk-bay-[0-9a-f]{64}$/);
    const ask = async (bearer: string) =>
      (await fetch(`${url}/v1/sandboxes`, { headers: { authorization: `Bearer ${bearer}` } })).status;
    expect([await ask(key), await ask("another")]).toEqual([200, 401]);
    open.signal("SIGINT");
    await open.done;
    expect(open.output()).toContain("closing the port-forward; the preview stays");
    await expect(ask(key)).rejects.toThrow("fetch failed");
  });

  test("is extended and kept, in its state and on its namespace, which is no drift", async () => {
    const first = await status(LIFE);
    await done(preview("extend", LIFE, "--ttl", "2d"));
    const later = await status(LIFE);
    expect(Date.parse(later.expires)).toBeGreaterThan(Date.parse(first.expires) + 40 * 3_600_000);
    await done(preview("keep", LIFE));
    expect(await status(LIFE)).toMatchObject({ keep: true, expires: later.expires, created: first.created });
    await done(npmRun(["drift", "--", "--stack", "preview-life"]));
  });

  test("shares its images with another of the same files, whose name is made legal", async () => {
    const output = await done(up(OTHER, "--ttl", "1s"));
    expect(output).not.toMatch(/building the image/);
    const [one, other] = [await status(LIFE), await status(OTHER)];
    expect(other.bay?.image).toBe(one.bay?.image);
    expect(other.namespace).toMatch(/^bay-preview-feature-other-[0-9a-f]{6}$/);
  });

  test("ends at its time by a collection, which shows it first and leaves what is kept", async () => {
    const shown = await done(preview("gc", "--dry-run"));
    expect(shown).toMatch(/feature\/Other +shared +goes +expired/);
    expect(shown).toMatch(/life +shared +stays +kept/);
    expect(await names()).toEqual(["feature/Other", "life"]);
    await done(preview("gc"));
    expect(await names()).toEqual(["life"]);
    expect(stackFiles("preview-feature-other")).toEqual([]);
  });
});

describe("a preview that was cut off", () => {
  test.each([
    ["while its images are looked at", />.* images and configuration/],
    ["while it is made", /create Pod bay-pod/],
  ])("%s goes by a collection", async (_, moment) => {
    const run = up(CUT);
    await run.until(moment);
    run.killAll();
    await run.done;
    await done(preview("gc"));
    expect(await names()).toEqual(["life"]);
    expect(stackFiles(`preview-${CUT}`)).toEqual([]);
    expect(await namespace(namespaceOfPreview(CUT))).toBeUndefined();
  });

  test("is not two runs' at once", async () => {
    const first = up(CUT, "--ttl", "1h");
    await first.until(/create Namespace/);
    const second = up(CUT);
    expect([await second.done, second.output()]).toEqual([
      2,
      expect.stringMatching(/E_STACK_LOCKED[\s\S]*npm run preview up \(pid \d+\)/),
    ]);
    await done(first);
  });
});

describe("what a collection did not make", () => {
  test("stays: a foreign namespace of a preview's name, another owner's preview, one that has time", async () => {
    const foreign = namespaceOfPreview("foreign");
    await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: foreign } });
    const refused = up("foreign");
    expect([await refused.done, refused.output()]).toEqual([
      2,
      expect.stringMatching(/E_NAMESPACE_FOREIGN[\s\S]*made by somebody else[\s\S]*npm run preview -- up foreign-2/),
    ]);
    expect(stackFiles("preview-foreign")).toEqual([]);
    const stays = [
      foreign,
      await ofAnother("theirs", { owner: "somebody", expires: "2026-01-02T00:00:00Z" }),
      await ofAnother("timely", { expires: "2126-01-01T00:00:00Z" }),
    ];
    const goes = [
      await ofAnother("over", { expires: "2026-01-02T00:00:00Z" }),
      await ofAnother("pr-12", {}),
      await ofAnother("unused", { idle: 60 }),
    ];
    await done(preview("gc", "--open-command", "echo 13"));
    for (const name of stays) expect(await namespace(name)).toBeDefined();
    for (const name of goes) expect(await namespace(name)).toBeUndefined();
  });
});

describe("a half of a preview", () => {
  test("goes: a namespace whose state is lost, a state whose namespace is lost", async () => {
    for (const file of stackFiles(`preview-${CUT}`)) rmSync(file);
    expect(await done(preview("gc"))).toMatch(/cut +shared +goes +a namespace of this checkout that no state knows/);
    expect(await namespace(namespaceOfPreview(CUT))).toBeUndefined();
    await kube.remove({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespaceOfPreview(LIFE) } });
    await waitFor(
      "the namespace's end",
      async () => (await namespace(namespaceOfPreview(LIFE))) === undefined || notYet("it is being deleted"),
      { deadline: 90_000 },
    );
    expect(await done(preview("gc"))).toMatch(/life +shared +goes +its namespace is gone/);
    expect(stackFiles("preview-life")).toEqual([]);
  });

  test("goes when its cluster is gone, and then nothing is left of any of this", async () => {
    await done(up(LIFE));
    await done(npmRun(["down", "--", "--stack", SHARED]));
    expect(await done(preview("list"))).toMatch(/life +cluster gone/);
    await done(preview("gc"));
    expect(await names()).toEqual([]);
    expect(lookAtHost()).toEqual(before);
  });
});
