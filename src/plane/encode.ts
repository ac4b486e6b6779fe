/**
 * The sending side of the frame plane: turns a frame into a record against what its stream last sent.
 *
 *   PUBLISH ─▶ classify ─▶ [queue] ─▶ encode ─▶ gather ─▶ trunk
 *
 * State belongs to the stream, never to a connection: apps publish consecutive frames of one message over different
 * connections of their pools. Cumulative streams chain, each frame against the one before it. All others are coded
 * against a pinned base, so that a receiver that joins late needs one base, and then has every frame from its join on.
 */
import { RecordKind, recordSize, type WireRecord } from "../frame/record.js";
import { diff } from "../frame/splice.js";
import { ASYNC_BYTES, packHunks, packPrimed, packWhole, type Whole } from "../frame/whole.js";
import type { DomainTag } from "./domain.js";
import { type Primer, Records } from "./records.js";
import { type ChannelStreams, type FrameFacts, RepairPace, type SenderStream } from "./sender.js";
import { type EvictionReason, type StreamLimits, StreamTable } from "./streams.js";

export type EncodedKind = "keyframe" | "delta";

/** One frame, ready for a side message. */
export interface Encoded {
  readonly record: WireRecord;
  /** What it adds to a message, at most. */
  readonly bytes: number;
  readonly kind: EncodedKind;
  readonly instance: number;
  readonly seq: number;
  /** CRC-32 of the frame. */
  readonly crc: number;
}

/** A frame that is sent again. */
export interface SentAgain {
  readonly channel: ChannelStreams;
  readonly tag: DomainTag;
  readonly record: WireRecord;
}

/** A pinned base is replaced once a delta against it has this many bytes and is this many times the leanest. */
const REPIN_BYTES = 64;
const REPIN_FACTOR = 2;
/** A delta with a longer body is compared with the whole frame, primed by the stream's base. */
const PRIMING_BYTES = 256;
/** What naming a primer costs, about. */
const PRIMER_BYTES = 4;

/** The key of frames that have no stream: each begins it anew. */
const NO_STREAM = Number.MAX_SAFE_INTEGER;

/** A stream that was used within this time is active: what a deaf receiver has missed of it is sent again. */
const NEWEST_MS = 15_000;

/** Deflating more than this at once would hold up every other frame: such a frame goes as it is, once, as a base. */
function pack(payload: Buffer): Whole {
  return payload.length < ASYNC_BYTES ? packWhole(payload) : { body: payload, deflated: false };
}

export class Encoder {
  readonly #streams: StreamTable<number, SenderStream>;
  readonly #byInstance = new Map<number, SenderStream>();
  readonly #records = new Records();
  #instances = 0;
  #frames = 0;

  constructor(limits: StreamLimits, onEvict: (reason: EvictionReason) => void) {
    this.#streams = new StreamTable(limits, (_key, stream, reason) => {
      this.#byInstance.delete(stream.instance);
      onEvict(reason);
    });
  }

  get streams(): number {
    return this.#streams.size;
  }

  get bytes(): number {
    return this.#streams.bytes;
  }

  /** False: this encoder never made such a record. True where it did, or has forgotten the instance. */
  made(instance: number, seq: number): boolean {
    const stream = this.#byInstance.get(instance);
    return instance <= this.#instances && (stream === undefined || seq <= stream.seq);
  }

  /**
   * Encodes one frame of a stream. The payload becomes the encoder's: it must be memory of its own and must not be
   * written again. A frame without a stream goes whole, and nothing is coded against it.
   */
  encode(channel: ChannelStreams, payload: Buffer, facts: FrameFacts, now: number): Encoded {
    const key = facts.stream === 0 ? NO_STREAM : facts.stream;
    let stream = this.#streams.get(key);
    if (
      stream !== undefined &&
      (key === NO_STREAM || stream.generation !== channel.generation || stream.chain !== facts.cumulative)
    ) {
      this.#forget(stream);
      stream = undefined;
    }
    // A stream's first frame needs nothing that came before: who joins then hears it even if its sender cannot be asked.
    if (stream === undefined)
      return this.#keyframe(this.#begin(key, channel, payload, facts, now), payload, facts.tag, undefined);
    this.#streams.touch(stream.key, stream, now);
    const primer = { instance: stream.instance, seq: stream.baseSeq, base: stream.base };
    const hunks = diff(stream.base, payload, Math.max(64, payload.length >> 1));
    if (hunks === null) return this.#keyframe(stream, payload, facts.tag, primer);
    return this.#delta(stream, payload, hunks, facts.tag, primer);
  }

  /** When to answer who lacks the base of (instance, seq), Clock milliseconds; undefined: has just been sent. */
  repairDue(instance: number, seq: number, now: number): number | undefined {
    const stream = this.#byInstance.get(instance);
    return stream?.chain && stream.repairs.underway(seq, now) ? undefined : (stream?.repairs.due(now) ?? now);
  }

  /**
   * What to answer receivers that lack the base of the record (instance, seq): a repair for the stream's side channel, or
   * undefined where the instance is gone (see gone()).
   */
  repair(instance: number, seq: number, now: number): SentAgain | undefined {
    const stream = this.#byInstance.get(instance);
    if (stream === undefined) return undefined;
    const wantsPrevious = !stream.chain && stream.previous !== undefined && seq <= stream.baseSeq;
    const base = wantsPrevious ? stream.previous! : stream.base;
    const baseSeq = wantsPrevious ? stream.previousSeq : stream.baseSeq;
    stream.repairs.sent(baseSeq, now);
    return { channel: stream.channel, tag: stream.tag, record: this.#again(stream, baseSeq, base, false) };
  }

  /** What sending something of the instance again takes, at most, bytes. */
  repairBytes(instance: number): number {
    const stream = this.#byInstance.get(instance);
    if (stream === undefined) return 0;
    return Math.max(stream.base.length, stream.newest.length, stream.previous?.length ?? 0);
  }

  /** True while something of the instance can still be sent again. */
  knows(instance: number): boolean {
    return this.#byInstance.has(instance);
  }

  /** True where the records `lowest` and `highest` of an instance are coded against different bases. */
  needsAnother(instance: number, lowest: number, highest: number): boolean {
    const stream = this.#byInstance.get(instance);
    if (stream === undefined || stream.chain || stream.previous === undefined) return false;
    return lowest <= stream.baseSeq && highest > stream.baseSeq;
  }

  /** The word to one asker that nothing more will come of an instance. */
  gone(instance: number, seq: number): WireRecord {
    return this.#records.gone(instance, seq);
  }

  /**
   * The newest frame of an instance, for receivers that were deaf and have rebuilt it up to `seq` only. Undefined where they
   * have missed nothing, or where it is no longer known.
   */
  newest(instance: number, seq: number, now: number): (SentAgain & { chain: boolean }) | undefined {
    const stream = this.#byInstance.get(instance);
    if (stream === undefined || stream.seq <= seq || now - stream.usedAt > NEWEST_MS) return undefined;
    // In a chain that is the base as well: whoever lacks it need not be answered again at once.
    if (stream.chain) stream.repairs.sent(stream.seq, now);
    const { channel, tag, chain } = stream;
    return { channel, tag, chain, record: this.#again(stream, stream.seq, stream.newest, true) };
  }

  /** Which of all frames the newest of an instance was: what is sent again must keep that order. */
  sentAs(instance: number): number {
    return this.#byInstance.get(instance)?.sentAs ?? 0;
  }

  sweep(now: number): void {
    this.#streams.sweep(now);
  }

  #begin(key: number, channel: ChannelStreams, payload: Buffer, facts: FrameFacts, now: number): SenderStream {
    const stream: SenderStream = {
      key,
      channel,
      instance: ++this.#instances,
      generation: channel.generation,
      chain: facts.cumulative,
      tag: facts.tag,
      mark: facts.mark,
      seq: 0,
      base: payload,
      baseSeq: 0,
      previous: undefined,
      previousSeq: 0,
      leanest: Number.MAX_SAFE_INTEGER,
      newest: payload,
      sentAs: 0,
      repairs: new RepairPace(),
      bytes: 0,
      usedAt: now,
    };
    this.#streams.add(stream.key, stream);
    this.#byInstance.set(stream.instance, stream);
    return stream;
  }

  #keyframe(stream: SenderStream, payload: Buffer, tag: DomainTag, primer: Primer | undefined): Encoded {
    const whole = pack(payload);
    let primed: Buffer | undefined;
    if (primer !== undefined && payload.length < ASYNC_BYTES) {
      primed = packPrimed(payload, primer.base, whole.body.length - PRIMER_BYTES);
    }
    const { body, deflated } = primed === undefined ? whole : { body: primed, deflated: true };
    return this.#sendWhole(stream, payload, tag, body, deflated, primed === undefined ? undefined : primer);
  }

  #sendWhole(
    stream: SenderStream,
    payload: Buffer,
    tag: DomainTag,
    body: Buffer,
    deflated: boolean,
    primer: Primer | undefined,
  ): Encoded {
    this.#advance(stream, payload);
    this.#setBase(stream, payload);
    const record = this.#records.whole(RecordKind.Whole, stream, stream.seq, payload, tag, { body, deflated }, primer);
    return this.#encoded(record, "keyframe", stream);
  }

  /** One of a stream's frames once more, as a repair; with the word that it is the newest, it may be delivered. */
  #again(stream: SenderStream, seq: number, payload: Buffer, newest: boolean): WireRecord {
    const keep = stream.chain || !newest || seq === stream.baseSeq;
    return this.#records.whole(
      RecordKind.Repair,
      stream,
      seq,
      payload,
      stream.tag,
      pack(payload),
      undefined,
      keep,
      newest,
    );
  }

  #delta(stream: SenderStream, payload: Buffer, hunks: Buffer, tag: DomainTag, primer: Primer | undefined): Encoded {
    const { body, deflated } = packHunks(hunks);
    if (body.length > PRIMING_BYTES && primer !== undefined && payload.length < ASYNC_BYTES) {
      const primed = packPrimed(payload, primer.base, body.length - PRIMER_BYTES);
      if (primed !== undefined) return this.#sendWhole(stream, payload, tag, primed, true, primer);
    }
    this.#advance(stream, payload);
    const repin = !stream.chain && hunks.length > REPIN_BYTES && hunks.length > stream.leanest * REPIN_FACTOR;
    if (hunks.length < stream.leanest) stream.leanest = hunks.length;
    const keep = repin || stream.chain;
    const record = this.#records.delta(stream, payload, tag, { body, deflated }, keep);
    if (keep) this.#setBase(stream, payload);
    else this.#weigh(stream);
    return this.#encoded(record, "delta", stream);
  }

  /** The record that was just made. */
  #encoded(record: WireRecord, kind: EncodedKind, stream: SenderStream): Encoded {
    const { instance, seq } = stream;
    return { record, bytes: recordSize(record), kind, instance, seq, crc: this.#records.crc };
  }

  #advance(stream: SenderStream, payload: Buffer): void {
    stream.seq++;
    stream.newest = payload;
    stream.sentAs = ++this.#frames;
  }

  #setBase(stream: SenderStream, payload: Buffer): void {
    if (!stream.chain && stream.baseSeq > 0) {
      stream.previous = stream.base;
      stream.previousSeq = stream.baseSeq;
      stream.leanest = Number.MAX_SAFE_INTEGER;
    }
    stream.base = payload;
    stream.baseSeq = stream.seq;
    this.#weigh(stream);
  }

  #weigh(stream: SenderStream): void {
    const newest = stream.newest === stream.base ? 0 : stream.newest.length;
    const bytes = stream.base.length + (stream.previous?.length ?? 0) + newest;
    this.#streams.resize(stream.key, stream, bytes);
  }

  #forget(stream: SenderStream): void {
    this.#streams.delete(stream.key);
    this.#byInstance.delete(stream.instance);
  }
}
