import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { costOf, type Details } from "../../../../cli/preview/details";
import { statusText } from "../../../../cli/preview/status";
import { goneText, replaceMarked, summaryText, writeInto } from "../../../../cli/preview/summary";
import { NOW, preview } from "./facts";

const pod = (phase: string, requests: object, limits: object) => ({
  spec: { containers: [{ name: "x", image: "i", resources: { requests, limits } as never }] },
  status: { phase },
});
const cost = costOf(
  [
    pod("Running", { cpu: "100m", memory: "128Mi" }, { cpu: "1", memory: "512Mi" }),
    pod("Running", { cpu: "50m", memory: "96Mi" }, { cpu: "1", memory: "1Gi" }),
    pod("Succeeded", { cpu: "9" }, {}),
  ],
  [{ spec: { resources: { requests: { storage: "1Gi" } } } }, { spec: {} }],
);
const details: Details = {
  bay: { name: "bay", port: 8114, image: "docker.io/bay-e2e/bay:0123456789ab", phase: "Running", ready: true },
  cost,
  quota: { pods: { used: "2", hard: "25" } },
};
const report = {
  outcome: "passed" as const,
  tests: { passed: 40, failed: 0, skipped: 1, notRun: 0 },
  phases: { test: 12_300 },
  startedAt: "2026-11-22T15:55:00.000Z",
};

describe("the cost of a preview", () => {
  test("is what its pods that have not ended, and its volumes, ask for and may take", () => {
    expect(cost).toEqual({
      pods: 2,
      requests: { cpu: expect.closeTo(0.15) as number, memory: 224 * 2 ** 20 },
      limits: { cpu: 2, memory: 1.5 * 2 ** 30 },
      volumes: 2,
      storage: 2 ** 30,
    });
  });
});

describe("a summary", () => {
  test("says what is up, its tests, what it takes, when it ends and how to reach, extend and remove it", () => {
    const text = summaryText(
      preview({ idle: 3600, commit: "0123456789abcdef0123456789abcdef01234567" }),
      details,
      report,
    );
    for (const part of [
      "### Preview `pr-7`: up",
      "ready, pod `bay` in namespace `bay-preview-pr-7`",
      "commit 0123456789abcdef",
      "passed: 40 passed, 0 failed, 1 skipped in 12.3 s, 2026-11-22 15:55 UTC",
      "2 pods: requests 0.15 cores, 224Mi; limits 2 cores, 1.5Gi; 2 volumes, 1Gi",
      "pods 2 of 25",
      "2026-11-22 19:00 UTC, or after 1 h without use",
      "npm run preview -- open pr-7",
      "npm run -s preview -- key pr-7",
      "npm run preview -- extend pr-7",
      "npm run preview -- down pr-7",
    ])
      expect(text).toContain(part);
  });

  test("says of what is broken that it is", () => {
    const broken = summaryText(
      preview(),
      { ...details, bay: { ...details.bay!, ready: false, phase: "Pending" } },
      { ...report, outcome: "failed", tests: { ...report.tests, failed: 2 } },
    );
    expect(broken).toMatch(/: not up\n[\s\S]*\*\*not ready\*\* \(Pending\)[\s\S]*\*\*failed\*\*: 40 passed, 2 failed/);
    expect(summaryText(preview(), undefined, undefined)).toMatch(/\*\*not there\*\*[\s\S]*none were run/);
  });

  test("takes the place of the one before and leaves what is around it and what is of others", () => {
    const [first, second] = [summaryText(preview(), details, undefined), summaryText(preview(), details, report)];
    const other = summaryText(preview({ name: "pr-70" }), details, report);
    const text = replaceMarked(replaceMarked(replaceMarked("Hello.\n", "pr-7", first), "pr-70", other), "pr-7", second);
    expect(text).toContain("Hello.\n");
    expect(text).toContain(other);
    expect(text.split("preview pr-7 -->")).toHaveLength(3);
    expect(text).not.toContain("none were run");
    expect(replaceMarked(text, "pr-7", goneText("pr-7"))).toMatch(/Hello[\s\S]*`pr-7`: removed[\s\S]*`pr-70`: up/);
  });

  test("goes into a file, which is made where it is not there", () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-e2e-summary-"));
    const file = join(folder, "page.md");
    try {
      for (let n = 0; n < 2; n += 1) writeInto(file, "pr-7", goneText("pr-7"));
      expect(readFileSync(file, "utf8")).toBe(`${goneText("pr-7")}\n`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("a status says what is known, and what the next collection will do", () => {
  expect(statusText(preview(), details, NOW)).toMatch(
    /stays: expires in 3 h[\s\S]*pod bay, Running, ready[\s\S]*2 pods/,
  );
  expect(statusText(preview({ clusterState: "gone", namespace: undefined }), "its cluster is gone", NOW)).toMatch(
    /cluster gone[\s\S]*goes: its cluster is gone[\s\S]*cluster says/,
  );
});
