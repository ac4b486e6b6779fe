/** Varints and the bounds-checked reader. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameError } from "../../../src/core/errors.js";
import { ByteReader, MAX_VARINT_BYTES, putVarint, varintSize } from "../../../src/frame/bytes.js";

const MAX = Number.MAX_SAFE_INTEGER;
const EDGES = [
  0,
  1,
  127,
  128,
  16383,
  16384,
  2 ** 21 - 1,
  2 ** 21,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 35 - 1,
  2 ** 35,
  2 ** 42 - 1,
  2 ** 42,
  2 ** 49 - 1,
  2 ** 49,
  MAX,
];

function written(value: number): Buffer {
  const out = Buffer.alloc(varintSize(value) + 1, 0xee);
  assert.equal(putVarint(out, 0, value), varintSize(value), `size of ${value}`);
  assert.equal(out[out.length - 1], 0xee, "nothing is written after it");
  return out.subarray(0, -1);
}

test("every edge of every length is written and read back", () => {
  for (const value of EDGES) assert.equal(new ByteReader(written(value)).varint(), value);
});

test("any safe integer is written and read back", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => new ByteReader(written(value)).varint() === value));
});

test("a longer form of the same number is accepted up to eight bytes", () => {
  assert.equal(new ByteReader(Buffer.from("8500", "hex")).varint(), 5);
  assert.equal(new ByteReader(Buffer.from("8580808080808000", "hex")).varint(), 5);
});

test("a varint of nine bytes is refused", () => {
  assert.throws(() => new ByteReader(Buffer.from("858080808080808000", "hex")).varint(), FrameError);
});

test("2^53 is refused, and so is the largest that eight bytes could hold", () => {
  assert.throws(() => new ByteReader(Buffer.from("8080808080808010", "hex")).varint(), FrameError);
  assert.throws(() => new ByteReader(Buffer.alloc(MAX_VARINT_BYTES, 0xff).fill(0x7f, 7)).varint(), FrameError);
});

test("a varint cut short is refused", () => {
  for (const value of EDGES) {
    const bytes = written(value);
    for (let cut = 0; cut < bytes.length; cut++) {
      assert.throws(() => new ByteReader(bytes.subarray(0, cut)).varint(), FrameError);
    }
  }
});

test("fixed-size numbers are big-endian and unsigned", () => {
  const reader = new ByteReader(Buffer.from("fffffffffd", "hex"));
  assert.equal(reader.u8(), 0xff);
  assert.equal(reader.u32(), 0xffff_fffd);
});

test("no read goes past the end", () => {
  const reader = new ByteReader(Buffer.alloc(1));
  assert.throws(() => reader.u32(), FrameError);
  assert.throws(() => reader.skip(2), FrameError);
  assert.throws(() => reader.skip(MAX), FrameError);
  assert.equal(reader.u8(), 0);
  assert.throws(() => reader.u8(), FrameError);
});
