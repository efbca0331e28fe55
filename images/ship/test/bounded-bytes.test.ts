import fc from "fast-check";
import { BoundedBytes } from "../src/bounded-bytes";

const chunks = fc.array(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 30 },
);
const texts = fc.array(fc.string({ unit: "binary", maxLength: 20 }), { maxLength: 30 });
const limits = fc.integer({ min: 8, max: 400 });

function collected(pieces: Buffer[], limit: number): BoundedBytes {
  const bytes = new BoundedBytes(limit);
  for (const piece of pieces) bytes.push(piece);
  return bytes;
}

describe("bytes up to a limit", () => {
  test("within the limit all of a text is kept, however it was cut into pieces", () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 7 }), (parts, size) => {
        const whole = Buffer.from(parts.join(""));
        const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
          whole.subarray(index * size, (index + 1) * size),
        );
        const kept = collected(pieces, Math.max(8, whole.length));
        expect([kept.text(), kept.cut(), kept.isText()]).toEqual([whole.toString(), null, true]);
      }),
    );
  });

  test("beyond it the beginning and the end are kept, and the rest is counted", () => {
    fc.assert(
      fc.property(chunks, limits, (pieces, limit) => {
        const whole = Buffer.concat(pieces);
        const kept = collected(
          pieces.map((piece) => Buffer.from(piece.map((byte) => byte & 0x7f))),
          limit,
        );
        const plain = Buffer.from(whole.map((byte) => byte & 0x7f)).toString();
        const tail = Math.floor(limit / 8);
        const expected =
          plain.length <= limit
            ? plain
            : `${plain.slice(0, limit - tail)}\n[${kept.cut()!}]\n${plain.slice(plain.length - tail)}`;
        expect(kept.text()).toBe(expected);
        expect(kept.cut() ?? "").toMatch(
          plain.length <= limit ? /^$/ : new RegExp(`^output_limit_exceeded: ${plain.length - limit} more bytes`),
        );
      }),
    );
  });

  test("a cut within a character is no fault of the text", () => {
    fc.assert(
      fc.property(texts, limits, (parts, limit) => {
        const kept = collected(
          parts.map((part) => Buffer.from(part)),
          limit,
        );
        fc.pre(!parts.join("").includes("\ufffd"));
        expect([kept.isText(), kept.text().includes("\ufffd")]).toEqual([true, false]);
      }),
    );
  });

  test("any bytes give a text, and a buffer that is reused by its owner changes nothing", () => {
    fc.assert(
      fc.property(chunks, limits, (pieces, limit) => {
        const kept = collected(pieces, limit);
        const before = kept.text();
        for (const piece of pieces) piece.fill(0);
        expect(kept.text()).toBe(before);
      }),
    );
  });

  test("half a million single bytes take no more memory than their number", () => {
    const kept = new BoundedBytes(64 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 500_000; count++) kept.push(Buffer.from([0x61]));
    global.gc?.();
    expect(kept.text()).toMatch(/^a{57344}\n\[output_limit_exceeded: 434464 more bytes[^\]]*\]\na{8192}$/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  });
});
