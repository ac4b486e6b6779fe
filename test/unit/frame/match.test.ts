/** Common prefix and suffix against a naive twin: a round trip would not notice one that is too short. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { commonPrefix, commonSuffix } from "../../../src/frame/match.js";
import { numbers } from "./support.js";

function naivePrefix(a: Buffer, i: number, b: Buffer, j: number, limit: number): number {
  let n = 0;
  while (n < limit && a[i + n] === b[j + n]) n++;
  return n;
}

function naiveSuffix(a: Buffer, iEnd: number, b: Buffer, jEnd: number, limit: number): number {
  let n = 0;
  while (n < limit && a[iEnd - n - 1] === b[jEnd - n - 1]) n++;
  return n;
}

test("for every place of the first difference, in ranges of many lengths", () => {
  for (const length of [0, 1, 47, 48, 49, 96, 191, 192, 193, 240, 241, 960, 961, 4000]) {
    const a = Buffer.alloc(length + 10, "x");
    for (let at = 0; at <= length; at += length > 1000 ? 7 : 1) {
      const b = Buffer.from(a);
      if (at < length) b[5 + at] = 0;
      assert.equal(commonPrefix(a, 5, b, 5, length), at, `prefix of ${at} in ${length}`);
      const c = Buffer.from(a);
      if (at < length) c[5 + length - 1 - at] = 0;
      assert.equal(commonSuffix(a, 5 + length, c, 5 + length, length), at, `suffix of ${at} in ${length}`);
    }
  }
});

test("at different offsets, with several differences, under any limit", () => {
  const next = numbers(4242);
  for (let run = 0; run < 4000; run++) {
    const length = next(2000);
    const i = next(20);
    const j = next(20);
    const a = Buffer.alloc(length + 20, "abc");
    const b = Buffer.alloc(length + 20);
    a.copy(b, j, i, i + length);
    for (let k = next(4); k > 0; k--) b[next(b.length)] = 0;
    const limit = next(length + 1);
    assert.equal(commonPrefix(a, i, b, j, limit), naivePrefix(a, i, b, j, limit));
    assert.equal(commonSuffix(a, i + length, b, j + length, limit), naiveSuffix(a, i + length, b, j + length, limit));
  }
});

test("arbitrary short buffers", () => {
  const few = fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 120 }).map((a) => Buffer.from(a));
  fc.assert(
    fc.property(few, few, (a, b) => {
      const limit = Math.min(a.length, b.length);
      assert.equal(commonPrefix(a, 0, b, 0, limit), naivePrefix(a, 0, b, 0, limit));
      assert.equal(commonSuffix(a, a.length, b, b.length, limit), naiveSuffix(a, a.length, b, b.length, limit));
    }),
  );
});
