/**
 * The receiving side of the frame plane: from side messages back to the payloads that an app published, byte for byte.
 *
 *   trunk ─▶ rebuild ─▶ broker ─▶ apps
 *
 * A frame is delivered only when its checksum holds. One that lacks its base is held, with what follows it in its order
 * domain, while a keyframe is asked for; it is never guessed. Whatever is not delivered in the end is counted by reason.
 */

import { FrameError } from "../core/errors.js";
import type { Clock } from "../core/ports.js";
import { crc32 } from "../frame/checksum.js";
import { MessageReader, RecordKind } from "../frame/record.js";
import { unpackWhole } from "../frame/whole.js";
import { type FrameName, nameFrame, newFrameName } from "../socketio/dialect.js";
import { buildFrame, NO_BASE } from "./build.js";
import { ANY_DOMAIN, type DomainTag } from "./domain.js";
import type { EchoQueue } from "./echo.js";
import { factsOf } from "./encode.js";
import { type Held, HoldQueue, readyFrame } from "./hold.js";
import type { DeliveredKind, RebuildLimits, RebuildSink, Route, UndeliveredReason } from "./rebuild-sink.js";
import { ReceiverState, type ReceiverStream, type Sender } from "./receiver.js";

/** After a hold that nobody answered, frames of its stream wait again only after this many times the longest hold. */
const BROKEN_HOLDS = 10;

export class Rebuilder {
  readonly #epoch: number;
  readonly #limits: RebuildLimits;
  readonly #clock: Clock;
  readonly #echo: EchoQueue;
  readonly #sink: RebuildSink;
  readonly #state: ReceiverState;
  readonly #hold = new HoldQueue<ReceiverStream>();
  readonly #reader = new MessageReader();
  readonly #name: FrameName = newFrameName();

  /** @param epoch our own, whose messages are answered from `echo` */
  constructor(epoch: number, limits: RebuildLimits, clock: Clock, echo: EchoQueue, sink: RebuildSink) {
    this.#epoch = epoch;
    this.#limits = limits;
    this.#clock = clock;
    this.#echo = echo;
    this.#sink = sink;
    this.#state = new ReceiverState(limits, (reason) => sink.evicted(reason));
  }

  get streams(): number {
    return this.#state.streams;
  }

  get streamBytes(): number {
    return this.#state.bytes;
  }

  get heldFrames(): number {
    return this.#hold.size;
  }

  get heldBytes(): number {
    return this.#hold.bytes;
  }

  /** A payload that came on the app's own channel, by the exact subscription or by that of a pattern. */
  raw(channel: Buffer, payload: Buffer, route: Route): void {
    if (this.#hold.size === 0) {
      this.#sink.deliver(channel, payload, "raw", route);
      return;
    }
    const tag = nameFrame(channel, payload, this.#name) ? factsOf(this.#name).tag : ANY_DOMAIN;
    this.#pass(channel, tag, Buffer.from(payload), undefined, 0, "raw", route);
  }

  /** A message that came on the side channel of `channel`. Never throws: what cannot be read is counted and dropped. */
  message(channel: Buffer, message: Buffer): void {
    const reader = this.#reader;
    try {
      reader.open(message);
      const own = reader.epoch === this.#epoch;
      const sender = own ? undefined : this.#state.sender(reader.epoch, reader.connection);
      while (reader.next()) {
        if (sender === undefined) this.#own(channel);
        else this.#record(channel, sender);
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#sink.resync("malformed");
    } finally {
      reader.close();
    }
  }

  /** Ends holds that lasted too long and asks again where an answer is overdue. Call it every 50 ms or so. */
  tick(): void {
    if (this.#hold.size === 0) return;
    const now = this.#clock.now();
    let oldest = this.#hold.oldestUnready();
    while (oldest !== undefined && oldest.deadline <= now) {
      this.#giveUp(oldest, "hold_timeout");
      oldest = this.#hold.oldestUnready();
    }
    for (const item of this.#hold.items()) if (item.payload === undefined) this.#ask(item.stream!, item.seq, now);
    this.#release();
  }

  sweep(): void {
    this.#state.sweep(this.#clock.now());
  }

  #own(channel: Buffer): void {
    const { kind, instance, seq, domain, crc } = this.#reader;
    if (kind !== RecordKind.Whole && kind !== RecordKind.Delta) return;
    const payload = this.#echo.take(instance, seq, crc);
    const how = kind === RecordKind.Delta ? "delta" : "keyframe";
    if (payload !== undefined) this.#pass(channel, domain, payload, undefined, 0, how);
    // Our own frames come back once, or again after a batch had to be repeated; what we never made is not ours.
    else if (this.#sink.made(instance, seq)) this.#sink.repeat();
    else this.#sink.impostor();
  }

  #record(channel: Buffer, sender: Sender): void {
    const { kind, instance, seq } = this.#reader;
    const now = this.#clock.now();
    let stream = sender.streams.get(instance);
    if (kind === RecordKind.Gone) {
      if (stream !== undefined && stream.held > 0) this.#gone(stream);
      return;
    }
    if (kind === RecordKind.Repair) {
      if (stream !== undefined) this.#repair(stream);
      return;
    }
    if (stream !== undefined && (seq <= stream.seq || (stream.held > 0 && this.#hold.holds(stream, seq)))) {
      this.#sink.repeat();
      return;
    }
    const known = stream !== undefined;
    stream ??= this.#state.create(sender, instance, now);
    this.#state.touch(stream, now);
    this.#frame(channel, stream, known, now);
  }

  /** A new frame of a stream: delivered where what it is coded against is here, else held. */
  #frame(channel: Buffer, stream: ReceiverStream, known: boolean, now: number): void {
    const reader = this.#reader;
    const { seq, deflated, domain, crc } = reader;
    const whole = reader.kind === RecordKind.Whole;
    const keep = whole || reader.keep;
    const wholeLength = whole ? reader.length : -1;
    const baseInstance = whole ? reader.primerInstance : stream.instance;
    const baseSeq = whole ? reader.primerSeq : seq - reader.back;
    const body = reader.body();
    const missed = known ? seq - stream.seq - 1 : 0;
    const repaired = stream.base(seq);
    // A repair may come before the frame that it repeats.
    const early = repaired !== undefined && crc32(repaired) === crc ? repaired : undefined;
    const base = baseInstance === 0 ? NO_BASE : stream.sender.streams.get(baseInstance)?.base(baseSeq);
    if (base !== undefined || early !== undefined) {
      const most = this.#limits.maxPayloadBytes;
      const payload = early ?? buildFrame(base!, body, deflated, wholeLength, crc, most);
      if (payload === undefined) {
        this.#sink.resync("checksum");
        // Nothing that it says of itself can be trusted, its place in the order neither. Or it is the base that is wrong.
        if (!whole) this.#state.dropBases(stream);
        this.#sink.undelivered("damaged", 1);
        this.#ask(stream, stream.seq, now);
        return;
      }
      stream.seq = seq;
      stream.chain = reader.cumulative;
      if (missed > 0 && !stream.chain) this.#sink.undelivered("gap", missed);
      if (keep && early === undefined) this.#state.addBase(stream, seq, payload);
      if (whole) {
        stream.brokenUntil = 0;
        this.#rename(stream);
        if (stream.chain) this.#drop(stream, "superseded", seq);
      }
      this.#pass(channel, domain, payload, stream, seq, whole ? "keyframe" : "delta");
      if (whole && this.#hold.size > 0) this.#release();
      return;
    }
    this.#sink.resync(!known ? "unknown_instance" : missed > 0 ? "gap" : "missing_base");
    this.#ask(stream, seq, now);
    if (now < stream.brokenUntil) {
      this.#sink.undelivered("hold_timeout", 1);
      return;
    }
    this.#wait({
      tag: domain,
      channel: Buffer.from(channel),
      kind: whole ? "keyframe" : "delta",
      route: "all",
      payload: undefined,
      stream,
      seq,
      baseInstance,
      baseSeq,
      wholeLength,
      keep,
      deflated,
      crc,
      body: Buffer.from(body),
      deadline: now + this.#limits.holdMs,
    });
  }

  #wait(item: Held<ReceiverStream>): void {
    if (item.stream !== undefined) item.stream.held++;
    this.#hold.add(item);
    this.#bound();
  }

  /** Gives up the oldest frames without a base until the rest fits: all that waits, waits behind such frames. */
  #bound(): void {
    while (this.#hold.bytes > this.#limits.holdBytes) {
      const oldest = this.#hold.oldestUnready();
      if (oldest === undefined) break;
      this.#giveUp(oldest, "hold_full");
    }
  }

  /** The base that a waiting stream asked for. Others, which have what they need, pass it by unopened. */
  #repair(stream: ReceiverStream): void {
    const { seq, length, crc, deflated } = this.#reader;
    if (stream.held === 0 && stream.brokenUntil === 0) return;
    // A late one must not take the place of something newer.
    if (stream.base(seq) !== undefined || (stream.chain && seq < stream.seq)) return;
    const payload = unpackWhole(this.#reader.body(), deflated, length, this.#limits.maxPayloadBytes);
    if (crc32(payload) !== crc) {
      this.#sink.resync("checksum");
      return;
    }
    this.#sink.repaired();
    stream.brokenUntil = 0;
    stream.chain = this.#reader.cumulative;
    this.#state.addBase(stream, seq, payload);
    // It takes the place of its own frame, if that one waits; a chain's older ones it stands for, and they are passed over.
    // Never in another place: what was published between them may have been delivered.
    // One whose checksum is another's is damaged, and waits where it should not.
    const own = this.#hold.waiting(stream, seq, crc);
    if (stream.chain) this.#drop(stream, "superseded", seq, own);
    if (own !== undefined) {
      this.#hold.fill(own, payload);
      stream.seq = Math.max(stream.seq, seq);
    }
    this.#release();
    this.#bound();
  }

  /** Delivers a payload, or lets it wait behind a held frame of its domain. */
  #pass(
    channel: Buffer,
    tag: DomainTag,
    payload: Buffer,
    stream: ReceiverStream | undefined,
    seq: number,
    kind: DeliveredKind,
    route: Route = "all",
  ): void {
    if (!this.#hold.conflicts(tag)) {
      this.#sink.deliver(channel, payload, kind, route);
      return;
    }
    this.#wait(readyFrame({ tag, channel: Buffer.from(channel), kind, route, payload, stream, seq }));
  }

  #release(): void {
    this.#hold.release(
      (item) => this.#rebuildHeld(item),
      (item, payload) => {
        if (item.stream !== undefined) item.stream.held--;
        this.#sink.deliver(item.channel, payload, item.kind, item.route);
      },
    );
  }

  /** The frame, if it can be built by now; null: its record is damaged, and no other base will help. */
  #rebuildHeld(item: Held<ReceiverStream>): Buffer | undefined | null {
    const stream = item.stream!;
    const base = item.baseInstance === 0 ? NO_BASE : stream.sender.streams.get(item.baseInstance)?.base(item.baseSeq);
    if (base === undefined) return undefined;
    const { body, deflated, wholeLength, crc } = item;
    const payload = buildFrame(base, body!, deflated, wholeLength, crc, this.#limits.maxPayloadBytes);
    if (payload === undefined) {
      this.#sink.resync("checksum");
      stream.held--;
      this.#sink.undelivered("damaged", 1);
      return null;
    }
    stream.seq = Math.max(stream.seq, item.seq);
    if (item.keep) this.#state.addBase(stream, item.seq, payload);
    return payload;
  }

  #ask(stream: ReceiverStream, seq: number, now: number): void {
    if (now - stream.askedAt < this.#limits.askMs) return;
    stream.askedAt = now;
    this.#sink.ask(stream.sender.epoch, stream.sender.connection, stream.instance, seq);
  }

  /**
   * A keyed whole begins a stream anew: nothing more will be coded against its last instance. What is kept of that one is
   * the word that its frames have been seen: a batch that is sent again may hold them still.
   */
  #rename(stream: ReceiverStream): void {
    const { streamKey: key, instance } = this.#reader;
    const sender = stream.sender;
    const last = sender.instanceOf.get(key);
    stream.key = key;
    sender.instanceOf.set(key, instance);
    if (last === undefined || last === instance) return;
    const old = sender.streams.get(last);
    if (old !== undefined && old.held === 0) this.#state.dropBases(old);
  }

  #gone(stream: ReceiverStream): void {
    this.#drop(stream, "gone", Number.MAX_SAFE_INTEGER);
    this.#state.delete(stream);
    this.#release();
  }

  /** Frames of the stream up to `upTo` that wait for their base, `kept` apart, will not be delivered. */
  #drop(stream: ReceiverStream, reason: UndeliveredReason, upTo: number, kept?: Held<ReceiverStream>): void {
    if (stream.held === 0) return;
    const dropped = this.#hold.remove(
      (item) => item !== kept && item.stream === stream && item.payload === undefined && item.seq <= upTo,
    );
    stream.held -= dropped;
    if (dropped > 0) this.#sink.undelivered(reason, dropped);
  }

  #giveUp(item: Held<ReceiverStream>, reason: UndeliveredReason): void {
    this.#hold.remove((other) => other === item);
    item.stream!.held--;
    item.stream!.brokenUntil = this.#clock.now() + this.#limits.holdMs * BROKEN_HOLDS;
    this.#sink.undelivered(reason, 1);
    this.#release();
  }
}
