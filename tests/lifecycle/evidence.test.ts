import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ROOT } from "./host";
import { anyImage } from "./images";
import { npmRun } from "./runner";
import { onK3s, stackFile, STACK } from "./stack-file";

jest.setTimeout(400_000);

const KEY = "sk-bay-planted-0123456789abcdef";

/** A run that fails, with the folder that it left. */
async function redRun(
  stack: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ output: string; folder: string; files: string[] }> {
  const run = npmRun(["e2e", "--", "--stack", stack], env);
  expect([await run.done, run.output()]).toEqual([1, expect.stringMatching(/Run failed/)]);
  const folder = /report +(\S+)\/report\.json/.exec(run.output())![1]!;
  return {
    output: run.output(),
    folder,
    files: readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name))),
  };
}

/** The text behind the summary: what a terminal shows last. */
const lastScreen = (output: string) =>
  output.slice(output.lastIndexOf("report.json")).split("\n").slice(1).join("\n").trim();

describe("a run that failed leaves its evidence, and its last screen says what to do", () => {
  let context: string;
  beforeAll(() => {
    context = mkdtempSync(join(tmpdir(), "bay-e2e-context-"));
    // A Bay that tells its key in every form before it dies.
    writeFileSync(
      join(context, "Dockerfile"),
      `FROM ${anyImage()}\nCMD ["node", "-e", "const key = process.env.BAY_API_KEY; console.error('no such luck', key, Buffer.from(key).toString('base64'), JSON.stringify({ key })); process.exit(3)"]\n`,
    );
  });
  afterAll(() => {
    rmSync(context, { recursive: true, force: true });
    rmSync(join(ROOT, "stacks", "Pulumi.life-red.yaml"), { force: true });
  });

  test("of a Bay that crashes: cluster, node and Pulumi, without the key in clear or base64, in folder and archive", async () => {
    stackFile("life-red", { bayContext: relative(ROOT, context), apiKey: KEY });
    const { output, folder, files } = await redRun("life-red");
    expect(files).toEqual(
      expect.arrayContaining([
        "pulumi.log",
        "evidence.tar.gz",
        "evidence/error.txt",
        "evidence/cluster/bay-e2e-test/events.txt",
        "evidence/cluster/bay-e2e-test/pods/bay.txt",
        "evidence/cluster/bay-e2e-test/logs/bay/bay.log",
        "evidence/cluster/kube-system/pods.txt",
        "evidence/pulumi/config.json",
        "evidence/pulumi/pulumi.log",
        "evidence/host/pulumi-version.txt",
        expect.stringMatching(/^evidence\/nodes\/[^/]+\/docker\.log$/),
        expect.stringMatching(/^evidence\/nodes\/[^/]+\/logs\/.*kubelet\.log$/),
      ]),
    );
    expect(readFileSync(join(folder, "evidence/cluster/bay-e2e-test/logs/bay/bay.log"), "utf8")).toMatch(
      /no such luck \[secret\] \[secret\]/,
    );
    const packed = execFileSync("tar", ["-xzOf", join(folder, "evidence.tar.gz")], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    expect(packed).toMatch(/no such luck \[secret\]/);
    for (const secret of [
      KEY,
      Buffer.from(KEY).toString("base64"),
      readFileSync(join(ROOT, ".state", "passphrase"), "utf8"),
    ]) {
      expect(files.filter((file) => readFileSync(join(folder, file)).includes(secret))).toEqual([]);
      expect([packed.includes(secret), output.includes(secret)]).toEqual([false, false]);
    }
    const screen = lastScreen(output);
    for (const part of [
      /^E_BAY_NOT_READY/,
      /Pod bay-e2e-test\/bay/,
      /no such luck/,
      /Evidence: artifacts\//,
      /Repeat: +npm run e2e -- --stack life-red/,
    ])
      expect(screen).toMatch(part);
    expect(screen.split("\n").length).toBeLessThanOrEqual(24);
  });

  onK3s(
    "of a node that could not even start: the cause is on the screen, and what could not be had is said",
    async () => {
      stackFile("life-red", { k3sImage: anyImage() });
      const { folder, files, output } = await redRun("life-red");
      expect(files).toEqual(expect.arrayContaining(["pulumi.log", "evidence.tar.gz", "evidence/pulumi/resources.txt"]));
      expect(readFileSync(join(folder, "evidence/incomplete.txt"), "utf8")).toMatch(/cluster: no kubeconfig/);
      // Where a line is broken depends on the words before.
      expect(lastScreen(output).replace(/\s+/g, " ")).toMatch(/^E_NODE_DIED.*"server": executable file not found/);
    },
  );

  test("of a host without Docker: what could not be had is said", async () => {
    const { folder, output } = await redRun(STACK, { DOCKER_HOST: "unix:///nonexistent/docker.sock" });
    expect(readFileSync(join(folder, "evidence/incomplete.txt"), "utf8")).toMatch(/docker: .*nonexistent/);
    expect(lastScreen(output)).toMatch(/^E_DOCKER_MISSING[\s\S]*parts could not be had/);
  });
});
