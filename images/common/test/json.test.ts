import fc from "fast-check";
import { type JsonError, JsonText, parseJson } from "../src/json";

const LIMITS = { depth: 8, values: 100, bytes: 200_000 };
const parse = (text: string | Buffer, limits = {}) =>
  parseJson(Buffer.isBuffer(text) ? text : Buffer.from(text), { ...LIMITS, ...limits });
const problem = (text: string | Buffer, limits = {}): string => {
  try {
    parse(text, limits);
  } catch (error) {
    return (error as JsonError).problem;
  }
  return "none";
};
const long = "x".repeat(70_000);

describe("JSON that is parsed within limits", () => {
  test("is what JSON.parse gives, or a refusal where that refuses, for any text", () => {
    const wide = { depth: 1000, values: 1e6, bytes: 1e9 };
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(parse(text, wide).value).toEqual(JSON.parse(text));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(problem(text, wide)).toMatch(/syntax|utf8/);
          return;
        }
        expect(parse(text, wide).value).toEqual(expected);
      }),
    );
  });

  test.each([
    ["deep lists", "[".repeat(9) + "]".repeat(9), "depth"],
    ["deep lists that do not end", "[".repeat(1_000_000), "depth"],
    ["many lists", `[${"[],".repeat(200)}[]]`, "values"],
    ["many keys", `{${Array.from({ length: 60 }, (_, n) => `"${n}":0`).join()}}`, "values"],
    ["many numbers", `[${"1,".repeat(200)}1]`, "values"],
    ["many bytes below the top", `[${JSON.stringify("y".repeat(300_000))}]`, "bytes"],
    ["bytes that are no text", Buffer.of(0x22, 0xff, 0x22), "utf8"],
    ["a text without its end", '{"a":"', "syntax"],
    ["nothing", "", "syntax"],
    ["a long text without its end", `{"a":"${long}`, "syntax"],
    ["a long text with a line in it", `{"a":"${long}\n"}`, "syntax"],
    ["a long text with a bad escape", `{"a":"${long}\\x"}`, "syntax"],
    ["a long text with a half escape", `{"a":"${long}\\u12"}`, "syntax"],
    ["a long text that is a value without a key", `{"${long}"}`, "syntax"],
    ["a long text twice", `{"a":"${long}" "${long}"}`, "syntax"],
  ])("refuses %s", (_what, text, expected) => {
    expect(problem(text)).toBe(expected);
  });

  test("keeps long texts of the top level as they came", () => {
    const { value } = parse(`{ "a" : "${long}\\n\\u00e4ö", "b": "short", "n": ["${"y".repeat(70_000)}"] }`);
    const { a, b, n } = value as { a: JsonText; b: string; n: string[] };
    expect(a).toBeInstanceOf(JsonText);
    expect(a.toString()).toBe(`${long}\näö`);
    expect(a.bytes.toString()).toBe(`"${long}\\n\\u00e4ö"`);
    expect([b, n[0]!.length]).toEqual(["short", 70_000]);
  });

  test.each([
    [`{"a":"${long}","a":"last"}`, "last"],
    [`{"a":"${long}","a":1}`, 1],
    [`{"a":"${long}","a":[]}`, []],
    [`{"a":"first","\\u0061":"${long}"}`, long],
    [`{"a":{"a":"${long}"}}`, { a: long }],
  ])("takes the last of two with one name (%#)", (text, expected) => {
    const { a } = parse(text, { bytes: 1e9 }).value as { a: unknown };
    expect(a instanceof JsonText ? a.toString() : a).toEqual(expected);
  });

  test("makes no prototype of a long text", () => {
    const { value } = parse(`{"__proto__":"${long}"}`);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.hasOwn(value as object, "__proto__")).toBe(true);
  });

  test.each([
    ["\\ud83d\\ude00", true],
    ["\\ud83d", false],
    ["\\ude00", false],
    ["\\ud83d\\ud83d\\ude00", false],
    ["\\ud83dx", false],
    ["😀", true],
    ["\\\\ud83d", true],
    ["\\ud83d\\n", false],
  ])("sees whether %s is Unicode", (text, whole) => {
    expect((parse(`{"a":"${long}${text}"}`).value as { a: JsonText }).a.wellFormed).toBe(whole);
  });

  test("decodes long texts as JSON.parse does, whatever they hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const token = JSON.stringify(long + text);
        const { a } = parse(`{"a":${token}}`).value as { a: JsonText };
        expect([a.toString(), a.wellFormed]).toEqual([long + text, !/\p{Surrogate}/u.test(text)]);
      }),
      { numRuns: 30 },
    );
  });
});
