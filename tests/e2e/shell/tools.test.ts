import { expectStatus, type SandboxClient } from "../../support/bay-client";
import type { ShellResult } from "../../support/bay-types";
import { newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
});

const shell = async (command: string): Promise<ShellResult> =>
  expectStatus(await sandbox.shell(command, { timeout: 60 }), 200);

describe("the tools of a sandbox @shell", () => {
  it.each([
    ["python3", /^Python 3\./],
    ["node", /^v\d/],
    ["npm", /^\d/],
    ["pnpm", /^\d/],
    ["git", /^git version/],
    ["curl", /^curl \d/],
  ])("TOOL-1 has %s", async (tool, version) => {
    expect(await shell(`${tool} --version`)).toMatchObject({ success: true, output: expect.stringMatching(version) });
  });

  it("PROJ-6 make a virtual environment that survives a stop @slow", async () => {
    expect(await shell("python -m venv /workspace/.venv")).toMatchObject({ exit_code: 0 });
    expectStatus(await sandbox.stop(), 200);
    expect(await shell(".venv/bin/python -c 'import sys; print(sys.prefix)'")).toMatchObject({
      success: true,
      output: "/workspace/.venv",
    });
  });

  it("make a repository of git and a package of npm", async () => {
    const git =
      "git init -q repo && cd repo && git config user.email a@b && git config user.name a && echo x > f && git add f && git commit -qm first && git log --format=%s";
    expect(await shell(git)).toMatchObject({ success: true, output: "first" });
    expect(
      await shell("mkdir -p pkg && cd pkg && npm init -y > /dev/null && node -p 'require(\"./package.json\").name'"),
    ).toMatchObject({ success: true, output: "pkg" });
  });
});
