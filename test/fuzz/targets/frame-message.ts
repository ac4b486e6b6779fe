/** Side messages: any bytes are read whole or refused whole, and what is read says the same when it is written again. */
import assert from "node:assert/strict";
import { encodeMessage, encodeRecord, MessageReader, type RecordFields } from "../../../src/frame/record.js";
import { guarded, refused } from "../input.js";
import { naiveHead } from "../naive.js";

const reader = new MessageReader();

interface Read {
  epoch: number;
  connection: number;
  records: { fields: RecordFields; body: Buffer }[];
}

function read(message: Buffer): Read | undefined {
  if (refused(guarded(() => reader.open(message)))) {
    assert.equal(reader.next(), false, "nothing of a refused message is handed out");
    return undefined;
  }
  const { epoch, connection, count } = reader;
  const records: Read["records"] = [];
  while (reader.next()) {
    const { kind, keep, cumulative, deflated, domain, instance, seq, back, streamKey } = reader;
    const { primerInstance, primerSeq, newest, length, crc, mark } = reader;
    assert.ok(reader.bodyStart <= reader.bodyEnd && reader.bodyEnd <= message.length, "a body lies in its message");
    const flags = { kind, keep, cumulative, deflated };
    const fields = {
      ...flags,
      domain,
      instance,
      seq,
      back,
      streamKey,
      primerInstance,
      primerSeq,
      newest,
      length,
      crc,
      mark,
    };
    records.push({ fields, body: Buffer.from(reader.body()) });
  }
  assert.equal(records.length, count);
  assert.ok(count > 0);
  reader.close();
  return { epoch, connection, records };
}

export function fuzz(data: Buffer): void {
  const first = read(data);
  if (first === undefined) return;
  const head = naiveHead(data);
  assert.ok(head?.type === 1 || head?.type === 0);
  assert.deepEqual([head.epoch, head.connection], [first.epoch, first.connection]);
  const wire = first.records.map(({ fields, body }) => encodeRecord(fields, body));
  const again = encodeMessage(first.epoch, first.connection, wire);
  assert.ok(again.length <= data.length, "our writing is the shortest");
  assert.deepEqual(read(again), first);
}
