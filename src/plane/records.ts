/**
 * Makes the records of a sender's streams: fills in their heads, which say whose they are and what they stand on.
 */
import { crc32 } from "../frame/checksum.js";
import { encodeRecord, type RecordFields, RecordKind, type WireRecord } from "../frame/record.js";
import type { Whole } from "../frame/whole.js";
import type { DomainTag } from "./domain.js";
import type { SenderStream } from "./sender.js";

/** A base that receivers hold, for another frame's deflater to copy from. */
export interface Primer {
  readonly instance: number;
  readonly seq: number;
  readonly base: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

export class Records {
  // Filled again for each record, never kept.
  readonly #fields: RecordFields = {
    kind: RecordKind.Whole,
    keep: false,
    cumulative: false,
    deflated: false,
    domain: 0,
    instance: 0,
    seq: 0,
    back: 1,
    streamKey: -1,
    primerInstance: 0,
    primerSeq: 0,
    newest: false,
    length: 0,
    crc: 0,
    mark: 0,
  };

  /** CRC-32 of the frame in the record that was made last. */
  get crc(): number {
    return this.#fields.crc;
  }

  /** @param seq of the frame, which is not always the stream's newest */
  whole(
    kind: RecordKind,
    stream: SenderStream,
    seq: number,
    payload: Buffer,
    tag: DomainTag,
    { body, deflated }: Whole,
    primer: Primer | undefined,
    keep = true,
    newest = false,
  ): WireRecord {
    const fields = this.#describe(kind, stream, seq, payload, tag, keep, deflated);
    fields.streamKey = stream.key % 0x1_0000_0000;
    fields.primerInstance = primer?.instance ?? 0;
    fields.primerSeq = primer?.seq ?? 0;
    fields.newest = newest;
    fields.length = payload.length;
    return encodeRecord(fields, body);
  }

  /** The stream's newest frame, as hunks against its base. */
  delta(stream: SenderStream, payload: Buffer, tag: DomainTag, { body, deflated }: Whole, keep: boolean): WireRecord {
    const fields = this.#describe(RecordKind.Delta, stream, stream.seq, payload, tag, keep, deflated);
    fields.back = stream.seq - stream.baseSeq;
    return encodeRecord(fields, body);
  }

  gone(instance: number, seq: number): WireRecord {
    const fields = this.#fields;
    fields.kind = RecordKind.Gone;
    fields.mark = 0;
    fields.domain = 0;
    fields.instance = instance;
    fields.seq = seq;
    return encodeRecord(fields, NO_BYTES);
  }

  #describe(
    kind: RecordKind,
    stream: SenderStream,
    seq: number,
    payload: Buffer,
    tag: DomainTag,
    keep: boolean,
    deflated: boolean,
  ): RecordFields {
    const fields = this.#fields;
    fields.kind = kind;
    fields.keep = keep;
    fields.cumulative = stream.chain;
    fields.deflated = deflated;
    fields.domain = tag;
    fields.instance = stream.instance;
    fields.seq = seq;
    fields.crc = crc32(payload);
    fields.mark = stream.mark;
    return fields;
  }
}
