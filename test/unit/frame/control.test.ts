/** Control messages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameError } from "../../../src/core/errors.js";
import { ControlKind, decodeControl, encodeControl } from "../../../src/frame/control.js";
import { MAX_EPOCH } from "../../../src/frame/message.js";

test("any pairs come back as they were written", () => {
  const pair = fc.record({ instance: fc.maxSafeNat(), seq: fc.maxSafeNat() }, { noNullPrototype: true });
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(ControlKind)),
      fc.integer({ min: 0, max: MAX_EPOCH }),
      fc.maxSafeNat(),
      fc.array(pair, { maxLength: 20 }),
      (kind, epoch, connection, pairs) => {
        assert.deepEqual(decodeControl(encodeControl(kind, epoch, connection, pairs)), {
          kind,
          epoch,
          connection,
          pairs,
        });
      },
    ),
  );
});

const MALFORMED: readonly (readonly [string, string])[] = [
  ["no bytes", ""],
  ["a message of frames", "25010203040101"],
  ["an epoch cut short", "260102"],
  ["no kind", "2601020304"],
  ["kind 0", "260102030400"],
  ["a kind of another version", "260102030405"],
  ["no connection where one follows", "fe01020304"],
  ["an instance without a sequence", "26010203040101"],
  ["a sequence cut short", "2601020304010180"],
  ["an overlong instance", "2601020304018080808080808080000101"],
];
for (const [what, hex] of MALFORMED) {
  test(`malformed control message: ${what}`, () => {
    assert.throws(() => decodeControl(Buffer.from(hex, "hex")), FrameError);
  });
}

test("a control message cut at any byte is refused, or ends between two pairs", () => {
  const bytes = encodeControl(ControlKind.Nack, 1, 9, [
    { instance: 1000, seq: 70_000 },
    { instance: 1001, seq: 5 },
  ]);
  const ends = new Set([6, 6 + 2 + 3]);
  for (let cut = 0; cut < bytes.length; cut++) {
    if (ends.has(cut)) assert.doesNotThrow(() => decodeControl(bytes.subarray(0, cut)));
    else assert.throws(() => decodeControl(bytes.subarray(0, cut)), FrameError, `cut at ${cut}`);
  }
});
