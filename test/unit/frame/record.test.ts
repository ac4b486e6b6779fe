/** Records and side messages: what is written is read, and what is malformed is refused as a whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameError } from "../../../src/core/errors.js";
import { MAX_EPOCH } from "../../../src/frame/message.js";
import {
  encodeMessage,
  encodeRecord,
  MessageReader,
  type RecordFields,
  RecordKind,
  recordSize,
} from "../../../src/frame/record.js";
import { codeAll, outputFrame, rebuild, tokens } from "./support.js";

const FIELDS: RecordFields = {
  kind: RecordKind.Delta,
  keep: true,
  cumulative: false,
  deflated: false,
  domain: 0xbe,
  instance: 300,
  seq: 70_000,
  back: 1,
  streamKey: -1,
  primerInstance: 0,
  primerSeq: 0,
  newest: false,
  length: 5,
  crc: 0xcafe_babe,
  mark: 0,
};

function message(...records: (readonly [Partial<RecordFields>, Buffer])[]): Buffer {
  const encoded = records.map(([fields, body]) => encodeRecord({ ...FIELDS, ...fields }, body));
  return encodeMessage(0xa1b2_c3d4, 9, encoded);
}

function opened(bytes: Buffer): MessageReader {
  const reader = new MessageReader();
  reader.open(bytes);
  return reader;
}

const anyFields: fc.Arbitrary<RecordFields> = fc
  .record({
    kind: fc.constantFrom(...Object.values(RecordKind)),
    keep: fc.boolean(),
    cumulative: fc.boolean(),
    deflated: fc.boolean(),
    domain: fc.integer({ min: 0, max: 0xff }),
    instance: fc.maxSafeNat(),
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    back: fc.integer({ min: 1, max: 2 ** 31 }),
    streamKey: fc.integer({ min: -1, max: 0xffff_ffff }),
    primerInstance: fc.maxSafeNat(),
    primerSeq: fc.maxSafeNat(),
    newest: fc.boolean(),
    length: fc.nat(),
    crc: fc.integer({ min: 0, max: 0xffff_ffff }),
    mark: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xff_ffff })),
  })
  .map((fields) => {
    const primed = fields.kind === RecordKind.Whole && fields.deflated && fields.primerInstance > 0;
    return {
      ...fields,
      back: Math.min(fields.back, fields.seq),
      primerInstance: primed ? fields.primerInstance : 0,
      primerSeq: primed ? fields.primerSeq : 0,
      newest: fields.kind === RecordKind.Repair && fields.newest,
    };
  });

test("any records come back as they were written", () => {
  const anyBody = fc.uint8Array({ maxLength: 200 }).map((a) => Buffer.from(a));
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: MAX_EPOCH }),
      fc.maxSafeNat(),
      fc.array(fc.tuple(anyFields, anyBody), { minLength: 1, maxLength: 6 }),
      (epoch, connection, records) => {
        const encoded = records.map(([fields, body]) => encodeRecord(fields, body));
        const bytes = encodeMessage(epoch, connection, encoded);
        const most = encoded.reduce((sum, record) => sum + recordSize(record), 0);
        assert.ok(bytes.length <= most + 5 + 8, "recordSize() is an upper bound");
        const reader = opened(bytes);
        assert.equal(reader.epoch, epoch);
        assert.equal(reader.connection, connection);
        assert.equal(reader.count, records.length);
        for (const [fields, body] of records) {
          assert.equal(reader.next(), true);
          assert.equal(reader.kind, fields.kind);
          assert.equal(reader.domain, fields.domain);
          assert.equal(reader.instance, fields.instance);
          assert.equal(reader.seq, fields.seq);
          const gone = fields.kind === RecordKind.Gone;
          const delta = fields.kind === RecordKind.Delta;
          assert.equal(reader.keep, !gone && fields.keep);
          assert.equal(reader.cumulative, !gone && fields.cumulative);
          assert.equal(reader.deflated, !gone && fields.deflated);
          assert.equal(reader.back, delta ? fields.back : 0);
          assert.equal(reader.streamKey, delta || gone ? -1 : fields.streamKey);
          assert.equal(reader.length, gone || delta ? 0 : fields.length);
          assert.equal(reader.primerInstance, fields.primerInstance);
          assert.equal(reader.primerSeq, fields.primerSeq);
          assert.equal(reader.mark, fields.mark);
          assert.equal(reader.crc, gone ? 0 : fields.crc);
          assert.deepEqual(reader.body(), gone ? Buffer.alloc(0) : body);
        }
        assert.equal(reader.next(), false);
      },
    ),
  );
});

test("a frame on its own in a chain costs 14 bytes and its hunks", () => {
  const record = encodeRecord({ ...FIELDS, instance: 7, seq: 300 }, Buffer.alloc(9));
  assert.equal(encodeMessage(0, 5, [record]).length, 5 + 9 + 9);
});

test("the last record says no length; as one before others it does, and is not changed by either", () => {
  const record = encodeRecord(FIELDS, Buffer.from("abc"));
  const before = Buffer.from(record.head);
  const alone = encodeMessage(1, 1, [record]);
  const twice = encodeMessage(1, 1, [record, record]);
  assert.equal(twice.length, 2 * alone.length - 5 + 1);
  assert.deepEqual(record.head, before);
  assert.deepEqual(encodeMessage(1, 1, [record]), alone);
});

test("one reader reads one message after another", () => {
  const reader = new MessageReader();
  reader.open(message([{}, Buffer.from("ab")], [{ seq: 70_001 }, Buffer.from("cd")]));
  reader.next();
  reader.open(message([{ seq: 5 }, Buffer.from("ef")]));
  assert.equal(reader.next(), true);
  assert.equal(reader.seq, 5);
  assert.equal(reader.body().toString(), "ef");
  assert.equal(reader.next(), false);
  reader.close();
  assert.equal(reader.next(), false);
});

const HEAD = "25a1b2c3d4";
const MALFORMED: readonly (readonly [string, string])[] = [
  ["no bytes", ""],
  ["another type", `26${HEAD.slice(2)}03be0101`],
  ["type 0", `24${HEAD.slice(2)}03be0101`],
  ["an epoch cut short", "25a1b2c3"],
  ["no connection where one follows", "fda1b2c3d4"],
  ["an overlong connection", "fda1b2c3d480808080808080800003be0101"],
  ["no records", HEAD],
  ["cumulative on gone", `${HEAD}43be0101`],
  ["last on gone", `${HEAD}83be0101`],
  ["a whole frame primed by instance 0", `${HEAD}18be0101000100cafebabe00`],
  ["a whole frame primed and not deflated", `${HEAD}10be0101010100cafebabe00`],
  ["a primer cut short", `${HEAD}18be010101`],
  ["a key on a delta", `${HEAD}31be0101cafebabe00`],
  ["keep on gone", `${HEAD}07be0101`],
  ["deflated on gone", `${HEAD}0bbe0101`],
  ["back of 0", `${HEAD}01be010500cafebabe00`],
  ["back beyond the sequence", `${HEAD}01be010506cafebabe00`],
  ["a chain at sequence 0", `${HEAD}11be0100cafebabe00`],
  ["a body longer than the message", `${HEAD}11be0105cafebabe0200`],
  ["a body of 2^53-1 bytes", `${HEAD}11be0105cafebabeffffffffffffff0f`],
  ["a body length above 2^53-1", `${HEAD}11be0105cafebabeffffffffffffff7f`],
  ["a key cut short", `${HEAD}20be0105aabbcc`],
  ["one good record and a bad one", `${HEAD}03be010143be0101`],
];
for (const [what, hex] of MALFORMED) {
  test(`malformed message: ${what}`, () => {
    const reader = new MessageReader();
    assert.throws(() => reader.open(Buffer.from(hex, "hex")), FrameError);
    assert.equal(reader.next(), false, "nothing of it is seen");
    assert.equal(reader.count, 0);
  });
}

test("a message cut at any byte is refused, ends between two records, or shortens its last body", () => {
  const parts = [
    encodeRecord({ ...FIELDS, kind: RecordKind.Whole, streamKey: 77, length: 3 }, Buffer.from("abc")),
    encodeRecord({ ...FIELDS, back: 2 }, Buffer.alloc(200, "x")),
    encodeRecord({ ...FIELDS, kind: RecordKind.Gone }, Buffer.alloc(0)),
    encodeRecord({ ...FIELDS, kind: RecordKind.Repair, length: 70_000, deflated: true }, Buffer.from("body")),
  ];
  const whole = encodeMessage(1, 9, parts);
  const fine = new Set<number>();
  let at = 5;
  for (const [i, part] of parts.slice(0, -1).entries()) {
    at += part.head.length + part.body.length + (i === 0 ? 1 : i === 1 ? 2 : 0);
    fine.add(at);
  }
  for (let cut = at + parts[3]!.head.length; cut < whole.length; cut++) fine.add(cut);
  for (let cut = 0; cut < whole.length; cut++) {
    if (fine.has(cut)) assert.doesNotThrow(() => opened(whole.subarray(0, cut)), `cut at ${cut}`);
    else assert.throws(() => opened(whole.subarray(0, cut)), FrameError, `cut at ${cut}`);
  }
});

test("arbitrary bytes give records or a FrameError, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (tail, headed) => {
      const bytes = Buffer.from(tail);
      try {
        const reader = opened(headed ? Buffer.concat([Buffer.from(HEAD, "hex"), bytes]) : bytes);
        while (reader.next()) reader.body();
      } catch (error) {
        assert.ok(error instanceof FrameError, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});

test("any flipped bit is refused, changes an identity, or gives the same frame: never another one", () => {
  // A chain of frames as messages; each bit of the last one is flipped in turn.
  const text = tokens(40);
  const messages: Buffer[] = [];
  const frames = text.map((_, k) => ({
    channel: Buffer.from("socketio"),
    payload: outputFrame(text.slice(0, k + 1).join("")),
  }));
  codeAll(frames, (bytes) => messages.push(bytes));
  const reader = new MessageReader();
  const bases = new Map<string, Buffer>();
  for (const bytes of messages.slice(0, -1)) rebuild(reader, bytes, bases);
  const last = messages.at(-1)!;
  const wanted = frames.at(-1)!.payload;
  for (let bit = 0; bit < last.length * 8; bit++) {
    const damaged = Buffer.from(last);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    try {
      // rebuild() asserts the CRC; an unknown base is an assertion too. Both mean: not delivered.
      assert.deepEqual(rebuild(reader, damaged, new Map(bases)), wanted, `bit ${bit}`);
    } catch (error) {
      assert.ok(
        error instanceof FrameError || (error instanceof assert.AssertionError && !/bit/.test(error.message)),
        String(error),
      );
    }
  }
});
