import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeAfter } from "../../../cli/evidence/collect";
import { archive, EvidenceFolder } from "../../../cli/evidence/files";
import { logSections, logTails } from "../../../cli/evidence/host";
import { redScreen } from "../../../cli/evidence/screen";
import { secretsOf } from "../../../cli/stack/stack-state";
import { UserError } from "../../../infra/support/errors";
import { describeObject } from "../../../infra/support/kube-text";
import { maskerOf } from "../../../infra/support/secrets";

const base64 = (text: string) => Buffer.from(text).toString("base64");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-evidence-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("a node's logs", () => {
  test("are those below the folders, whatever names, links and lines are in them", () => {
    const secret = join(folder, "secret.yaml");
    const logs = join(folder, "logs");
    mkdirSync(logs);
    writeFileSync(secret, "planted");
    writeFileSync(join(logs, "own.log"), "own\n===== guess /etc/forged\nforged\n");
    symlinkSync(secret, join(logs, "link.log"));
    // As two lines, its path is that of the secret.
    mkdirSync(join(logs, "evil\n", folder), { recursive: true });
    writeFileSync(join(logs, "evil\n", `${secret}\n.log`), "of a container");
    const mark = "===== unguessed";
    const sections = logSections(
      execFileSync("sh", ["-c", logTails(mark, { folders: [logs], files: [] })], { encoding: "utf8" }),
      mark,
    );
    const own = sections.filter(([file]) => !file.startsWith("journal/"));
    expect(own.map(([file]) => file).sort()).toEqual(
      [join(logs, "evil_", `${secret}_.log`), join(logs, "own.log")].sort(),
    );
    expect(JSON.stringify(own)).not.toContain("planted");
  });

  test("are not looked for where containers write", () => {
    expect(logTails("mark")).not.toMatch(/agent\/containerd(?!\/containerd\.log)/);
  });
});

describe("evidence", () => {
  test("holds no secret, in clear or in base64, in the folder or in the archive, and only its owner may read it", async () => {
    const planted = ["planted-token-1", base64("planted-key-2"), 'planted "quoted" 3'];
    const into = new EvidenceFolder(join(folder, "evidence"), maskerOf(planted));
    into.write(
      "logs/a.log",
      `${planted.join(" ")} ${base64("planted-token-1")} planted-key-2 ${JSON.stringify(planted)}\n`,
    );
    await into.part("something", () => Promise.reject(new Error("refused planted-token-1")));
    into.close();
    await archive(into.folder, join(folder, "evidence.tar.gz"));
    const unpacked = execFileSync("tar", ["-xzOf", join(folder, "evidence.tar.gz")], { encoding: "utf8" });
    const stored = readdirSync(into.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
      .join("\n");
    for (const text of [unpacked, stored]) {
      expect(text).toMatch(/something: refused \[secret\]/);
      expect(text).not.toMatch(/planted/);
      expect(text).not.toContain(base64("planted-token-1"));
      expect(text).not.toContain(base64("planted-key-2"));
    }
    expect(statSync(join(into.folder, "logs", "a.log")).mode & 0o77).toBe(0);
    expect(statSync(join(folder, "evidence.tar.gz")).mode & 0o77).toBe(0);
  });

  test("takes nothing in once it is closed, and nothing outside of its folder", () => {
    const into = new EvidenceFolder(join(folder, "evidence"), (text) => text);
    into.write("../../out.txt", "x");
    into.close();
    into.write("late.txt", "x");
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual([
      "evidence",
      "evidence/_",
      "evidence/_/_",
      "evidence/_/_/out.txt",
    ]);
  });

  test("lists what is missing once: what fails after the end is not added to the list that was handed out", async () => {
    const into = new EvidenceFolder(join(folder, "evidence"), maskerOf(["secret-word"]));
    let fail: (error: Error) => void = () => undefined;
    const late = into.part(
      "late",
      () =>
        new Promise((_, reject) => {
          fail = reject;
        }),
    );
    into.miss("first: secret-word");
    const missing = into.close();
    fail(new Error("too late"));
    await late;
    into.miss("also too late");
    expect([missing, into.close()]).toEqual([["first: [secret]"], ["first: [secret]"]]);
    expect(readFileSync(join(into.folder, "incomplete.txt"), "utf8")).toBe("first: [secret]\n");
  });

  test.each<[string, number, AbortSignal | undefined, string[]]>([
    ["a deadline", 1, undefined, ["not all was there after 0.001 s"]],
    ["a signal", 60_000, AbortSignal.abort(), ["not all was there when a signal ended it"]],
  ])("ended by %s says so in incomplete.txt", async (_what, deadline, stop, expected) => {
    const into = new EvidenceFolder(join(folder, "evidence"), (text) => text);
    expect(await closeAfter(into, new Promise(() => undefined), deadline, stop)).toEqual(expected);
    expect(readFileSync(join(into.folder, "incomplete.txt"), "utf8")).toBe(`${expected.join("\n")}\n`);
  });

  test("that was whole in time has no incomplete.txt, also when its deadline passes later", async () => {
    jest.useFakeTimers();
    try {
      const into = new EvidenceFolder(join(folder, "evidence"), (text) => text);
      const missing = await closeAfter(into, Promise.resolve(), 1_000);
      expect(jest.getTimerCount()).toBe(0);
      expect([missing, readdirSync(into.folder)]).toEqual([[], []]);
    } finally {
      jest.useRealTimers();
    }
  });

  test("knows the secrets of a state: each one, and not the open inputs beside it", () => {
    const secret = (plaintext: string) => ({
      "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
      plaintext,
    });
    const state = {
      pending: [],
      resources: [
        {
          urn: "u",
          type: "t",
          inputs: { key: secret('"sk-1"'), data: secret('{"a":"b2","namespace":"open"}'), namespace: "open" },
          outputs: { __inputs: secret('{"platform":"linux/amd64"}'), list: [secret('"t0"')] },
        },
      ],
    };
    expect(secretsOf(state).sort()).toEqual(["b2", "sk-1", "t0"]);
  });

  test("describes an object by its conditions, its own events and its YAML", () => {
    const event = (name: string) => ({
      metadata: {},
      involvedObject: { kind: "Pod", name },
      type: "Warning",
      reason: "Failed",
      message: `of ${name}`,
    });
    const text = describeObject(
      {
        kind: "Pod",
        metadata: { name: "bay", namespace: "n", managedFields: ["noise"] },
        status: { conditions: [{ type: "Ready", status: "False", reason: "R", message: "m" }] },
      },
      [event("bay"), event("other")],
    );
    expect(text).toMatch(
      /^Pod n\/bay\n\nconditions:\n {2}Ready=False R: m\n\nevents:\n {2}\S+ Warning Failed Pod\/bay: of bay\n\nkind: Pod/,
    );
    expect(text).not.toMatch(/noise|of other/);
  });
});

describe("the last screen of a red run", () => {
  const evidence = () => ({ folder: join(folder, "evidence"), archive: join(folder, "evidence.tar.gz"), missing: [] });
  const put = (path: string, text: string) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const tests = { passed: 3, failed: 5, skipped: 0 };

  test("names code, object, its last events and log lines, archive and next command, on one screen", () => {
    put(
      "evidence/cluster/n/pods.txt",
      "good Running ready 1/1 restarts 0 on node\nbay Pending ready 0/1 restarts 4 (bay waiting CrashLoopBackOff) on node\n",
    );
    put(
      "evidence/cluster/n/events.txt",
      Array.from(
        { length: 30 },
        (_, at) => `2026-01-01T00:00:${10 + at}.000Z Warning BackOff Pod/bay: event ${at}\n`,
      ).join(""),
    );
    put("evidence/cluster/n/logs/bay/bay.log", `${"x".repeat(200)}\n2026-01-01T00:00:01Z no such luck\n`);
    const error = new UserError("E_BAY_NOT_READY", {
      seen: `${"long ".repeat(60)}`,
      wanted: "Bay's pod ready",
      next: "npm run status",
      detail: "one\ntwo",
    });
    const screen = redScreen({ stack: "s", folder, error, tests, evidence: evidence(), kept: false });
    for (const part of [
      /E_BAY_NOT_READY/,
      /next: +npm run status/,
      /Pod n\/bay Pending.*CrashLoopBackOff/,
      /event 29/,
      /no such luck/,
      /Evidence: .*evidence\.tar\.gz/,
      /npm run e2e -- --stack s --keep-on-failure/,
    ])
      expect(screen).toMatch(part);
    expect(screen.split("\n").length).toBeLessThanOrEqual(24);
  });

  test("names the first three failed tests with cause and folder, and counts the rest", () => {
    for (const name of ["one", "two", "three", "four"])
      put(`failures/${name}/error.txt`, `file: ${name}\n\nError: no\n\n    Expected: 1\n    Received: 2\n`);
    const screen = redScreen({ stack: "s", folder, tests, evidence: evidence(), kept: true });
    expect(screen).toMatch(/5 of 8 tests failed; the first 3:/);
    expect(screen.match(/Expected: 1; Received: 2/g)).toHaveLength(3);
    expect(screen).toMatch(/failures\/one[\s\S]*npm run down -- --stack s/);
    expect(screen.split("\n").length).toBeLessThanOrEqual(24);
  });
});
