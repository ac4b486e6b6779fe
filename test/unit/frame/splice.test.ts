/** diff() and apply(): what goes in comes out, for any pair of buffers, and few bytes for the pairs that matter. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameError } from "../../../src/core/errors.js";
import { apply, diff } from "../../../src/frame/splice.js";
import { envelope, numbers, outputFrame, tokens } from "./support.js";

const ANY = Number.MAX_SAFE_INTEGER;

/** Codes and rebuilds; answers the hunks' length. Both inputs must come through unchanged. */
function roundTrip(base: Buffer, next: Buffer): number {
  const before = Buffer.from(base);
  const wanted = Buffer.from(next);
  const hunks = diff(base, next, ANY);
  assert.ok(hunks);
  const result = apply(base, hunks, next.length);
  assert.deepEqual(result, wanted);
  assert.deepEqual(base, before);
  assert.deepEqual(next, wanted);
  assert.equal(diff(base, next, hunks.length)?.length, hunks.length);
  assert.equal(diff(base, next, hunks.length - 1), null);
  return hunks.length;
}

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((a) => Buffer.from(a));
/** Few distinct values: long agreements by chance, many false starts. */
const repetitive = (max: number) =>
  fc.array(fc.integer({ min: 97, max: 99 }), { maxLength: max }).map((a) => Buffer.from(a));

test("arbitrary pairs", () => {
  fc.assert(
    fc.property(bytes(400), bytes(400), (a, b) => {
      roundTrip(a, b);
    }),
    { numRuns: 1000 },
  );
});

test("repetitive pairs", () => {
  fc.assert(
    fc.property(repetitive(600), repetitive(600), (a, b) => {
      roundTrip(a, b);
    }),
    { numRuns: 2000 },
  );
});

test("random splices of random bases", () => {
  const splice = fc.record({ at: fc.nat(), cut: fc.nat({ max: 80 }), put: fc.oneof(bytes(60), repetitive(60)) });
  fc.assert(
    fc.property(fc.oneof(bytes(3000), repetitive(3000)), fc.array(splice, { maxLength: 8 }), (base, splices) => {
      let next = base;
      for (const { at, cut, put } of splices) {
        const from = next.length === 0 ? 0 : at % next.length;
        next = Buffer.concat([next.subarray(0, from), put, next.subarray(from + cut)]);
      }
      roundTrip(base, next);
    }),
    { numRuns: 1000 },
  );
});

test("growing JSON", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 12 }), { maxLength: 12 }), (parts) => {
      let text = "";
      let base = outputFrame(text);
      for (const part of parts) {
        text += part;
        const next = outputFrame(text);
        roundTrip(base, next);
        base = next;
      }
    }),
    { numRuns: 200 },
  );
});

test("large pairs with scattered changes", () => {
  const next = numbers(99);
  for (let run = 0; run < 60; run++) {
    const base = Buffer.from(tokens(next(4000) + 1, run + 1).join(""));
    const changed = Buffer.from(base);
    for (let k = next(200); k > 0; k--) changed[next(changed.length)] = next(256);
    roundTrip(base, changed);
    roundTrip(changed, base.subarray(next(base.length)));
  }
});

test("equal frames take no bytes", () => {
  const frame = outputFrame("the same");
  assert.equal(roundTrip(frame, Buffer.from(frame)), 0);
  assert.equal(roundTrip(Buffer.alloc(0), Buffer.alloc(0)), 0);
});

test("an empty base and an empty frame", () => {
  assert.equal(roundTrip(Buffer.alloc(0), Buffer.from("abc")), 5);
  assert.equal(roundTrip(Buffer.from("abc"), Buffer.alloc(0)), 2);
});

test("a token appended inside a frame takes its bytes and three more", () => {
  const text = tokens(500).join("");
  assert.equal(roundTrip(outputFrame(text), outputFrame(`${text}word`)), 4 + 3);
});

test("text that grows in two places takes two hunks", () => {
  const frame = (text: string) =>
    envelope("chat:completion", {
      content: text,
      output: [{ type: "message", content: [{ type: "output_text", text }] }],
    });
  const text = tokens(800).join("");
  assert.ok(roundTrip(frame(text), frame(`${text}word`)) <= 2 * (5 + 4));
});

test("reasoning that ends changes the head and the end only", () => {
  const text = tokens(600).join("");
  const open = `<details type="reasoning" done="false">\n<summary>Thinking…</summary>\n> ${text}\n</details>`;
  const closed = `<details type="reasoning" done="true" duration="2">\n<summary>Thought for 2 seconds</summary>\n> ${text}\n</details>\nint`;
  const frame = (content: string) => envelope("chat:completion", { content });
  assert.ok(roundTrip(frame(open), frame(closed)) <= 80);
});

test("text that grows before a closing tag takes one hunk", () => {
  const frame = (text: string) => envelope("chat:completion", { content: `<details>\n> ${text}\n</details>` });
  const text = tokens(600).join("");
  assert.ok(roundTrip(frame(text), frame(`${text}&quot;`)) <= 4 + 6);
});

test("a tool's result of many KiB in the middle does not resend what follows", () => {
  const before = tokens(900, 3).join("");
  const after = tokens(900, 4).join("");
  const result = Buffer.from(tokens(1500, 5).join(""));
  const frame = (middle: string, status: string) =>
    Buffer.from(`{"content": "${before}", "status": "${status}", "result": "${middle}", "rest": "${after}"}`);
  const size = roundTrip(frame("", "in_progress"), frame(result.toString(), "completed"));
  assert.ok(size <= result.length + 40, `${size} for ${result.length}`);
});

test("length fields before the text (pickle) take a few bytes each", () => {
  const frame = (text: Buffer) => {
    const head = Buffer.from("800495aaaaaaaa000000007d9428", "hex");
    head.writeUInt32LE(text.length + 200, 3);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(text.length);
    return Buffer.concat([head, Buffer.alloc(180, "k"), Buffer.from("X"), size, text, Buffer.alloc(90, "t")]);
  };
  const text = Buffer.from(tokens(600).join(""));
  assert.ok(roundTrip(frame(text), frame(Buffer.concat([text, Buffer.from("word")]))) <= 4 + 5 + 8 + 2);
});

test("a short copy between two changes is not worth a hunk", () => {
  // Two one-byte changes three bytes apart: one insert of five bytes, not two hunks.
  const base = Buffer.from(`${"a".repeat(100)}1bbb2${"c".repeat(100)}`);
  const next = Buffer.from(`${"a".repeat(100)}3bbb4${"c".repeat(100)}`);
  assert.equal(roundTrip(base, next), 2 + 5);
});

test("removing text takes three varints", () => {
  const text = tokens(600).join("");
  assert.ok(roundTrip(outputFrame(text), outputFrame(text.slice(300))) <= 2 + 2 + 1);
});

test("the result has memory of its own", () => {
  const base = Buffer.from("abcdef");
  const hunks = diff(base, Buffer.from("abcXdef"), ANY)!;
  const result = apply(base, hunks, 7);
  assert.equal(result.buffer.byteLength, 7);
  base.fill(0);
  hunks.fill(0);
  assert.equal(result.toString(), "abcXdef");
});

const BASE = Buffer.from("0123456789");
const MALFORMED: readonly (readonly [string, string, number])[] = [
  ["a copy beyond the base", "0b01", 100],
  ["a skip beyond the base", "050d", 100],
  ["a second hunk beyond the base", "0500000601", 100],
  ["a copy of 2^53-1", "ffffffffffffff0f01", 100],
  ["a skip of 2^52-1", "00ffffffffffffff0f", 100],
  ["an insert longer than the hunks", "00000361", 100],
  ["an insert of 2^53-1", "0000ffffffffffffff0f", 100],
  ["an overlong varint", "808080808080808000", 100],
  ["hunks that end after copy", "05", 100],
  ["hunks that end after skip", "0500", 100],
  ["hunks that end inside a varint", "80", 100],
  ["hunks that end without a last one", "05000161", 100],
  ["a result above the limit", "050161", 10],
  ["no hunks and a base above the limit", "", 9],
];
for (const [what, hunks, most] of MALFORMED) {
  test(`malformed hunks: ${what}`, () => {
    assert.throws(() => apply(BASE, Buffer.from(hunks, "hex"), most), FrameError);
  });
}

test("arbitrary hunks give a result within the limit or a FrameError, and nothing else", () => {
  const small = fc.array(fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 255 })), {
    maxLength: 24,
  });
  fc.assert(
    fc.property(small, fc.integer({ min: 0, max: 40 }), (hunks, most) => {
      try {
        assert.ok(apply(BASE, Buffer.from(hunks), most).length <= most);
      } catch (error) {
        assert.ok(error instanceof FrameError, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});

test("hunks cut short at any byte are refused or give another result, which the checksum tells", () => {
  const base = outputFrame(tokens(60).join(""));
  const next = outputFrame(`new ${tokens(64).join("")}`, "completed");
  const hunks = diff(base, next, ANY)!;
  for (let cut = 0; cut < hunks.length; cut++) {
    try {
      assert.ok(!apply(base, hunks.subarray(0, cut), ANY).equals(next));
    } catch (error) {
      assert.ok(error instanceof FrameError, String(error));
    }
  }
});
