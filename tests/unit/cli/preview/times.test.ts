import { stackOfPreview } from "../../../../infra/preview";
import { extended } from "../../../../cli/preview/change";
import { previewOwner, pullRequestOf, repositoryOf, requirePreviewName } from "../../../../cli/preview/names";
import { durationOf, spanText } from "../../../../cli/preview/times";
import { described } from "../../../../cli/preview/up";
import { NOW, preview } from "./facts";

describe("a time", () => {
  test.each([
    ["90s", 90],
    ["30m", 1800],
    ["4h", 14_400],
    ["30d", 2_592_000],
  ])("%s is %d seconds", (text, seconds) => {
    expect(durationOf("--ttl", text)).toBe(seconds);
  });

  test.each(["0h", "0s", "31d", "365d", "4", "h", "-1h", "1.5h", "1h30m", ""])(
    "%j is refused with what is wanted and the next command",
    (text) => {
      expect(() => durationOf("--ttl", text)).toThrow(
        expect.objectContaining({
          code: "E_USAGE",
          seen: `--ttl ${text}`,
          wanted: expect.stringContaining("1s to 30d") as string,
          next: expect.stringContaining("--ttl 4h") as string,
        }) as Error,
      );
    },
  );

  test("is told by its two largest units", () => {
    expect([0, 45, 60, 3660, 86_400, 100_000, -5].map(spanText)).toEqual([
      "0 s",
      "45 s",
      "1 min",
      "1 h 1 min",
      "1 d",
      "1 d 3 h",
      "0 s",
    ]);
  });
});

describe("a name", () => {
  test.each(["pr-123", "feature/login", "a", "Release_1.2"])("%s is taken", (name) => {
    expect(requirePreviewName(name)).toBe(name);
  });

  test.each(["@octo/fix", "fix#12", "größer", "日本", "a+b=c,d:e~%", "été"])(
    "%s is taken, and its stack has a name of its own that is a DNS label",
    (name) => {
      expect(requirePreviewName(name)).toBe(name);
      expect(stackOfPreview(name)).toMatch(/^preview-[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$/);
      expect(stackOfPreview(name)).not.toBe(stackOfPreview(`${name}x`));
    },
  );

  test("is the same however its umlauts are written, and without a # at its start", () => {
    expect(requirePreviewName("gro\u0308\u00dfer")).toBe(requirePreviewName("gr\u00f6\u00dfer"));
    expect(requirePreviewName("#12")).toBe("12");
  });

  test.each(["", "-x", "a b", "x".repeat(101), "a\nb", "--ttl", "a;b", "a`b`", "#", "-->"])("%j is refused", (name) => {
    expect(() => requirePreviewName(name)).toThrow(
      expect.objectContaining({
        code: "E_USAGE",
        next: expect.stringMatching(/^npm run preview -- up [a-z0-9-]+$/) as string,
      }) as Error,
    );
  });

  test("tells the pull request it is of", () => {
    expect(["pr-12", "pr-x", "xpr-12", "12"].map(pullRequestOf)).toEqual([12, undefined, undefined, undefined]);
  });

  test.each([
    ["git@github.com:octo/shop.git", "octo/shop"],
    ["https://github.com/octo/shop", "octo/shop"],
    ["https://github.com/octo/shop.git\n", "octo/shop"],
    ["/srv/git/shop.git", "git/shop"],
    ["", ""],
  ])("of a repository at %j is %j", (url, name) => {
    expect(repositoryOf(url)).toBe(name);
  });

  test("of an owner may be chosen", () => {
    expect(previewOwner({ BAY_E2E_PREVIEW_OWNER: "team-a" })).toBe("team-a");
    expect(previewOwner({})).toMatch(/^[a-z0-9-]{1,63}$/);
  });
});

describe("the end of a preview", () => {
  const before = preview();

  test("is a day after it was made, or what is asked for", () => {
    expect(described("pr-7", "k3s", "", undefined, {}, NOW)).toMatchObject({
      created: "2026-11-22T16:00:00Z",
      expires: "2026-11-23T16:00:00Z",
      ttl: 86_400,
      idle: 0,
      keep: false,
    });
    expect(described("pr-7", "k3s", "", undefined, { ttl: 60, idle: 30 }, NOW)).toMatchObject({
      expires: "2026-11-22T16:01:00Z",
      ttl: 60,
      idle: 30,
    });
  });

  test("stays where it was at an update, unless another is asked for or it is past", () => {
    expect(described("pr-7", "k3s", "", before, {}, NOW)).toMatchObject({
      created: before.created,
      expires: before.expires,
      owner: before.owner,
    });
    expect(described("pr-7", "k3s", "", before, { ttl: 60 }, NOW)).toMatchObject({
      created: before.created,
      expires: "2026-11-22T16:01:00Z",
    });
    expect(described("pr-7", "k3s", "", preview({ expires: "2026-11-22T15:00:00Z" }), {}, NOW).expires).toBe(
      "2026-11-22T20:00:00Z",
    );
    expect(described("pr-7", "k3s", "", preview({ keep: true }), {}, NOW).keep).toBe(true);
  });

  test("is extended from now by its own time, or by another, and never brought nearer", () => {
    expect(extended(before, undefined, NOW).expires).toBe("2026-11-22T20:00:00Z");
    expect(extended(before, 60, NOW).expires).toBe(before.expires);
    expect(extended(preview({ keep: true }), 86_400, NOW)).toMatchObject({
      keep: false,
      expires: "2026-11-23T16:00:00Z",
    });
    expect(() => extended(preview({ ttl: 0 }), undefined, NOW)).toThrow(
      expect.objectContaining({ code: "E_USAGE" }) as Error,
    );
  });
});
