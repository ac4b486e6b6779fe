/**
 * Budgets of the tables of streams, at both ends: a million short streams, streams that never end, and any order of use
 * against a naive model. Whatever is forgotten costs a keyframe; every frame comes back byte for byte.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { encodeMessage } from "../../../src/frame/record.js";
import { Encoder } from "../../../src/plane/encode.js";
import type { StreamLimits } from "../../../src/plane/streams.js";
import { ManualClock, TestReceiver } from "./support.js";

const EPOCH = 0xabc;
const CHANNEL = Buffer.from("socketio");
const roomy: StreamLimits = { count: 1e6, bytes: 1 << 30, idleMs: 1e9 };

/** A sender and a receiver; questions are answered at once. */
class Pair {
  readonly clock = new ManualClock();
  readonly evicted = { idle: 0, count: 0, bytes: 0 };
  readonly encoder: Encoder;
  readonly receiver: TestReceiver;
  readonly #channel = { generation: 0 };

  /** `sending` and `receiving` are what the tables are given, and what is checked unless it is changed. */
  constructor(
    public sending: StreamLimits,
    public receiving: StreamLimits,
  ) {
    this.encoder = new Encoder(sending, (reason) => this.evicted[reason]++);
    this.receiver = new TestReceiver(this.clock, 0xfeed, receiving);
  }

  /** Sends one frame and checks that exactly it is delivered, and that both budgets hold. */
  send(stream: number, payload: Buffer, cumulative: boolean): "keyframe" | "delta" {
    const facts = { stream, cumulative, tag: 0x11 + (stream % 15), mark: 0 };
    const { record, kind } = this.encoder.encode(this.#channel, payload, facts, this.clock.ms);
    const { receiver } = this;
    receiver.rebuilder.message(CHANNEL, encodeMessage(EPOCH, 1, [record]));
    this.#answer();
    // Where its stream was repaired a moment ago, the answer comes to a later question.
    for (let i = 0; receiver.delivered.length === 0 && i < 3; i++) {
      this.clock.ms += 60;
      receiver.rebuilder.tick();
      this.#answer();
    }
    const [got, ...more] = receiver.delivered.splice(0);
    if (got === undefined || more.length > 0 || !got.payload.equals(payload)) {
      assert.fail(`${more.length} more; ${got?.payload} instead of ${payload}`);
    }
    this.check();
    return kind;
  }

  #answer(): void {
    for (const { instance, seq } of this.receiver.asked.splice(0)) {
      const repair = this.encoder.repair(instance, seq, this.clock.ms);
      if (repair !== undefined) this.receiver.rebuilder.message(CHANNEL, encodeMessage(EPOCH, 1, [repair.record]));
    }
  }

  sweep(): void {
    this.encoder.sweep(this.clock.ms);
    this.receiver.rebuilder.sweep();
    this.check();
  }

  check(): void {
    // Without assert's functions: this runs millions of times.
    const { encoder, sending, receiving } = this;
    const { rebuilder } = this.receiver;
    if (encoder.streams > sending.count || encoder.bytes > sending.bytes)
      assert.fail(`sender: ${encoder.streams} streams, ${encoder.bytes} bytes`);
    if (rebuilder.streams > receiving.count || rebuilder.streamBytes > receiving.bytes)
      assert.fail(`receiver: ${rebuilder.streams} streams, ${rebuilder.streamBytes} bytes`);
  }
}

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

function heapMiB(): number {
  gc();
  return process.memoryUsage().heapUsed / 1024 / 1024;
}

/** What each of the budgets has to hold alone, at the sender and at the receiver. */
const bounds = {
  count: [
    { ...roomy, count: 1_000 },
    { ...roomy, count: 700 },
  ],
  bytes: [
    { ...roomy, bytes: 40_000 },
    { ...roomy, bytes: 30_000 },
  ],
  idle: [
    { ...roomy, idleMs: 1_000 },
    { ...roomy, idleMs: 700 },
  ],
} as const;

for (const [reason, [sending, receiving]] of Object.entries(bounds)) {
  test(`350,000 short streams within the budget of ${reason}`, (t) => {
    const pair = new Pair(sending, receiving);
    const streams = 350_000;
    let most = 0;
    let early = 0;
    let again = 0;
    for (let i = 1; i <= streams; i++) {
      pair.send(i, Buffer.from(`stream ${i} says one`), i % 2 === 0);
      // Some come back: a little later, and long after they were forgotten.
      if (i % 3 === 0 && i > 50) pair.send(i - 48, Buffer.from(`stream ${i - 48} says one, two`), i % 2 === 0);
      if (i % 50 === 0 && i > 10_000) {
        assert.equal(pair.send(i - 9_999, Buffer.from(`stream ${i - 9_999} says three`), i % 2 !== 0), "keyframe");
        again++;
      }
      pair.clock.ms += 1;
      if (i % 500 === 0) pair.sweep();
      most = Math.max(most, pair.encoder.streams);
      if (i === streams / 5) early = heapMiB();
    }
    const growth = heapMiB() - early;
    const { evicted, receiver, encoder } = pair;
    t.diagnostic(`at most ${most} streams, ${JSON.stringify(evicted)}, heap grew by ${growth.toFixed(1)} MiB`);
    assert.equal(evicted[reason as keyof typeof evicted], streams + again - encoder.streams, "each is evicted once");
    if (reason === "idle") assert.ok(most <= 1_000 * 1.1 + 600, "an idle stream outlives its time by a sweep at most");
    assert.equal(receiver.undelivered.size, 0);
    // Nothing is left of what was forgotten: 280,000 entries of any map would be seen.
    assert.ok(growth < 4, `the heap grew by ${growth.toFixed(1)} MiB`);
  });
}

for (const cumulative of [true, false]) {
  test(`a stream that never ends keeps its newest bases only (${cumulative ? "chained" : "pinned"})`, () => {
    const limits = { ...roomy, bytes: 200_000 };
    const pair = new Pair(limits, limits);
    const text = Buffer.alloc(30_000, "it goes on and on. ");
    const deltas = { sent: 0 };
    for (let i = 1; i <= 30_000; i++) {
      // A chain grows; what is pinned stays as long as it is, with another end each time.
      const payload = cumulative ? Buffer.from(text.subarray(0, i)) : Buffer.from(`${text.subarray(0, 2_000)}${i}`);
      if (pair.send(1, payload, cumulative) === "delta") deltas.sent++;
      if (i % 500 === 0) pair.send(i, Buffer.from(`another ${i}`), cumulative);
      pair.clock.ms += 20;
      const kept = cumulative ? 1 : 3;
      const others = 60 * 20;
      assert.ok(pair.encoder.bytes <= payload.length * Math.min(kept, 2) + others);
      assert.ok(pair.receiver.rebuilder.streamBytes <= payload.length * kept + others);
    }
    assert.ok(deltas.sent > 29_900, `${deltas.sent} deltas`);
    assert.deepEqual(pair.receiver.resyncs, []);
    assert.deepEqual(pair.evicted, { idle: 0, count: 0, bytes: 0 });
  });
}

test("a stream that alone is larger than the budget drives all others out, and is the only one to exceed it", () => {
  const limits = { ...roomy, bytes: 10_000 };
  const pair = new Pair(limits, limits);
  for (let i = 1; i <= 5; i++) pair.send(i, Buffer.alloc(1_000, `${i}`), true);
  assert.equal(pair.encoder.streams, 5);
  pair.sending = pair.receiving = roomy;
  pair.send(9, Buffer.alloc(20_000, "x"), true);
  assert.deepEqual([pair.encoder.streams, pair.encoder.bytes], [1, 20_000]);
  assert.deepEqual([pair.receiver.rebuilder.streams, pair.receiver.rebuilder.streamBytes], [1, 20_000]);
  assert.equal(pair.send(1, Buffer.alloc(1_000, "1"), true), "keyframe");
  assert.deepEqual([pair.encoder.streams, pair.encoder.bytes], [1, 1_000], "the next one makes it go");
});

/** The table as one would write it without a thought for speed. */
class NaiveTable {
  rows: { key: number; bytes: number; usedAt: number }[] = [];
  evicted = { idle: 0, count: 0, bytes: 0 };

  constructor(readonly limits: StreamLimits) {}

  get bytes(): number {
    return this.rows.reduce((sum, row) => sum + row.bytes, 0);
  }

  /** True where the stream was known. */
  use(key: number, bytes: number, now: number): boolean {
    let row = this.rows.find((one) => one.key === key);
    const known = row !== undefined;
    if (row === undefined) {
      row = { key, bytes: 0, usedAt: now };
      this.rows.push(row);
      while (this.rows.length > this.limits.count) this.evict("count", key);
    } else if (now - row.usedAt >= 100) {
      row.usedAt = now;
      this.rows = [...this.rows.filter((one) => one !== row), row];
    }
    row.bytes = bytes;
    while (this.bytes > this.limits.bytes && this.rows.length > 1) this.evict("bytes", key);
    return known;
  }

  sweep(now: number): void {
    while (this.rows[0] !== undefined && now - this.rows[0].usedAt > this.limits.idleMs) {
      this.rows.shift();
      this.evicted.idle++;
    }
  }

  private evict(reason: "count" | "bytes", keep: number): void {
    this.rows.splice(
      this.rows.findIndex(({ key }) => key !== keep),
      1,
    );
    this.evicted[reason]++;
  }
}

const step = fc.record({
  stream: fc.integer({ min: 1, max: 12 }),
  grow: fc.integer({ min: 1, max: 120 }),
  waitMs: fc.constantFrom(0, 0, 30, 60, 110, 400, 3_000),
  sweep: fc.boolean(),
  restart: fc.integer({ min: 0, max: 15 }),
});
const table = fc.record({
  count: fc.integer({ min: 1, max: 8 }),
  bytes: fc.integer({ min: 4_000, max: 9_000 }),
  idleMs: fc.constantFrom(500, 5_000, 100_000),
});

test("any order of use: a keyframe exactly where a naive table has forgotten the stream, and never a wrong byte", () => {
  let keyframes = 0;
  let asked = 0;
  fc.assert(
    fc.property(table, table, fc.array(step, { minLength: 20, maxLength: 120 }), (sending, receiving, steps) => {
      const pair = new Pair(sending, receiving);
      const naive = new NaiveTable(sending);
      const lengths = new Map<number, number>();
      for (const { stream, grow, waitMs, sweep, restart } of steps) {
        pair.clock.ms += waitMs;
        if (sweep) {
          pair.sweep();
          naive.sweep(pair.clock.ms);
        }
        const length = restart === 0 ? grow : Math.min(3_900, (lengths.get(stream) ?? 0) + grow);
        lengths.set(stream, length);
        const payload = Buffer.alloc(length, `the text of stream ${stream}, which goes on; `);
        const known = naive.use(stream, length, pair.clock.ms);
        const kind = pair.send(stream, payload, true);
        // A stream that is known may still go whole, where a delta would not pay.
        if (!known) assert.equal(kind, "keyframe");
        else if (restart !== 0 && grow * 3 < length) assert.equal(kind, "delta");
        if (kind === "keyframe") keyframes++;
        assert.equal(pair.encoder.streams, naive.rows.length);
        assert.equal(pair.encoder.bytes, naive.bytes);
        assert.deepEqual(pair.evicted, naive.evicted);
      }
      asked += pair.receiver.resyncs.length;
      assert.equal(pair.receiver.undelivered.size, 0);
      assert.equal(pair.receiver.rebuilder.heldFrames, 0);
    }),
    { interruptAfterTimeLimit: 6_000, numRuns: 300, includeErrorInReport: true },
  );
  assert.ok(keyframes > 20 && asked > 20, `${keyframes} keyframes, ${asked} questions`);
});
