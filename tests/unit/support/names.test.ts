import { folderName, LONGEST_NAME, uniqueName } from "../../support/names";

describe("uniqueName", () => {
  it.each(["pod", "A Test's Name!", "x".repeat(200), "42 starts with a digit", "", "---"])(
    "makes a legal, unique label of %j",
    (prefix) => {
      const names = new Set(Array.from({ length: 100 }, () => uniqueName(prefix)));
      expect(names.size).toBe(100);
      for (const name of names) {
        expect(name).toMatch(/^[a-z]([a-z0-9-]*[a-z0-9])$/);
        expect(name.length).toBeLessThanOrEqual(LONGEST_NAME);
      }
    },
  );
});

describe("folderName", () => {
  it.each([
    ["lifecycle LIFE-1 creates a sandbox: idle", "lifecycle-LIFE-1-creates-a-sandbox-idle"],
    ["../../etc/passwd", "etc-passwd"],
    ["💥", "unnamed"],
  ])("makes %j the folder %j", (test, folder) => expect(folderName(test)).toBe(folder));

  it("is never longer than 100 characters", () =>
    expect(folderName("word ".repeat(100)).length).toBeLessThanOrEqual(100));
});
