/** Chunks: what is written is read again, and nothing malformed is let through. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { FrameError } from "../../../src/core/errors.js";
import {
  ChunkForm,
  decodeChunk,
  encodeChunk,
  MAX_CHUNK_BYTES,
  packChunk,
  plainChunk,
  unpackChunk,
} from "../../../src/frame/chunk.js";
import { MAX_EPOCH } from "../../../src/frame/message.js";

const heads = [fc.integer({ min: 0, max: MAX_EPOCH }), fc.maxSafeNat(), fc.maxSafeNat()] as const;

test("any chunk comes back as it was written", async () => {
  await fc.assert(
    fc.asyncProperty(...heads, fc.integer({ min: 1 }), fc.uint8Array({ maxLength: 2_000 }), async (...given) => {
      const [epoch, connection, transfer, index, bytes] = given;
      const part = Buffer.from(bytes);
      for (const packed of [plainChunk(part), await packChunk(part)]) {
        const read = decodeChunk(encodeChunk(epoch, connection, transfer, index, packed));
        assert.deepEqual(read, { epoch, connection, transfer, index, ...packed });
        assert.ok(unpackChunk(read).equals(part));
      }
    }),
  );
});

test("an opening comes back as it was written, whatever length it announces", () => {
  fc.assert(
    fc.property(
      ...heads,
      fc.maxSafeNat(),
      fc.uint8Array({ maxLength: 60 }),
      (epoch, connection, transfer, length, bytes) => {
        const opening = { form: ChunkForm.Opening, length, rest: Buffer.from(bytes) };
        const read = decodeChunk(encodeChunk(epoch, connection, transfer, 0, opening));
        assert.deepEqual(read, { epoch, connection, transfer, index: 0, ...opening });
      },
    ),
  );
});

test("text is deflated, noise is not", async () => {
  const text = Buffer.alloc(256 * 1024, "the answer grows by a word at a time ");
  const packed = await packChunk(text);
  assert.ok(packed.form === ChunkForm.Deflated && packed.rest.length < text.length / 10);
  const dense = Buffer.concat([deflateRawSync(Buffer.from(Array.from({ length: 5_000 }, () => Math.random() * 256)))]);
  assert.equal((await packChunk(dense)).form, ChunkForm.Plain);
});

describe("malformed", () => {
  const cases: Record<string, string> = {
    "no bytes": "",
    "a message of frames": "2501020304010101",
    "a control message": "2601020304010101",
    "no transfer": "2701020304",
    "no index": "270102030407",
    "no form": "27010203040701",
    "a form of another version": "2701020304070103",
    "an opening with an index": "2701020304070100050000",
    "a plain chunk without one": "2701020304070001aa",
    "a deflated chunk without one": "270102030407000201aa",
    "an opening without a length": "27010203040700 00",
    "a deflated chunk without a length": "270102030407 0102",
    "a deflated chunk that names more than the limit": "2701020304070102818040",
  };
  for (const [what, bytes] of Object.entries(cases)) {
    test(what, () => assert.throws(() => decodeChunk(Buffer.from(bytes.replaceAll(" ", ""), "hex")), FrameError));
  }

  test("a plain chunk that is longer than the limit", () => {
    const message = encodeChunk(1, 1, 1, 1, plainChunk(Buffer.alloc(MAX_CHUNK_BYTES + 1)));
    assert.throws(() => decodeChunk(message), FrameError);
    decodeChunk(message.subarray(0, -1));
  });

  test("a deflated chunk of another length than it names, damaged, or with bytes behind its end", () => {
    const rest = deflateRawSync(Buffer.alloc(100, "ab"));
    const deflated = (length: number, bytes: Buffer) => ({ form: ChunkForm.Deflated, length, rest: bytes });
    assert.equal(unpackChunk(deflated(100, rest)).length, 100);
    for (const wrong of [
      deflated(99, rest),
      deflated(101, rest),
      deflated(0, rest),
      deflated(100, rest.subarray(1)),
      deflated(100, Buffer.concat([rest, Buffer.from([0])])),
    ])
      assert.throws(() => unpackChunk(wrong), FrameError);
  });

  test("a chunk of a few bytes cannot make anybody inflate more than it names", () => {
    const bomb = deflateRawSync(Buffer.alloc(64 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    assert.throws(() => unpackChunk({ form: ChunkForm.Deflated, length: 10, rest: bomb }), FrameError);
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
  });
});
