import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
  expectStatus(await sandbox.python("1"), 200);
});

const SKILL = "skills/python-sandbox/SKILL.md";
const skill = async (): Promise<string> => expectStatus(await sandbox.readFile(SKILL), 200).content;
const restart = async (): Promise<void> => {
  expectStatus(await sandbox.stop(), 200);
  expectStatus(await sandbox.python("1"), 200);
};

describe("the skills that come with a sandbox @core", () => {
  it("INJ-1, INJ-2 are there after the first call and say what they are", async () => {
    const text = await skill();
    expect(text).toMatch(/^---\n/);
    for (const part of ["name:", "description:", "python-sandbox"]) expect(text).toContain(part);
  });

  it("INJ-3 are listed by their names", async () => {
    const names = expectStatus(await sandbox.list("skills"), 200).entries.map(({ name }) => name);
    expect(names).toContain("python-sandbox");
    expect(names).not.toContain("ship");
  });

  it("INJ-7 can be read from Python", async () => {
    const code = `import re\nhead = open('/workspace/${SKILL}').read().split('---')[1]\nprint(*(re.search(rf'^{key}: *(.+)$', head, re.M)[1] for key in ('name', 'description')), sep='|')`;
    expect(expectStatus(await sandbox.python(code), 200).output).toMatch(/^python-sandbox\|\S/);
  });

  it("INJ-8 belong to shipyard", async () => {
    expect(expectStatus(await sandbox.shell(`stat -c %U ${SKILL}`), 200).output).toBe("shipyard");
  });

  it("INJ-4, INJ-5, INJ-6 are the same after a stop, and a client's own skill stays @slow", async () => {
    const before = await skill();
    expectStatus(await sandbox.writeFile("skills/my-custom-skill/SKILL.md", "my own"), 200);
    await restart();
    expect(await skill()).toBe(before);
    expect(expectStatus(await sandbox.readFile("skills/my-custom-skill/SKILL.md"), 200).content).toBe("my own");
  });

  it("are put back when a client changed them", async () => {
    const before = await skill();
    expectStatus(await sandbox.writeFile(SKILL, "changed"), 200);
    await restart();
    expect(await skill()).toBe(before);
  });
});
