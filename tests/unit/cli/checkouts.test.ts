import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mounts, presenceOf } from "../../../cli/clean-up/checkouts";

const NONE: Mounts = { mountinfo: "", fstab: "" };
const mount = (point: string, type = "ext4") => `36 35 98:0 / ${point} rw,noatime shared:1 - ${type} /dev/sdb1 rw\n`;

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "bay-e2e-parent-"));
  writeFileSync(join(parent, "other"), "");
});
afterEach(() => {
  rmSync(parent, { recursive: true, force: true });
});

describe("a checkout", () => {
  test("is here while its Pulumi.yaml is", () => {
    writeFileSync(join(parent, "Pulumi.yaml"), "");
    expect(presenceOf(parent)).toBe("here");
  });

  test("is gone when its folder is missing beside others", () => {
    expect(presenceOf(join(parent, "app"), NONE)).toBe("gone");
    expect(
      presenceOf(join(parent, "app"), { mountinfo: mount(parent), fstab: `/dev/sdb1 ${parent} ext4 defaults 0 2` }),
    ).toBe("gone");
  });

  test.each<[string, (parent: string) => string, (parent: string) => Mounts]>([
    ["its folder is there and empty, as a mount point is", (place) => mkdtempSync(join(place, "app-")), () => NONE],
    [
      "the folder above it is empty, as a mount point is",
      (place) => join(mkdtempSync(join(place, "disk-")), "app"),
      () => NONE,
    ],
    ["the folder above it is missing", (place) => join(place, "disk", "app"), () => NONE],
    [
      "the host is told of a disk there that is not mounted",
      (place) => join(place, "app"),
      (place) => ({ mountinfo: mount("/"), fstab: `# disks\nUUID=1 ${place} ext4 noauto 0 2\n` }),
    ],
    [
      "an automounter has the folder above it",
      (place) => join(place, "app"),
      (place) => ({ mountinfo: mount(place, "autofs"), fstab: "" }),
    ],
    ["removable disks are mounted beside it", () => "/media/bob/app", () => NONE],
    ["its path is not a whole one", () => "app", () => NONE],
  ])("is unknown where %s", (_, checkout, mounts) => {
    expect(presenceOf(checkout(parent), mounts(parent))).toBe("unknown");
  });
});
