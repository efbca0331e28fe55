import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KnownStack } from "../../../../cli/stack/known-stacks";
import { ROOT } from "../../../../cli/paths";
import { digestOf } from "../../../../cli/preview/digest";
import { pathIn, withSource } from "../../../../cli/preview/source";
import { pickTemplate, requireTemplate, secretKeysOf } from "../../../../cli/preview/template";

const tell = () => undefined;

describe("the files that images are built from", () => {
  test("are the checkout as it lies, where no commit is named", async () => {
    await expect(withSource(undefined, tell, (source) => Promise.resolve(source))).resolves.toEqual({
      root: ROOT,
      commit: "",
    });
  });

  test("are those of a commit for as long as they are needed, within this checkout, whose packages they find", async () => {
    let folder = "";
    const { commit, manifest } = await withSource("HEAD", tell, (source) => {
      folder = source.root;
      return Promise.resolve({
        commit: source.commit,
        manifest: readFileSync(join(pathIn(source, "bayContext", "images/bay"), "Dockerfile"), "utf8"),
      });
    });
    expect(commit).toMatch(/^[0-9a-f]{40}$/);
    expect(manifest).toContain("FROM");
    expect(folder.startsWith(`${ROOT}/`)).toBe(true);
    expect(existsSync(folder)).toBe(false);
  });

  test.each(["no-such-branch", "--output=/tmp/x", "ffffffffffffffffffffffffffffffffffffffff"])(
    "of %s are refused, for this checkout has no such commit",
    async (ref) => {
      await expect(withSource(ref, tell, () => Promise.resolve())).rejects.toMatchObject({
        code: "E_USAGE",
        seen: expect.stringContaining(ref) as string,
        next: expect.stringContaining("git fetch") as string,
      });
    },
  );

  test("outside of the checkout are no commit's", () => {
    const commit = "0".repeat(40);
    expect(() => pathIn({ root: "/unpacked", commit }, "bayContext", "../my-bay")).toThrow(
      expect.objectContaining({
        code: "E_USAGE",
        seen: expect.stringContaining("bayContext ../my-bay") as string,
      }) as Error,
    );
    expect(pathIn({ root: "/unpacked", commit }, "bayContext", "images/bay")).toBe("/unpacked/images/bay");
  });
});

test("sources have one digest by their names and contents, whatever was built beside them", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-digest-"));
  try {
    writeFileSync(join(folder, "a.ts"), "1");
    const first = digestOf(["bay"], [folder]);
    mkdirSync(join(folder, "dist"));
    writeFileSync(join(folder, "dist", "server.js"), "built");
    expect(digestOf(["bay"], [folder])).toBe(first);
    expect(digestOf(["ship"], [folder])).not.toBe(first);
    writeFileSync(join(folder, "a.ts"), "2");
    expect(digestOf(["bay"], [folder])).not.toBe(first);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("a template", () => {
  const known = (name: string, condition: KnownStack["condition"]): KnownStack => ({
    name,
    condition,
    inState: true,
    images: [],
  });

  test("is the only stack that is up, and never a preview", () => {
    expect(pickTemplate([known("k3s", "up"), known("kind", "not up"), known("preview-pr-1", "up")])).toBe("k3s");
    expect(() => pickTemplate([known("preview-pr-1", "up")])).toThrow(
      expect.objectContaining({
        code: "E_STACK_NOT_UP",
        next: expect.stringContaining("npm run up -- --stack k3s") as string,
      }) as Error,
    );
    expect(() => pickTemplate([known("k3s", "up"), known("kind", "up")])).toThrow(
      expect.objectContaining({ code: "E_STACK_AMBIGUOUS", next: "add --from k3s, or another of them" }) as Error,
    );
  });

  test("must exist, and is refused by the nearest name that does", () => {
    expect(requireTemplate("existing")).toBe("existing");
    expect(() => requireTemplate("existig")).toThrow(
      expect.objectContaining({
        code: "E_PREVIEW_TEMPLATE",
        next: "--from existing   (is that what you meant?)",
      }) as Error,
    );
    expect(() => requireTemplate("preview-pr-1")).toThrow(
      expect.objectContaining({
        code: "E_PREVIEW_TEMPLATE",
        seen: expect.stringContaining("a preview itself") as string,
      }) as Error,
    );
  });

  test("keeps its secrets shut: who copies them must open them", () => {
    expect(secretKeysOf({ registry: "r", registryPassword: { secure: "v1:x" }, imageSubstitutes: {} })).toEqual([
      "registryPassword",
    ]);
  });
});
