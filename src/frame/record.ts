/**
 * Records and the side messages that carry them: how frames travel between sidecars. spec.md is the authority.
 *
 * Sending, the encoder's output follows encodeMessageHeader()'s in one message of the trunk. Receiving,
 * MessageReader checks a whole message before it hands out its first record, so that a damaged message has no effect
 * at all. Reading allocates nothing per record; body() makes one view.
 */
import { FrameError } from "../core/errors.js";
import { ByteReader, putVarint, varintSize } from "./bytes.js";
import { crc32 } from "./checksum.js";
import { headSize, type MessageHead, MessageType, putHead, readHead } from "./message.js";

/** What a record is. Bits 0-1 of its flags. */
export const RecordKind = {
  /** A frame of its own. */
  Whole: 0,
  /** A frame as hunks against an earlier one of the same instance. */
  Delta: 1,
  /** A frame sent again, whole: a base that somebody lacks, or the newest frame for those who were deaf. */
  Repair: 2,
  /** The instance that a NACK named is unknown to its sender: nothing more will come of it. Ends after seq. */
  Gone: 3,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

const KIND_MASK = 0x03;
const KEEP = 0x04;
const DEFLATED = 0x08;
/** On deltas: the base is the record before. On whole frames: deflated with a primer. On repairs: the newest frame. */
const CHAIN = 0x10;
const PRIMED = 0x10;
const NEWEST = 0x10;
const KEYED = 0x20;
const CUMULATIVE = 0x40;
/** The message ends with this record's body: its length need not be said. */
const LAST = 0x80;

/** Which flags a kind may carry, LAST apart. Anything else is not of this protocol version. */
const ALLOWED: readonly number[] = [
  KEEP | DEFLATED | PRIMED | KEYED | CUMULATIVE,
  KEEP | DEFLATED | CHAIN | CUMULATIVE,
  KEEP | DEFLATED | NEWEST | KEYED | CUMULATIVE,
  0,
];

/** A record without its body. The sender may fill one object again for each record. */
export interface RecordFields {
  kind: RecordKind;
  /** The result becomes a base of this instance. */
  keep: boolean;
  /** The frame holds all that earlier frames of its instance held: those that still wait may be passed over. */
  cumulative: boolean;
  /** The body is raw deflate with the static dictionary (whole.ts). */
  deflated: boolean;
  /** Order domain, 8 bits. */
  domain: number;
  /** The stream's incarnation at its sender: a counter that is never used again within an epoch. */
  instance: number;
  /** Position in the instance. */
  seq: number;
  /** Delta: seq minus the base's seq, >= 1. Ignored for other kinds. */
  back: number;
  /** Whole and repair: the 32-bit hash of the stream's key, or -1 for none. Ignored for other kinds. */
  streamKey: number;
  /** Whole: the instance whose base primed the deflater, 0 for none; and that base's sequence. */
  primerInstance: number;
  primerSeq: number;
  /** Repair: it is the instance's newest frame, and nothing that it could overtake has been sent since. */
  newest: boolean;
  /** Whole and repair: length of the result, bytes. A delta's follows from its hunks. */
  length: number;
  /** CRC-32 of the result. */
  crc: number;
  /** Of the room that the frame is for, 24 bits (plane/mark.ts); 0: it may concern everybody. */
  mark: number;
}

/** A record as it is kept until it is sent, perhaps more than once: its head as far as the CRC, and its body. */
export interface WireRecord {
  readonly head: Buffer;
  readonly body: Buffer;
  readonly mark: number;
}

const NO_BYTES = Buffer.alloc(0);
/** What a record's mark takes in a message of marked frames. */
const MARK_BYTES = 3;

/**
 * One record. `fields` is only read; `body` is not copied and must not change until the record is sent for the last
 * time. The values must be in range: nothing is checked here, because the sender made them.
 */
export function encodeRecord(fields: RecordFields, body: Buffer): WireRecord {
  const { kind, instance, seq, mark } = fields;
  const gone = kind === RecordKind.Gone;
  const delta = kind === RecordKind.Delta;
  const chain = delta && fields.back === 1;
  const keyed = !delta && !gone && fields.streamKey >= 0;
  const primed = kind === RecordKind.Whole && fields.primerInstance > 0;

  let size = 2 + varintSize(instance) + varintSize(seq);
  if (!gone) {
    size += 4;
    if (!delta) size += varintSize(fields.length);
    else if (!chain) size += varintSize(fields.back);
    if (keyed) size += 4;
    if (primed) size += varintSize(fields.primerInstance) + varintSize(fields.primerSeq);
  }
  const head = Buffer.allocUnsafe(size);
  let flags: number = kind;
  if (!gone) {
    if (fields.keep) flags |= KEEP;
    if (fields.deflated) flags |= DEFLATED;
    if (fields.cumulative) flags |= CUMULATIVE;
    if (chain) flags |= CHAIN;
    if (keyed) flags |= KEYED;
    if (primed) flags |= PRIMED;
    if (kind === RecordKind.Repair && fields.newest) flags |= NEWEST;
  }
  head[0] = flags;
  head[1] = fields.domain;
  let at = putVarint(head, 2, instance);
  at = putVarint(head, at, seq);
  if (gone) return { head, body: NO_BYTES, mark };
  if (keyed) at = head.writeUInt32BE(fields.streamKey, at);
  if (primed) at = putVarint(head, putVarint(head, at, fields.primerInstance), fields.primerSeq);
  if (delta && !chain) at = putVarint(head, at, fields.back);
  if (!delta) at = putVarint(head, at, fields.length);
  head.writeUInt32BE((fields.crc ^ headCheck(head, 0, at, flags)) >>> 0, at);
  return { head, body, mark };
}

/**
 * What is mixed into a record's checksum, so that it tells damage of the head as well: a frame under a wrong sequence would
 * make its stream deaf. The flag that says where the record stands is left out, because that may change.
 */
function headCheck(bytes: Buffer, start: number, end: number, flags: number): number {
  return crc32(bytes.subarray(start + 1, end)) ^ (flags & ~LAST);
}

function isGone(record: WireRecord): boolean {
  return (record.head[0]! & KIND_MASK) === RecordKind.Gone;
}

/** Bytes that a record adds to a message, at most. */
export function recordSize({ head, body }: WireRecord): number {
  return MARK_BYTES + head.length + varintSize(body.length) + body.length;
}

/** A side message of these records, at least one. The last one's body runs to the message's end, so its length is not written. */
export function encodeMessage(epoch: number, connection: number, records: readonly WireRecord[]): Buffer {
  const last = records.length - 1;
  const marked = records.some(({ mark }) => mark !== 0);
  let size = headSize(connection) + (marked ? MARK_BYTES * records.length : 0);
  records.forEach((record, i) => {
    size += record.head.length + record.body.length;
    if (i < last && !isGone(record)) size += varintSize(record.body.length);
  });
  const out = Buffer.allocUnsafe(size);
  let at = putHead(out, marked ? MessageType.Marked : MessageType.Frames, epoch, connection);
  const mix = crc32(out.subarray(0, at));
  records.forEach((record, i) => {
    if (marked) at = out.writeUIntBE(record.mark, at, MARK_BYTES);
    const start = at;
    at += record.head.copy(out, at);
    if (isGone(record)) return;
    // Whose the record is counts as much as what it is.
    out.writeUInt32BE((out.readUInt32BE(at - 4) ^ mix ^ record.mark) >>> 0, at - 4);
    if (i < last) at = putVarint(out, at, record.body.length);
    else out[start] = out[start]! | LAST;
    at += record.body.copy(out, at);
  });
  return out;
}

/** Reads side messages, one after another. Its public fields are those of the record that next() has just moved to. */
export class MessageReader implements MessageHead {
  /** Of the message. */
  type = 0;
  epoch = 0;
  connection = 0;
  /** How many records the message has. */
  count = 0;

  /** Of the record; RecordFields says what they mean. `back` is 1 for a chained delta and 0 for other kinds. */
  kind: RecordKind = RecordKind.Whole;
  keep = false;
  cumulative = false;
  deflated = false;
  domain = 0;
  instance = 0;
  seq = 0;
  back = 0;
  streamKey = -1;
  primerInstance = 0;
  primerSeq = 0;
  newest = false;
  length = 0;
  crc = 0;
  mark = 0;
  bodyStart = 0;
  bodyEnd = 0;

  #reader = new ByteReader(Buffer.alloc(0));
  /** Where the part of the record's head lies that its checksum covers, the mark apart. */
  #start = 0;
  #checked = 0;
  /** The checksum of the message's head, which is mixed into those of its records. */
  #mix = 0;

  /**
   * Takes a message and checks all of it. Throws FrameError where any part is malformed; next() then answers false, and
   * nothing of the message has been seen. Keeps `message` until the next open() or close().
   */
  open(message: Buffer): void {
    const reader = this.#reader;
    reader.buf = message;
    reader.at = 0;
    reader.end = message.length;
    this.count = 0;
    try {
      readHead(reader, this);
      if (this.type !== MessageType.Frames && this.type !== MessageType.Marked)
        throw new FrameError("not a message of frames");
      const first = reader.at;
      this.#mix = crc32(message.subarray(0, first));
      let count = 0;
      while (reader.at < reader.end) {
        this.#read();
        count++;
      }
      if (count === 0) throw new FrameError("a message without records");
      this.count = count;
      reader.at = first;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Lets go of the message. */
  close(): void {
    this.#reader.buf = Buffer.alloc(0);
    this.#reader.at = 0;
    this.#reader.end = 0;
    this.count = 0;
  }

  /** Moves to the next record; false: there is none. */
  next(): boolean {
    const reader = this.#reader;
    if (reader.at >= reader.end) return false;
    this.#read();
    // Only here: open() reads every record once before, to see that it is well formed.
    if (this.kind !== RecordKind.Gone) {
      const check = headCheck(reader.buf, this.#start, this.#checked, reader.buf[this.#start]!);
      this.crc = (this.crc ^ this.#mix ^ this.mark ^ check) >>> 0;
    }
    return true;
  }

  /** The record's body: a view of the message, to be used before the message's memory is. */
  body(): Buffer {
    return this.#reader.buf.subarray(this.bodyStart, this.bodyEnd);
  }

  #read(): void {
    const reader = this.#reader;
    this.mark = this.type === MessageType.Marked ? reader.u24() : 0;
    this.#start = reader.at;
    const flags = reader.u8();
    const kind = (flags & KIND_MASK) as RecordKind;
    const last = (flags & LAST) !== 0;
    const allowed = kind === RecordKind.Gone ? 0 : ALLOWED[kind]! | LAST;
    if ((flags & ~KIND_MASK & ~allowed) !== 0) throw new FrameError("a record with flags that its kind has not");
    this.kind = kind;
    this.keep = (flags & KEEP) !== 0;
    this.cumulative = (flags & CUMULATIVE) !== 0;
    this.deflated = (flags & DEFLATED) !== 0;
    this.domain = reader.u8();
    this.instance = reader.varint();
    const seq = reader.varint();
    this.seq = seq;
    this.back = 0;
    this.streamKey = -1;
    this.primerInstance = 0;
    this.primerSeq = 0;
    this.newest = false;
    this.length = 0;
    this.crc = 0;
    this.bodyStart = reader.at;
    this.bodyEnd = reader.at;
    if (kind === RecordKind.Gone) return;

    if (kind === RecordKind.Delta) {
      const back = (flags & CHAIN) !== 0 ? 1 : reader.varint();
      if (back < 1 || back > seq) throw new FrameError("a delta against a base that cannot exist");
      this.back = back;
    } else {
      if ((flags & KEYED) !== 0) this.streamKey = reader.u32();
      if (kind === RecordKind.Repair) this.newest = (flags & NEWEST) !== 0;
      else if ((flags & PRIMED) !== 0) {
        this.primerInstance = reader.varint();
        this.primerSeq = reader.varint();
        if (this.primerInstance === 0 || !this.deflated) throw new FrameError("a frame primed by nothing");
      }
      this.length = reader.varint();
    }
    this.#checked = reader.at;
    this.crc = reader.u32();
    const bodyLength = last ? reader.end - reader.at : reader.varint();
    this.bodyStart = reader.skip(bodyLength);
    this.bodyEnd = reader.at;
  }
}
