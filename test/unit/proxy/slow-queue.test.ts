/** What waits for a slow app, against a model that is too simple to be wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ANY_DOMAIN, conflicts, domainTag, isBarrier } from "../../../src/plane/domain.js";
import { SlowQueue, type Waiting, waitingMessage, waitingReply } from "../../../src/proxy/slow-queue.js";

const VIA = [{}, {}];

/** One step: a frame, a reply, or the app reads. */
type Step =
  | { kind: "frame"; emitter: number; chat: number; stream: number; via: number; collapse: boolean; size: number }
  | { kind: "reply"; size: number }
  | { kind: "read" };

// Few of everything, so that the same stream comes again and again; emitters 1 and 16 share a tag.
const emitter = fc.constantFrom(0, 1, 1, 1, 2, 16);
const chat = fc.constantFrom(0, 1, 1, 1, 1, 2);
const size = fc.constantFrom(1, 40, 5_000, 20_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("frame" as const),
      emitter,
      chat,
      // Most of the frames may be replaced.
      stream: fc.constantFrom(0, 7, 7, 7, 8),
      via: fc.constantFrom(0, 0, 0, 1),
      collapse: fc.constantFrom(true, true, true, false),
      size,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reply" as const), size }) },
  { weight: 2, arbitrary: fc.constant({ kind: "read" as const }) },
);

interface Entry {
  id: number;
  via: object | undefined;
  stream: number;
  tag: number;
  bytes: number;
}

/** The rule, said once more: the older leaves if it is the newest of its stream and nothing between is a barrier to it. */
function modelAdd(model: Entry[], entry: Entry, collapse: boolean): Entry | undefined {
  let removed: Entry | undefined;
  if (collapse && entry.stream !== 0 && !isBarrier(entry.tag)) {
    for (let i = model.length - 1; i >= 0; i--) {
      const older = model[i]!;
      if (isBarrier(older.tag) && conflicts(older.tag, entry.tag)) break;
      if (older.stream !== entry.stream || older.via !== entry.via || isBarrier(older.tag)) continue;
      removed = older;
      model.splice(i, 1);
      break;
    }
  }
  model.push(entry);
  return removed;
}

function contentOf(entry: Waiting): Buffer {
  return Buffer.concat([...entry.parts]);
}

test("order never changes, and nothing goes but what a newer frame of its stream stands for", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new SlowQueue();
      const model: Entry[] = [];
      const added: Entry[] = [];
      const gone: { older: Entry; newer: Entry }[] = [];
      const left: number[] = [];
      const read = () => {
        const entry = queue.shift();
        const expected = model.shift();
        assert.equal(entry === undefined, expected === undefined);
        if (entry === undefined) return;
        assert.equal(contentOf(entry).readUInt32BE(0), expected!.id);
        left.push(expected!.id);
      };
      steps.forEach((one, id) => {
        if (one.kind === "read") {
          read();
          return;
        }
        const bytes = Buffer.alloc(one.size + 4, "x");
        bytes.writeUInt32BE(id);
        if (one.kind === "reply") {
          const waiting = waitingReply(bytes);
          assert.equal(queue.add(waiting, false), false);
          model.push({ id, via: undefined, stream: 0, tag: ANY_DOMAIN, bytes: waiting.bytes });
          added.push(model.at(-1)!);
        } else {
          const tag = domainTag(one.emitter, one.chat);
          // As a dialect gives it: what is on the allow-list has an emitter and a chat.
          const stream = isBarrier(tag) ? 0 : one.stream * 100 + tag;
          const waiting = waitingMessage(
            [bytes.subarray(0, 2), bytes.subarray(2)],
            VIA[one.via]!,
            one.stream === 0 ? 0 : stream,
            tag,
          );
          const entry = { id, via: VIA[one.via], stream: waiting.stream, tag, bytes: waiting.bytes };
          const older = modelAdd(model, entry, one.collapse);
          assert.equal(queue.add(waiting, one.collapse), older !== undefined);
          if (older !== undefined) gone.push({ older, newer: entry });
          added.push(entry);
        }
        assert.equal(queue.size, model.length);
        assert.equal(
          queue.bytes,
          model.reduce((sum, entry) => sum + entry.bytes, 0),
        );
      });
      while (queue.size > 0) read();
      read();
      assert.equal(queue.bytes, 0);
      // Said without the model: what left is what came, in its order, less what was replaced.
      const dropped = new Set(gone.map(({ older }) => older.id));
      assert.deepEqual(
        left,
        added.filter((entry) => !dropped.has(entry.id)).map((entry) => entry.id),
      );
      for (const { older, newer } of gone) {
        assert.ok(
          older.stream !== 0 && older.stream === newer.stream && older.via === newer.via && older.id < newer.id,
        );
        const between = added.filter((entry) => entry.id > older.id && entry.id < newer.id);
        assert.ok(
          !between.some((entry) => isBarrier(entry.tag) && conflicts(entry.tag, older.tag)),
          "across a barrier",
        );
      }
    }),
    { numRuns: 3_000 },
  );
});

test("what waits holds no more memory than is counted", () => {
  const slab = Buffer.alloc(64 * 1024);
  const small = waitingMessage([slab.subarray(10, 20), slab.subarray(30, 90)], {}, 0, ANY_DOMAIN);
  assert.deepEqual(
    small.parts.map((part) => part.buffer.byteLength),
    [70],
  );
  assert.equal(waitingReply(slab.subarray(0, 5)).parts[0]!.buffer.byteLength, 5);
  // A large payload is shared with the other subscribers.
  const payload = Buffer.alloc(100_000);
  const large = waitingMessage([slab.subarray(0, 30), payload, slab.subarray(0, 2)], {}, 0, ANY_DOMAIN);
  assert.equal(large.parts[1], payload);
  assert.ok(large.bytes > 100_032 && large.bytes < 101_000);
});

test("a million replaced frames leave nothing behind", () => {
  const queue = new SlowQueue();
  const via = {};
  for (let i = 0; i < 1_000_000; i++) queue.add({ parts: [], bytes: 300, via, stream: 1 + (i % 3), tag: 0x11 }, true);
  assert.equal(queue.size, 3);
  assert.equal(queue.bytes, 900);
});
