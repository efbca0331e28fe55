import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { saveInto } from "../../../infra/support/docker";

/** A `docker` whose two sides do what a test wants: `save` writes the archive, `exec` takes it. */
async function withDocker<T>(save: string, exec: string, work: () => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-docker-"));
  const path = process.env["PATH"];
  writeFileSync(join(folder, "docker"), `#!/bin/sh\ncase $1 in save) ${save} ;; exec) ${exec} ;; esac\n`);
  chmodSync(join(folder, "docker"), 0o755);
  process.env["PATH"] = `${folder}${delimiter}${path ?? ""}`;
  try {
    return await work();
  } finally {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  }
}

describe("images piped into a node", () => {
  const save = "head -c 1000000 /dev/zero";

  test("are there when both sides say so, with the bytes that went through", async () => {
    expect(await withDocker(save, "cat > /dev/null", () => saveInto(["image"], "node", ["import"]))).toBe(1_000_000);
  });

  test("are there too when the importer had enough before the archive's padding", async () => {
    await expect(
      withDocker(save, "head -c 100 > /dev/null", () => saveInto(["image"], "node", ["import"])),
    ).resolves.toBeGreaterThan(0);
  });

  test.each([
    ["save", "exit 3", "cat > /dev/null"],
    ["the import", save, "cat > /dev/null; echo no space >&2; exit 1"],
  ])("are an error when %s fails", async (_, saving, importing) => {
    await expect(withDocker(saving, importing, () => saveInto(["image"], "node", ["import"]))).rejects.toThrow(
      /E_COMMAND[\s\S]*docker save image \| docker exec -i node import/,
    );
  });
});
