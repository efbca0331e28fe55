import fc from "fast-check";
import { bytes, table, wrap } from "../../../cli/table";

describe("a table", () => {
  test("has its columns below each other, and no blanks at the ends of lines", () => {
    expect(
      table(
        [{ title: "a" }, { title: "long title" }],
        [
          ["one", "x"],
          ["three", ""],
        ],
      ),
    ).toBe("a      long title\none    x\nthree");
  });

  test("wraps what does not fit, the widest column first", () => {
    expect(
      table(
        [
          { title: "name", min: 4 },
          { title: "why", min: 10 },
        ],
        [["k3s", "because nothing else is there"]],
        20,
      ),
    ).toBe("name  why\nk3s   because\n      nothing else\n      is there");
  });

  test("paints cells after they were laid out, and not their title", () => {
    expect(table([{ title: "a", paint: (text) => `<${text}>` }, { title: "b" }], [["x", "y"]])).toBe("a  b\n<x>  y");
  });

  test("never runs over the terminal when its columns can give way", () => {
    const word = fc.string({ unit: "grapheme-ascii", maxLength: 90 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(word, word, word), { maxLength: 5 }),
        fc.integer({ min: 40, max: 130 }),
        (rows, width) => {
          const lines = table(
            [
              { title: "a", min: 5 },
              { title: "b", min: 10 },
              { title: "c", min: 10 },
            ],
            rows,
            width,
          ).split("\n");
          expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  test("loses no word", () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(words, fc.integer({ min: 12, max: 60 }), (list, width) => {
        expect(wrap(list.join(" "), width).join(" ")).toBe(list.join(" "));
      }),
    );
  });

  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1500, "2 kB"],
    [113_000_000, "113.0 MB"],
    [4.2e9, "4.2 GB"],
  ])("tells %d bytes as %s", (count, text) => {
    expect(bytes(count)).toBe(text);
  });
});
