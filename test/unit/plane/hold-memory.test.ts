/** The hold's byte limit counts what held frames become once their base has come, not only what they were on the wire. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../../../src/frame/checksum.js";
import { encodeMessage, encodeRecord, RecordKind } from "../../../src/frame/record.js";
import { diff } from "../../../src/frame/splice.js";
import { ManualClock, TestReceiver } from "./support.js";

const channel = Buffer.from("socketio");
const DOMAIN = 0x11;
const HOLD_BYTES = 64 * 1024;

function message(instance: number, seq: number, base: Buffer | undefined, payload: Buffer): Buffer {
  const record = encodeRecord(
    {
      kind: base === undefined ? RecordKind.Whole : RecordKind.Delta,
      keep: base === undefined,
      cumulative: false,
      deflated: false,
      domain: DOMAIN,
      instance,
      seq,
      back: base === undefined ? 1 : seq - 1,
      streamKey: -1,
      primerInstance: 0,
      primerSeq: 0,
      newest: false,
      length: payload.length,
      crc: crc32(payload),
      mark: 0,
    },
    base === undefined ? payload : diff(base, payload, 1 << 20)!,
  );
  return encodeMessage(0xabc, 1, [record]);
}

/** A frame of another stream blocks the domain; then many small deltas wait for a large base, which comes last. */
function blocked(receiver: TestReceiver, deltas: number): Buffer {
  const base = Buffer.alloc(10_000, 0x61);
  receiver.rebuilder.message(channel, message(1, 2, Buffer.from("never sent"), Buffer.from("never sent either")));
  for (let i = 0; i < deltas; i++) {
    const payload = Buffer.concat([base, Buffer.from(String(i))]);
    receiver.rebuilder.message(channel, message(2, 2 + i, base, payload));
  }
  assert.equal(receiver.rebuilder.heldFrames, deltas + 1);
  return base;
}

test("frames that are rebuilt while they wait do not take the hold over its limit", () => {
  const clock = new ManualClock();
  const receiver = new TestReceiver(clock, 0xfeed, { holdBytes: HOLD_BYTES });
  const base = blocked(receiver, 200);
  receiver.rebuilder.message(channel, message(2, 1, undefined, base));
  assert.ok(receiver.rebuilder.heldBytes <= HOLD_BYTES, `${receiver.rebuilder.heldBytes} bytes are held`);
});

test("and what blocked them is given up, not they: they leave in the order in which they came", () => {
  const clock = new ManualClock();
  const receiver = new TestReceiver(clock, 0xfeed, { holdBytes: HOLD_BYTES });
  const base = blocked(receiver, 200);
  receiver.rebuilder.message(channel, message(2, 1, undefined, base));
  assert.deepEqual(Object.fromEntries(receiver.undelivered), { hold_full: 1 });
  const expected = [...Array.from({ length: 200 }, (_, i) => Buffer.concat([base, Buffer.from(String(i))])), base];
  assert.deepEqual(
    receiver.delivered.map(({ payload }) => payload.toString()),
    expected.map((payload) => payload.toString()),
  );
});
