/** Whole frames: deflated with the static dictionary, inflated to exactly the named length and never beyond. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { FrameError } from "../../../src/core/errors.js";
import { DICTIONARY } from "../../../src/frame/dictionary.js";
import { diff } from "../../../src/frame/splice.js";
import { packHunks, packWhole, unpackHunks, unpackWhole } from "../../../src/frame/whole.js";
import { capturePath, readCapture } from "../../support/captures.js";
import { outputFrame, tokens } from "./support.js";

const MAX = 1 << 26;

test("any payload comes back", () => {
  const anyPayload = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }).map((a) => Buffer.from(a)),
    fc.string({ unit: "grapheme", maxLength: 300 }).map((s) => outputFrame(s)),
  );
  fc.assert(
    fc.property(anyPayload, (payload) => {
      const { body, deflated } = packWhole(payload);
      assert.ok(body.length <= payload.length);
      assert.equal(deflated, body !== payload);
      assert.deepEqual(unpackWhole(body, deflated, payload.length, payload.length), payload);
    }),
  );
});

test("large payloads come back", () => {
  for (const payload of [outputFrame(tokens(60_000).join("")), Buffer.alloc(1 << 20), Buffer.alloc(0)]) {
    const { body, deflated } = packWhole(payload);
    assert.ok(unpackWhole(body, deflated, payload.length, MAX).equals(payload));
  }
});

test("a first frame is mostly its ids: about 100 random bytes of 400 or 600", () => {
  const most: Record<string, readonly (readonly [number, number])[]> = {
    "0.9.5-a_plain": [
      [0, 125],
      [1, 150],
    ],
    "0.11.4-a_plain": [
      [0, 135],
      [1, 130],
      [2, 150],
    ],
    "0.12.4-a_plain": [
      [1, 135],
      [2, 125],
      [3, 160],
      [4, 150],
      [5, 165],
    ],
    "0.6.34-a_plain": [[0, 165]],
  };
  for (const [name, frames] of Object.entries(most)) {
    const all = [...readCapture(capturePath(name))];
    for (const [index, bytes] of frames) {
      const size = packWhole(all[index]!.payload).body.length;
      assert.ok(size <= bytes, `${name} frame ${index}: ${size} bytes`);
    }
  }
});

test("the result has memory of its own, of its own size", () => {
  const payload = outputFrame("text");
  const { body, deflated } = packWhole(payload);
  assert.equal(unpackWhole(body, deflated, payload.length, MAX).buffer.byteLength, payload.length);
  const raw = Buffer.from("short");
  const copy = unpackWhole(raw, false, 5, MAX);
  assert.equal(copy.buffer.byteLength, 5);
  raw.fill(0);
  assert.equal(copy.toString(), "short");
});

test("the dictionary fits deflate's window and stays as it is", () => {
  assert.ok(DICTIONARY.length <= 32 * 1024 - 262);
});

const deflated = (bytes: Buffer) => deflateRawSync(bytes, { dictionary: DICTIONARY });
const ZEROS = deflated(Buffer.alloc(1 << 20));
const MALFORMED: readonly (readonly [string, Buffer, boolean, number, number])[] = [
  ["longer than the limit", Buffer.alloc(10), false, 10, 9],
  ["a length of 2^53-1", Buffer.alloc(10), false, Number.MAX_SAFE_INTEGER, MAX],
  ["plain and shorter than named", Buffer.alloc(10), false, 11, MAX],
  ["plain and longer than named", Buffer.alloc(10), false, 9, MAX],
  ["a deflate bomb that names a small length", ZEROS, true, 1000, MAX],
  ["a deflate bomb that names its length, above the limit", ZEROS, true, 1 << 20, 1 << 16],
  ["a length that so small a body cannot hold", deflated(Buffer.from("x")), true, MAX, MAX],
  ["deflated and shorter than named", deflated(Buffer.from("abcdef")), true, 7, MAX],
  ["deflated and one byte longer than named", deflated(Buffer.from("abcdef")), true, 5, MAX],
  ["deflated and named empty", deflated(Buffer.from("a")), true, 0, MAX],
  ["bytes after the deflated body", Buffer.concat([deflated(Buffer.from("abcdef")), Buffer.from("!")]), true, 6, MAX],
  ["no body", Buffer.alloc(0), true, 0, MAX],
  ["a body that is not deflate", Buffer.alloc(20, 0xff), true, 20, MAX],
  ["a distance beyond the dictionary", Buffer.from("03ffff", "hex"), true, 3, MAX],
];
for (const [what, body, isDeflated, length, maxLength] of MALFORMED) {
  test(`malformed whole frame: ${what}`, () => {
    assert.throws(() => unpackWhole(body, isDeflated, length, maxLength), FrameError);
  });
}

test("a deflated body cut at any byte is refused", () => {
  const payload = outputFrame("some text");
  const { body } = packWhole(payload);
  for (let cut = 0; cut < body.length; cut++) {
    assert.throws(() => unpackWhole(body.subarray(0, cut), true, payload.length, MAX), FrameError);
  }
});

test("arbitrary bodies give the named length or a FrameError, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 300 }), (bytes, length) => {
      try {
        assert.equal(unpackWhole(Buffer.from(bytes), true, length, MAX).length, length);
      } catch (error) {
        assert.ok(error instanceof FrameError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("hunks with much new text are deflated, short ones are not", () => {
  const base = outputFrame("text");
  const call = '"}]}, {"type": "function_call", "id": "call_1", "call_id": "call_1", "name": "weather", "arguments": "';
  const next = Buffer.from(base.toString().replace("text", `text${call}`));
  const hunks = diff(base, next, MAX)!;
  const packed = packHunks(hunks);
  assert.equal(packed.deflated, true);
  assert.ok(packed.body.length < hunks.length / 2);
  assert.deepEqual(unpackHunks(packed.body, true, next.length), hunks);
  const short = Buffer.alloc(63);
  assert.deepEqual(packHunks(short), { body: short, deflated: false });
  assert.equal(unpackHunks(short, false, 10), short);
});

test("malformed hunks: a deflate bomb is stopped at the result's length and a little", () => {
  assert.throws(() => unpackHunks(ZEROS, true, 1000), FrameError);
  assert.throws(() => unpackHunks(Buffer.alloc(0), true, 1000), FrameError);
  assert.throws(() => unpackHunks(Buffer.alloc(9, 0xff), true, 1000), FrameError);
});
