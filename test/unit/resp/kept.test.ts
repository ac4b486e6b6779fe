/** Kept: the bytes come back in any range, slices stay as they were handed out, and what is copied or referred to. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Kept } from "../../../src/resp/kept.js";

/** A piece in the middle of a chunk of its own: `before` and `after` bytes of the chunk are not kept. */
const piece = fc.record({
  size: fc.oneof(
    { weight: 4, arbitrary: fc.nat({ max: 300 }) },
    { weight: 1, arbitrary: fc.integer({ min: 4090, max: 9000 }) },
  ),
  before: fc.nat({ max: 50 }),
  after: fc.oneof(fc.constant(0), fc.constant(20_000)),
});

test("kept: as one joined buffer, whatever it was appended in", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.nat(), fc.nat(), (all, a, b) => {
      const kept = new Kept();
      let model = Buffer.alloc(0);
      let counter = 0;
      let handedOut: Buffer[] = [];
      all.forEach(({ size, before, after }, i) => {
        const chunk = Buffer.allocUnsafeSlow(before + size + after);
        for (let at = 0; at < chunk.length; at++) chunk[at] = counter++ & 0xff;
        kept.append(chunk, before, before + size);
        model = Buffer.concat([model, chunk.subarray(before, before + size)]);
        if (i === all.length >> 1) handedOut = kept.slices();
      });
      assert.equal(kept.length, model.length);
      const early = Buffer.concat(handedOut);
      assert.ok(early.equals(model.subarray(0, early.length)));
      assert.ok(Buffer.concat(kept.slices()).equals(model));
      assert.ok(kept.join(Buffer.from("<tail>"), 1, 5).equals(Buffer.concat([model, Buffer.from("tail")])));
      const from = Math.min(a, b) % (model.length + 1);
      const to = from + (Math.max(a, b) % (model.length - from + 1));
      const target = Buffer.alloc(to - from + 4, 0x2e);
      kept.copyTo(target, 2, from, to);
      assert.ok(target.equals(Buffer.concat([Buffer.from(".."), model.subarray(from, to), Buffer.from("..")])));
      kept.clear();
      assert.equal(kept.length, 0);
      assert.deepEqual(kept.slices(), []);
    }),
    { numRuns: 500 },
  );
});

test("kept: a large part of its chunk is referred to, a small part of a large chunk is copied", () => {
  const chunk = Buffer.allocUnsafeSlow(65_536);
  const kept = new Kept();
  kept.append(chunk, 0, 40_000);
  kept.append(chunk, 60_000, 65_536);
  kept.append(Buffer.allocUnsafeSlow(100), 0, 100);
  const [first, second, ...rest] = kept.slices();
  assert.equal(first!.buffer, chunk.buffer);
  assert.notEqual(second!.buffer, chunk.buffer);
  assert.equal(Buffer.concat([second!, ...rest]).length, 5636);
});
