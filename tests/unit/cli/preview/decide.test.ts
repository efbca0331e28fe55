import { decide, endText } from "../../../../cli/preview/decide";
import type { FoundPreview } from "../../../../cli/preview/facts";
import { planGc, planText } from "../../../../cli/preview/gc";
import { listText } from "../../../../cli/preview/list";
import { NOW, preview } from "./facts";

const judge = { now: NOW, owner: "octo-shop", formerOwner: "bob", checkout: "/here", host: "this-host" };
const past = "2026-11-22T15:59:00Z";

describe("a garbage collection", () => {
  test.each<[string, Partial<FoundPreview>, string, RegExp]>([
    ["what is expired", { expires: past }, "down", /expired 1 min ago/],
    ["what expires this second", { expires: "2026-11-22T16:00:00Z" }, "down", /expired 0 s ago/],
    ["what is idle", { idle: 600 }, "down", /not used for 10 min/],
    ["what was never used since it was made", { idle: 3600, lastUsed: "" }, "down", /not used for 1 h/],
    [
      "what another checkout made, by its namespace alone",
      { stack: undefined, condition: "elsewhere", checkout: "/gone", expires: past },
      "namespace",
      /expired/,
    ],
    [
      "a namespace of this checkout that no state knows",
      { stack: undefined, condition: "elsewhere" },
      "namespace",
      /no state knows/,
    ],
    ["one under the owner's former name, whose state is here", { owner: "bob", expires: past }, "down", /expired/],
    ["a state whose namespace is gone", { namespace: undefined }, "forget", /its namespace is gone/],
    ["a state whose cluster is gone", { namespace: undefined, clusterState: "gone" }, "forget", /its cluster is gone/],
    [
      "one that is kept, when half of it is gone",
      { namespace: undefined, keep: true },
      "forget",
      /its namespace is gone/,
    ],
    [
      "an up that was killed before it made anything",
      { namespace: undefined, condition: "not up", whole: false },
      "forget",
      /nothing of it was made/,
    ],
    ["an up that was killed later", { condition: "interrupted", whole: false }, "down", /did not come to its end/],
  ])("removes %s", (_, facts, action, why) => {
    expect(decide(preview(facts), judge)).toEqual({ action, why: expect.stringMatching(why) as string });
  });

  test.each<[string, Partial<FoundPreview>, RegExp]>([
    ["what has time", {}, /expires in 3 h/],
    ["what was used", { idle: 3600, expires: "" }, /goes after 1 h without use, in 50 min/],
    ["what has no end", { expires: "" }, /no end was set/],
    ["what is kept", { keep: true, expires: past, idle: 1 }, /kept/],
    ["what is of another owner", { owner: "someone", expires: past }, /of another owner, someone/],
    [
      "another's under the former name of this owner",
      { owner: "bob", expires: past, stack: undefined, condition: "elsewhere" },
      /of another owner, bob/,
    ],
    [
      "what the same folder on another host made",
      { stack: undefined, condition: "elsewhere", host: "that-host" },
      /expires in/,
    ],
    ["what somebody works on", { expires: past, busy: "npm run preview up (pid 7) is at up" }, /pid 7/],
    [
      "what is on a cluster that does not answer",
      { expires: past, clusterState: "silent", namespace: undefined },
      /does not answer/,
    ],
    [
      "a namespace of another checkout that has time",
      { stack: undefined, condition: "elsewhere", checkout: "/there" },
      /expires in/,
    ],
    [
      "a namespace that is going already",
      { stack: undefined, condition: "elsewhere", terminating: true, expires: past },
      /being deleted/,
    ],
    ["a whole preview whose update was killed", { condition: "interrupted", whole: true }, /expires in/],
  ])("leaves %s", (_, facts, why) => {
    expect(decide(preview(facts), judge)).toEqual({ action: "stay", why: expect.stringMatching(why) as string });
  });

  test("takes a pull request for closed only when somebody asked which are open", () => {
    expect(decide(preview(), judge).action).toBe("stay");
    expect(decide(preview(), { ...judge, open: new Set(["7"]) }).action).toBe("stay");
    expect(decide(preview(), { ...judge, open: new Set(["pr-7"]) }).action).toBe("stay");
    expect(decide(preview(), { ...judge, open: new Set(["8"]) })).toEqual({
      action: "down",
      why: "pull request 7 is not open",
    });
    expect(decide(preview({ name: "demo" }), { ...judge, open: new Set() }).action).toBe("stay");
    expect(decide(preview({ keep: true }), { ...judge, open: new Set() }).action).toBe("stay");
  });

  test("shows first what goes, and why each stays", () => {
    const plan = planGc([preview(), preview({ name: "pr-8", expires: past })], judge);
    expect(
      planText(plan, 200)
        .split("\n")
        .map((line) => line.replace(/ +/g, " ")),
    ).toEqual(["preview cluster why", "pr-8 k3s goes expired 1 min ago", "pr-7 k3s stays expires in 3 h"]);
    expect(planText([])).toBe("No preview was found.");
  });
});

test("a list says of each what it is, whose, and when it ends", () => {
  const lines = listText(
    [
      preview({ idle: 3600, commit: "0123456789abcdef0123456789abcdef01234567" }),
      preview({ name: "demo", keep: true, clusterState: "gone" }),
    ],
    NOW,
    300,
  ).split("\n");
  expect(lines[1]).toMatch(
    /^pr-7 +up +k3s +bay-preview-pr-7 +octo-shop +1 h ago +10 min ago +in 3 h, idle 1 h +0123456$/,
  );
  expect(lines[2]).toMatch(/^demo +cluster gone .* kept$/);
});

test("an end is told for people", () => {
  expect([{ expires: "" }, { keep: true }, { expires: past }].map((more) => endText(preview(more), NOW))).toEqual([
    "never",
    "kept",
    "expired 1 min ago",
  ]);
});
