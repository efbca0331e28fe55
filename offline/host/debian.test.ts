import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { debianSource } from "./debian";

const codename = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "offline-apt-"));
  mkdirSync(join(folder, "sources.list.d"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const write = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
};

describe("the host's own source of Debian packages", () => {
  it("is read from a paragraph, not from those of other archives", () => {
    write(
      "sources.list.d/a.sources",
      `Types: deb\nURIs: http://other.test/apt\nSuites: ${codename}\nComponents: main\n`,
    );
    write(
      "sources.list.d/debian.sources",
      `# a comment\nTypes: deb\nURIs: http://debian.test/debian-security\nSuites: ${codename}-security\nComponents: main\n\nTypes: deb\n# another\nURIs: http://debian.test/debian\nSuites: ${codename} ${codename}-updates\nComponents: main\nSigned-By: /keys/debian.gpg\n`,
    );
    expect(debianSource(folder)).toEqual({ uri: "http://debian.test/debian", signedBy: "/keys/debian.gpg", codename });
  });

  it("is read from a line", () => {
    write(
      "sources.list",
      `deb-src http://src.test/debian ${codename} main\ndeb [arch=amd64 signed-by=/keys/x.gpg] http://debian.test/debian/ ${codename} main contrib\n`,
    );
    expect(debianSource(folder)).toEqual({ uri: "http://debian.test/debian/", signedBy: "/keys/x.gpg", codename });
  });

  it.each([
    ["nothing", ""],
    [
      "a disabled paragraph",
      `Enabled: no\nTypes: deb\nURIs: http://debian.test/debian\nSuites: ${codename}\nComponents: main\n`,
    ],
    ["another distribution", `Types: deb\nURIs: http://archive.test/ubuntu\nSuites: ${codename}\nComponents: main\n`],
  ])("with %s is an error that says what is wanted", (_, text) => {
    write("sources.list.d/debian.sources", text);
    expect(() => debianSource(folder)).toThrow(expect.objectContaining({ code: "E_TOOL_BUILD" }));
  });
});
