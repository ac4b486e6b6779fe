/**
 * Deflated bodies: any bytes inflate to exactly what their record says or are refused, within the limit; and what is
 * packed, with a primer or without, comes out the same.
 */
import assert from "node:assert/strict";
import { packHunks, packPrimed, packWhole, unpackHunks, unpackWhole } from "../../../src/frame/whole.js";
import { guarded, Input, refused } from "../input.js";

const MAX = 8 * 1024;

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const how = input.u8();
  const length = input.u16() % (MAX + 16);
  const primer = how % 2 === 1 ? input.bytes(input.u8()) : undefined;
  const bytes = input.rest();

  const deflated = how % 4 < 2;
  const unpack = (body: Buffer) => guarded(() => unpackWhole(body, deflated, length, MAX, primer));
  const whole = unpack(bytes);
  if (!refused(whole)) {
    assert.ok(refused(unpack(Buffer.concat([bytes, Buffer.from([0])]))), "a byte more is too much");
    assert.ok(bytes.length === 0 || refused(unpack(bytes.subarray(0, -1))), "a byte less is too little");
    assert.equal(whole.length, length);
    assert.ok(length <= MAX);
    assert.ok(whole.buffer.byteLength === whole.length, "a frame has memory of its own");
  }
  const hunks = guarded(() => unpackHunks(bytes, true, MAX));
  if (!refused(hunks)) assert.ok(hunks.length <= MAX + 4096);

  if (how % 8 > 1) return;
  const packed = packWhole(bytes);
  assert.ok(unpackWhole(packed.body, packed.deflated, bytes.length, bytes.length).equals(bytes));
  const delta = packHunks(bytes);
  assert.ok(unpackHunks(delta.body, delta.deflated, bytes.length).equals(bytes));
  if (primer === undefined) return;
  const primed = packPrimed(bytes, primer, bytes.length + 64);
  if (primed !== undefined) assert.ok(unpackWhole(primed, true, bytes.length, bytes.length, primer).equals(bytes));
}
