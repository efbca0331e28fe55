import fc from "fast-check";
import path from "node:path";
import { BayError } from "../src/errors";
import { normalizePath } from "../src/paths";

describe("Path rules", () => {
  test.each([
    ["a/../b", "b"],
    ["./a", "a"],
    ["a//b", "a/b"],
    ["a/b/", "a/b"],
    ["a/..", "."],
    [".", "."],
    ["./", "."],
    [".hidden", ".hidden"],
    ["...x", "...x"],
    ["x..y", "x..y"],
    ["a/./b/../c", "a/c"],
    [" ", " "],
    ["..x", "..x"],
    ["...", "..."],
    ["grüße/🚢", "grüße/🚢"],
    ["a\\..\\..\\b", "a\\..\\..\\b"],
    ["~/x", "~/x"],
    ["%2e%2e/x", "%2e%2e/x"],
    ["․․/x", "․․/x"],
  ])("%j is taken as %j", (given, normal) => {
    expect(normalizePath(given)).toBe(normal);
  });

  test.each([
    ["", "empty_path"],
    ["a\0b", "null_byte"],
    ["\0", "null_byte"],
    ["/", "absolute_path"],
    ["/etc/passwd", "absolute_path"],
    ["/workspace/a", "absolute_path"],
    ["//a", "absolute_path"],
    ["..", "path_traversal"],
    ["../x", "path_traversal"],
    ["a/../../b", "path_traversal"],
    ["a/../..", "path_traversal"],
    ["./..", "path_traversal"],
    ["a/b/../../../a/b", "path_traversal"],
    ["../workspace/a", "path_traversal"],
  ])("%j is refused as %s", (given, reason) => {
    for (const field of ["path", "cwd"] as const) {
      const refusal = (() => {
        try {
          return normalizePath(given, field);
        } catch (error) {
          return error;
        }
      })();
      expect(refusal).toBeInstanceOf(BayError);
      expect(refusal).toMatchObject({ code: "invalid_path", status: 400, details: { field, reason } });
    }
  });

  const anyPath = fc
    .array(fc.oneof(fc.constantFrom("..", ".", "", "a", "..."), fc.string({ unit: "binary", maxLength: 6 })), {
      maxLength: 10,
    })
    .map((parts) => parts.join("/"));

  test("what is accepted stays inside, means what the file system means by it, and is its own normal form", () => {
    fc.assert(
      fc.property(anyPath, (given) => {
        let normal: string;
        try {
          normal = normalizePath(given);
        } catch (error) {
          expect(error).toBeInstanceOf(BayError);
          return;
        }
        expect(path.posix.join("/root/of/it", normal)).toBe(path.posix.join("/root/of/it", given).replace(/\/$/, ""));
        expect(normal.split("/")).not.toContain("..");
        expect(normal.startsWith("/")).toBe(false);
        expect(normalizePath(normal)).toBe(normal);
      }),
      { numRuns: 2000, examples: [["a\n/"]] },
    );
  });

  test("what climbs out at any point is refused, even when it comes back", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,3}$/), { maxLength: 4 }), anyPath, (down, rest) => {
        const given = [...down, ...down.map(() => ".."), "..", ...down, rest].join("/");
        expect(() => normalizePath(given)).toThrow(BayError);
      }),
    );
  });
});
