/** Control messages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameError } from "../../../src/core/errors.js";
import { MAX_EPOCH } from "../../../src/frame/message.js";
import { decodeNacks, encodeNacks } from "../../../src/frame/nack.js";

test("any NACKs come back as they were written", () => {
  const nack = fc.record({ instance: fc.maxSafeNat(), seq: fc.maxSafeNat() }, { noNullPrototype: true });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: MAX_EPOCH }),
      fc.maxSafeNat(),
      fc.array(nack, { maxLength: 20 }),
      (epoch, connection, nacks) => {
        assert.deepEqual(decodeNacks(encodeNacks(epoch, connection, nacks)), { epoch, connection, nacks });
      },
    ),
  );
});

const MALFORMED: readonly (readonly [string, string])[] = [
  ["no bytes", ""],
  ["a message of frames", "25010203040101"],
  ["an epoch cut short", "260102"],
  ["no connection where one follows", "fe01020304"],
  ["an instance without a sequence", "260102030401"],
  ["a sequence cut short", "26010203040180"],
  ["an overlong instance", "26010203048080808080808080000101"],
];
for (const [what, hex] of MALFORMED) {
  test(`malformed control message: ${what}`, () => {
    assert.throws(() => decodeNacks(Buffer.from(hex, "hex")), FrameError);
  });
}

test("a control message cut at any byte is refused, or ends between two NACKs", () => {
  const bytes = encodeNacks(1, 9, [
    { instance: 1000, seq: 70_000 },
    { instance: 1001, seq: 5 },
  ]);
  const ends = new Set([5, 5 + 2 + 3]);
  for (let cut = 0; cut < bytes.length; cut++) {
    if (ends.has(cut)) assert.doesNotThrow(() => decodeNacks(bytes.subarray(0, cut)));
    else assert.throws(() => decodeNacks(bytes.subarray(0, cut)), FrameError, `cut at ${cut}`);
  }
});
