import { requireDisk } from "../../../cli/preflight";

describe("the disk", () => {
  test("that has room is no problem", async () => {
    await expect(requireDisk("/", 1)).resolves.toBeUndefined();
  });

  test("that is too full is named with what it has, what is needed and how to get it", async () => {
    await expect(requireDisk("/", 1e18)).rejects.toMatchObject({ code: "E_DISK", seen: expect.stringMatching(/^[\d.]+ GB free below \/$/), wanted: "1000000000 GB", next: expect.stringContaining("npm run clean") });
  });
});
