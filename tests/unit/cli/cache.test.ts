import { cacheCommand, inventory } from "../../../cli/commands/cache";
import { type InUse, reasonToKeep, useOf } from "../../../cli/clean-up/in-use";
import type { KnownStack } from "../../../cli/stack/known-stacks";
import { imagesOf, isBuilt, type Stored } from "../../../cli/tools/stored";

const nothing: InUse = { stacks: [], images: [] };
const image = (id: string, ...places: string[]): Stored => ({ kind: "image", name: id, places, size: 184e6 });
const bay = image("sha256:1", "bay-e2e/bay:mine", "bay-e2e/bay:111");
const node = image("sha256:2", "bay-e2e/node:v1");
const tool: Stored = { kind: "tool", name: "pulumi", places: ["/c/pulumi"] };

describe("the images that stay", () => {
  test("are one entry each, with all names and the size", () => {
    expect(
      imagesOf("sha256:1 bay-e2e/bay:mine 184MB\nsha256:2 bay-e2e/node:v1 1.02GB\nsha256:1 bay-e2e/bay:111 184MB\n"),
    ).toEqual([bay, { ...node, size: 1.02e9 }]);
    expect(imagesOf("")).toEqual([]);
    expect(imagesOf("sha256:3 bay-e2e/ship:a N/A")).toEqual([
      { kind: "image", name: "sha256:3", places: ["bay-e2e/ship:a"] },
    ]);
  });

  test("were built by a stack, or are stand-ins", () => {
    expect(
      [
        bay,
        image("x", "bay-e2e/ship:a"),
        image("z", "bay-e2e/checkpoint-node:k3s"),
        node,
        image("y", "bay-e2e/bay-like:a"),
        tool,
      ].map(isBuilt),
    ).toEqual([true, true, true, false, false, false]);
  });
});

describe("what is in use", () => {
  const known = (name: string, condition: KnownStack["condition"], images: string[] = []): KnownStack => ({
    name,
    condition,
    inState: true,
    images,
  });

  test("is told by the state of this checkout, and by the nodes of all", () => {
    const use = useOf(
      [known("a", "up", ["sha256:1"]), known("half", "interrupted"), known("gone", "not up", ["sha256:9"])],
      ["other\t", "\tbay-e2e-of-kind-0a1b2c", "\tsomebody-else", "a\t"],
    );
    expect(use).toEqual({ stacks: ["a", "half", "of-kind", "other"], images: ["sha256:1"] });
  });

  test.each<[string, Stored, InUse, string | undefined]>([
    ["an image with a stack's name", bay, { stacks: ["mine", "other"], images: [] }, "stack mine"],
    [
      "an image that a stack of this checkout runs",
      bay,
      { stacks: ["other"], images: ["sha256:1"] },
      "a stack of this checkout",
    ],
    ["an image of stacks that are gone", bay, { stacks: ["other"], images: ["sha256:7"] }, undefined],
    ["a stand-in while any stack is up", node, { stacks: ["a", "b"], images: [] }, "stacks a, b"],
    ["a stand-in when none is", node, nothing, undefined],
    ["a tool while any stack is up", tool, { stacks: ["a"], images: [] }, "stack a"],
    [
      "a run's artifacts, whatever is up",
      { kind: "run", name: "artifacts", places: ["/a"] },
      { stacks: ["a"], images: [] },
      undefined,
    ],
  ])("keeps, or does not keep, %s", (_, thing, use, reason) => {
    expect(reasonToKeep(thing, use)).toBe(reason);
  });
});

describe("the list", () => {
  test("has size, user and removal of each, and a total", () => {
    const text = inventory(
      [bay, node, tool, { kind: "cache of Go", name: "go clean -cache", places: ["/go"], size: 4e9 }],
      { stacks: ["mine"], images: [] },
    );
    expect(text).toMatch(
      /^image +bay-e2e\/bay:mine and 1 more name +184\.0 MB +stack mine +npm run cache -- clean --images$/m,
    );
    expect(text).toMatch(/^image +bay-e2e\/node:v1 +184\.0 MB +stack mine +npm run cache -- clean --tools$/m);
    expect(text).toMatch(/^tool +pulumi +\? +stack mine/m);
    expect(text).toMatch(/^cache of Go +\/go +4\.0 GB +go clean -cache$/m);
    expect(text).toContain("4.4 GB in all");
  });

  test("says when there is nothing", () => {
    expect(inventory([], nothing)).toBe("Nothing stays between runs.");
  });

  test.each<[string, string | undefined, object, string]>([
    ["clean without a flag", "clean", {}, "clean without what to remove"],
    ["a flag without clean", undefined, { all: true }, "a flag without the word clean"],
    ["another word", "wipe", {}, "cache wipe"],
  ])("is not what %s asks for", async (_, action, flags, seen) => {
    await expect(cacheCommand(action, { images: false, tools: false, all: false, ...flags })).rejects.toMatchObject({
      code: "E_USAGE",
      seen,
    });
  });
});
