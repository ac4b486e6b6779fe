/** Chunks back into messages: whole or not at all, whatever is lost, repeated, damaged or mixed up on the way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { crc32 } from "../../../src/frame/checksum.js";
import { ChunkForm, encodeChunk, type PackedChunk, packChunk, plainChunk } from "../../../src/frame/chunk.js";
import { encodeMessage, encodeRecord, RecordKind } from "../../../src/frame/record.js";
import { type BrokenReason, Reassembler } from "../../../src/plane/reassembly.js";
import { ManualClock, TestReceiver } from "./support.js";

const channel = Buffer.from("socketio");
const other = Buffer.from("socketio#/#room");
const OWN = 0xfeed;

/** A large message as its sender makes it: its beginning, and the body that the chunks hold. */
function message(epoch: number, instance: number, seq: number, payload: Buffer, kind: RecordKind = RecordKind.Whole) {
  const fields = {
    kind,
    keep: true,
    cumulative: true,
    deflated: false,
    domain: 0x11,
    instance,
    seq,
    back: 1,
    streamKey: instance,
    primerInstance: 0,
    primerSeq: 0,
    newest: false,
    length: payload.length,
    crc: crc32(payload),
    mark: 0,
  };
  const { head } = encodeRecord(fields, payload);
  return { prefix: encodeMessage(epoch, 1, [{ head, body: Buffer.alloc(0), mark: 0 }]), body: payload };
}

/** All messages of one transfer. */
function transfer(epoch: number, id: number, of: ReturnType<typeof message>, chunkBytes = 10): Buffer[] {
  const opening = { form: ChunkForm.Opening, length: of.body.length, rest: of.prefix };
  const parts: PackedChunk[] = [opening];
  for (let at = 0; at < of.body.length; at += chunkBytes) parts.push(plainChunk(of.body.subarray(at, at + chunkBytes)));
  return parts.map((part, index) => encodeChunk(epoch, 1, id, index, part));
}

class Bench {
  readonly clock = new ManualClock();
  readonly receiver = new TestReceiver(this.clock, OWN);
  readonly credits: string[] = [];
  readonly own: string[] = [];
  readonly broken: BrokenReason[] = [];
  readonly messages: Buffer[] = [];
  malformed = 0;
  readonly reassembler: Reassembler;

  constructor(limits = { bytes: 10_000, waitMs: 1_000, maxPayloadBytes: 5_000 }) {
    this.reassembler = new Reassembler(OWN, limits, this.clock, {
      credit: (epoch, connection, id, index) => this.credits.push(`${epoch}.${connection} ${id} ${index}`),
      own: (id, index) => this.own.push(`${id} ${index}`),
      message: (on, bytes) => {
        this.messages.push(bytes);
        this.receiver.rebuilder.message(on, bytes);
      },
      waitsFor: (epoch, instance) => this.receiver.rebuilder.waitsFor(epoch, instance),
      underway: (epoch, instance) => this.receiver.rebuilder.underway(epoch, instance),
      undelivered: (reason) => this.broken.push(reason),
      malformed: () => this.malformed++,
    });
  }

  hear(messages: readonly Buffer[], on = channel): void {
    for (const bytes of messages) {
      // As from a socket: the memory is used again.
      const chunk = Buffer.from(bytes);
      this.reassembler.message(on, chunk);
      chunk.fill(0x5a);
    }
  }

  get heard(): string[] {
    return this.receiver.delivered.map(({ payload }) => payload.toString());
  }
}

const text = (length: number, what = "large "): Buffer => Buffer.alloc(length, what);

test("a message in chunks is delivered once it is whole, and each of them is confirmed", async () => {
  const bench = new Bench();
  const large = message(7, 1, 1, text(95));
  const [opening, ...rest] = transfer(7, 3, large);
  const deflated = encodeChunk(7, 1, 3, 1, await packChunk(large.body.subarray(0, 60)));
  bench.hear([opening!, deflated, encodeChunk(7, 1, 3, 2, plainChunk(Buffer.alloc(0)))]);
  assert.deepEqual(bench.heard, []);
  assert.equal(bench.reassembler.bytes, large.prefix.length + 95);
  bench.hear([encodeChunk(7, 1, 3, 3, plainChunk(large.body.subarray(60)))]);
  assert.deepEqual(bench.heard, [large.body.toString()]);
  assert.equal(bench.reassembler.bytes, 0);
  assert.deepEqual(bench.credits, ["7.1 3 0", "7.1 3 1", "7.1 3 2", "7.1 3 3"]);
  // What comes behind the end is only confirmed.
  bench.hear([encodeChunk(7, 1, 3, 4, plainChunk(Buffer.alloc(0))), rest[0]!]);
  assert.equal(bench.credits.length, 6);
  assert.equal(bench.messages.length, 1);
  assert.deepEqual([bench.broken, bench.malformed], [[], 0]);
});

describe("what breaks a transfer is counted once", () => {
  const large = message(7, 1, 1, text(95));
  const all = transfer(7, 3, large);
  const cases: Record<string, (bench: Bench) => void> = {
    "a chunk is lost": (bench) => bench.hear([...all.slice(0, 4), ...all.slice(5)]),
    "two chunks are swapped": (bench) => bench.hear([...all.slice(0, 4), all[5]!, all[4]!, ...all.slice(6)]),
    "it goes on on another channel": (bench) => {
      bench.hear(all.slice(0, 4));
      bench.hear(all.slice(4), other);
    },
    "more comes than was announced": (bench) =>
      bench.hear([...all.slice(0, 4), encodeChunk(7, 1, 3, 4, plainChunk(text(90)))]),
    "another message begins": (bench) =>
      bench.hear([...all.slice(0, 4), transfer(7, 4, message(7, 2, 1, text(50)))[0]!]),
  };
  for (const [what, act] of Object.entries(cases)) {
    test(what, () => {
      const bench = new Bench();
      act(bench);
      assert.deepEqual(bench.broken, ["chunk_lost"]);
      assert.deepEqual(bench.heard, []);
    });
  }

  test("a deflated chunk is damaged", () => {
    const bench = new Bench();
    bench.hear([all[0]!, encodeChunk(7, 1, 3, 1, { form: ChunkForm.Deflated, length: 10, rest: text(4) }), all[2]!]);
    assert.deepEqual([bench.broken, bench.malformed, bench.heard], [["chunk_lost"], 1, []]);
  });

  test("its sender falls silent", () => {
    const bench = new Bench();
    bench.hear(all.slice(0, 4));
    bench.clock.ms += 999;
    bench.reassembler.tick();
    assert.deepEqual(bench.broken, []);
    bench.clock.ms += 1;
    bench.reassembler.tick();
    assert.deepEqual(bench.broken, ["chunk_timeout"]);
    assert.equal(bench.reassembler.bytes, 0);
    bench.hear(all.slice(4));
    assert.deepEqual(bench.heard, []);
  });

  test("there is no room for it, or it is above the limit", () => {
    const bench = new Bench();
    const big = message(7, 1, 1, text(5_000));
    bench.hear(transfer(7, 1, big, 5_000).slice(0, 1));
    bench.hear(transfer(8, 1, message(8, 1, 1, text(5_000)), 5_000));
    assert.deepEqual(bench.broken, ["chunks_full"]);
    const huge = encodeChunk(9, 1, 1, 0, {
      form: ChunkForm.Opening,
      length: 2 ** 50,
      rest: message(9, 1, 1, text(5)).prefix,
    });
    bench.hear([huge]);
    assert.deepEqual(bench.broken, ["chunks_full", "chunks_full"]);
    bench.hear(transfer(7, 1, big, 5_000).slice(1));
    assert.deepEqual(bench.heard, [big.body.toString()]);
  });
});

describe("what loses no frame is not counted", () => {
  test("a sender begins the same record anew", () => {
    const bench = new Bench();
    const large = message(7, 1, 1, text(95));
    bench.hear([...transfer(7, 3, large).slice(0, 5), ...transfer(7, 4, large)]);
    assert.deepEqual([bench.heard.length, bench.broken], [1, []]);
  });

  test("chunks are heard twice, as by two subscriptions", () => {
    const bench = new Bench();
    const large = message(7, 1, 1, text(95));
    bench.hear(transfer(7, 3, large).flatMap((one) => [one, one]));
    assert.deepEqual([bench.heard.length, bench.broken], [1, []]);
    assert.equal(bench.credits.length, 22, "each hearing is confirmed");
  });

  test("this pod came in the middle", () => {
    const bench = new Bench();
    bench.hear(transfer(7, 3, message(7, 1, 1, text(95))).slice(2));
    assert.deepEqual([bench.heard, bench.broken], [[], []]);
    assert.equal(bench.credits.length, 9);
  });

  test("a base that nobody here waits for: not even memory is taken for it", () => {
    const bench = new Bench();
    const all = transfer(7, 3, message(7, 1, 1, text(95), RecordKind.Repair));
    bench.hear(all.slice(0, 5));
    assert.equal(bench.reassembler.bytes, 0);
    bench.hear(all.slice(6));
    assert.deepEqual([bench.messages, bench.broken, bench.credits.length], [[], [], 10]);
  });

  test("our own: the sending side is told, and nothing is kept", () => {
    const bench = new Bench();
    bench.hear(transfer(OWN, 3, message(OWN, 1, 1, text(95))));
    assert.equal(bench.own.length, 11);
    assert.deepEqual([bench.credits, bench.reassembler.bytes, bench.heard], [[], 0, []]);
  });
});

test("a base that frames wait for comes in chunks: they are not given up while it is on its way", () => {
  const bench = new Bench({ bytes: 10_000, waitMs: 60_000, maxPayloadBytes: 5_000 });
  const base = text(95);
  const next = Buffer.from("the next");
  const delta = encodeRecord(
    { ...deltaFields, instance: 1, seq: 2, crc: crc32(next), mark: 0 },
    Buffer.concat([Buffer.from([0, base.length * 2 + 1 > 127 ? 0x80 | ((base.length * 2 + 1) & 0x7f) : 0, 1]), next]),
  );
  bench.hear([]);
  bench.receiver.rebuilder.message(channel, encodeMessage(7, 1, [delta]));
  assert.equal(bench.receiver.rebuilder.heldFrames, 1);
  for (const chunk of transfer(7, 3, message(7, 1, 1, base, RecordKind.Repair))) {
    bench.hear([chunk]);
    bench.clock.ms += 800;
    bench.receiver.rebuilder.tick();
  }
  assert.deepEqual(bench.heard, ["the next"]);
  assert.deepEqual(bench.broken, []);
});

const deltaFields = {
  kind: RecordKind.Delta,
  keep: true,
  cumulative: true,
  deflated: false,
  domain: 0x11,
  back: 1,
  streamKey: -1,
  primerInstance: 0,
  primerSeq: 0,
  newest: false,
  length: 0,
};

describe("malformed openings open nothing", () => {
  const good = message(7, 1, 1, text(20));
  const two = encodeMessage(7, 1, [
    encodeRecord({ ...deltaFields, instance: 1, seq: 2, crc: 0, mark: 0 }, Buffer.alloc(0)),
    encodeRecord({ ...deltaFields, instance: 1, seq: 3, crc: 0, mark: 0 }, Buffer.alloc(0)),
  ]);
  const cases: Record<string, Buffer> = {
    "no message": Buffer.alloc(0),
    "a message of somebody else": message(8, 1, 1, text(20)).prefix,
    "a message cut short": good.prefix.subarray(0, -1),
    "a message with its body": Buffer.concat([good.prefix, good.body]),
    "two records": two,
  };
  for (const [what, rest] of Object.entries(cases)) {
    test(what, () => {
      const bench = new Bench();
      bench.hear([encodeChunk(7, 1, 3, 0, { form: ChunkForm.Opening, length: 20, rest })]);
      bench.hear(transfer(7, 3, good).slice(1));
      assert.deepEqual([bench.malformed, bench.messages, bench.reassembler.bytes], [1, [], 0]);
    });
  }
});

test("senders interleaved; chunks lost, repeated, swapped, damaged; senders that begin anew: whole or counted", () => {
  const fault = fc.record({
    at: fc.nat(60),
    kind: fc.constantFrom("lose", "repeat", "swap", "damage", "anew", "late"),
    by: fc.nat(255),
  });
  fc.assert(
    fc.property(fc.array(fc.nat(2), { maxLength: 120 }), fc.array(fault, { maxLength: 6 }), (turns, faults) => {
      const bench = new Bench();
      // Three senders, three messages each.
      const sent = [1, 2, 3].map((epoch) => {
        const messages = [1, 2, 3].map((seq) => message(epoch, 1, seq, text(60 + epoch, `${epoch} ${seq} `)));
        return { epoch, messages, queue: messages.flatMap((one, i) => transfer(epoch, i + 1, one)), transfers: 3 };
      });
      const payloads = new Set(sent.flatMap(({ messages }) => messages.map(({ body }) => body.toString())));
      let damaged = false;
      for (const { at, kind, by } of faults) {
        const sender = sent[at % 3]!;
        const { queue } = sender;
        const place = at % queue.length;
        if (kind === "lose") queue.splice(place, 1);
        else if (kind === "repeat") queue.splice(place, 0, queue[place]!);
        else if (kind === "swap") queue.splice(place, 2, ...queue.slice(place, place + 2).reverse());
        else if (kind === "damage") {
          damaged = true;
          const copy = Buffer.from(queue[place]!);
          copy[by % copy.length]! ^= 1 + (by & 0x7e);
          queue[place] = copy;
        } else if (kind === "anew") {
          // The connection has broken: the message that was on its way is sent again from its beginning.
          const one = sender.messages[by % 3]!;
          queue.splice(place, 0, ...transfer(sender.epoch, ++sender.transfers, one));
        }
      }
      for (const turn of turns) bench.hear(sent[turn]!.queue.splice(0, 1));
      for (const { queue } of sent) bench.hear(queue.splice(0));
      const { heard } = bench;
      assert.equal(new Set(heard).size, heard.length, "nothing twice");
      for (const payload of heard) assert.ok(payloads.has(payload), "nothing that nobody published");
      for (const { messages } of sent) {
        const places = heard
          .map((one) => messages.findIndex(({ body }) => body.toString() === one))
          .filter((i) => i >= 0);
        assert.deepEqual(places, [...places].sort(), "in order");
      }
      if (faults.length === 0) assert.equal(heard.length, 9);
      if (!damaged) assert.equal(bench.malformed, 0);
      bench.clock.ms += 1_000;
      bench.reassembler.tick();
      assert.equal(bench.reassembler.bytes, 0, "nothing is kept");
    }),
    { numRuns: 500 },
  );
});
