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
import type { Pair } from "../frame/control.js";
import { MessageReader, RecordKind } from "../frame/record.js";
import { unpackWhole } from "../frame/whole.js";
import { type FrameName, nameFrame, newFrameName } from "../socketio/dialect.js";
import { buildFrame, NO_BASE } from "./build.js";
import { ANY_DOMAIN, type DomainTag } from "./domain.js";
import type { RebuildLimits, RebuildSink, Route } from "./rebuild-sink.js";
import { ReceiverState, type ReceiverStream, type Sender } from "./receiver.js";
import { factsOf } from "./sender.js";
import { Waiting } from "./waiting.js";

/** Streams heard of within this time are asked after, once this pod hears again. */
const HELLO_MS = 15_000;

/** What one sender is told by a receiver that was deaf: the instances it knows, and how far. */
export interface HelloTo {
  readonly epoch: number;
  readonly pairs: Pair[];
}

export class Rebuilder {
  readonly #epoch: number;
  readonly #limits: RebuildLimits;
  readonly #clock: Clock;
  readonly #sink: RebuildSink;
  readonly #state: ReceiverState;
  readonly #waiting: Waiting;
  readonly #reader = new MessageReader();
  readonly #name: FrameName = newFrameName();
  /** Repairs of the message being read have come, and what waits for them has not been looked at yet. */
  #unsettled = false;

  /** @param epoch our own: what comes back under it has been heard here already */
  constructor(epoch: number, limits: RebuildLimits, clock: Clock, sink: RebuildSink) {
    this.#epoch = epoch;
    this.#limits = limits;
    this.#clock = clock;
    this.#sink = sink;
    this.#state = new ReceiverState(limits, (reason) => sink.evicted(reason));
    this.#waiting = new Waiting(limits, clock, sink, this.#state);
  }

  get streams(): number {
    return this.#state.streams;
  }

  get streamBytes(): number {
    return this.#state.bytes;
  }

  get heldFrames(): number {
    return this.#waiting.size;
  }

  get heldBytes(): number {
    return this.#waiting.bytes;
  }

  /** A payload that came on the app's own channel, by the exact subscription or by that of a pattern. */
  raw(channel: Buffer, payload: Buffer, route: Route): void {
    for (const sender of this.#state.senders()) sender.heardUnknown();
    if (this.#waiting.size === 0) {
      this.#sink.deliver(channel, payload, "raw", route);
      return;
    }
    const tag = nameFrame(channel, payload, this.#name) ? factsOf(this.#name).tag : ANY_DOMAIN;
    this.#waiting.pass(channel, tag, Buffer.from(payload), undefined, 0, "raw", route);
  }

  /** A frame that an app of this pod has published: it takes its place among those that come from the server. */
  own(channel: Buffer, tag: DomainTag, payload: Buffer): void {
    this.#waiting.pass(channel, tag, payload, undefined, 0, "local");
  }

  /** A message that came on the side channel of `channel`. Never throws: what cannot be read is counted and dropped. */
  message(channel: Buffer, message: Buffer): void {
    const reader = this.#reader;
    try {
      reader.open(message);
      const own = reader.epoch === this.#epoch;
      const sender = own ? undefined : this.#state.sender(reader.epoch, reader.connection);
      while (reader.next()) {
        if (sender === undefined) this.#own();
        else if (reader.mark === 0 || this.#sink.needs(reader.mark)) this.#record(channel, sender);
        else this.#sink.skipped();
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#sink.resync("malformed");
      // Whoever has sent it.
      for (const sender of this.#state.senders()) sender.heardDamaged(this.#clock.now());
    } finally {
      reader.close();
      this.#settle();
    }
  }

  /** Ends holds that lasted too long and asks again where an answer is overdue. Call it every 50 ms or so. */
  tick(): void {
    this.#waiting.tick();
  }

  /** From now on nothing is heard. What is missed came before everything that is heard again, and before no more than that. */
  deaf(): void {
    for (const sender of this.#state.senders()) sender.deaf();
  }

  /**
   * What to say to each sender after this pod has been deaf: a lost last frame shows no gap. Senders answer with the newest
   * frame of streams that have gone on.
   */
  hello(): HelloTo[] {
    const now = this.#clock.now();
    const since = now - HELLO_MS;
    const hellos: HelloTo[] = [];
    for (const sender of this.#state.senders()) {
      const pairs: Pair[] = [];
      for (const stream of sender.streams.values()) {
        if (stream.usedAt <= since) continue;
        // Where something was damaged, what is missed may be older than the deafness.
        if (sender.damagedAt <= since) stream.heardAs = Math.max(stream.heardAs, sender.deafAs);
        stream.askedAfter = now;
        pairs.push({ instance: stream.instance, seq: stream.seq });
      }
      if (pairs.length > 0) hellos.push({ epoch: sender.epoch, pairs });
      sender.hears();
    }
    return hellos;
  }

  /** True where a frame that is sent again would be of use: something waits for it, or has been asked after. */
  waitsFor(epoch: number, instance: number): boolean {
    const stream = this.#state.known(epoch)?.streams.get(instance);
    if (stream === undefined) return false;
    const asked = stream.askedAfter > this.#clock.now() - HELLO_MS;
    return stream.held > 0 || stream.brokenUntil !== 0 || asked;
  }

  /** Part of a base that the stream waits for has come: what it holds is not given up yet. */
  underway(epoch: number, instance: number): void {
    const stream = this.#state.known(epoch)?.streams.get(instance);
    if (stream !== undefined) stream.underwayUntil = this.#clock.now() + this.#limits.holdMs;
  }

  sweep(): void {
    this.#state.sweep(this.#clock.now());
  }

  /** Apps here have heard our own frames when they were published. What we never made is not ours. */
  #own(): void {
    const { kind, instance, seq } = this.#reader;
    if (kind !== RecordKind.Whole && kind !== RecordKind.Delta) return;
    if (!this.#sink.made(instance, seq)) this.#sink.impostor();
  }

  #record(channel: Buffer, sender: Sender): void {
    const { kind, instance, seq, domain } = this.#reader;
    const now = this.#clock.now();
    let stream = sender.streams.get(instance);
    if (kind === RecordKind.Gone) {
      if (stream !== undefined && stream.held > 0) this.#gone(stream);
      return;
    }
    if (kind === RecordKind.Repair) {
      if (stream !== undefined) this.#repair(channel, stream);
      return;
    }
    this.#settle();
    // A repeat says nothing of the order: it was sent before.
    if (stream !== undefined && (seq <= stream.seq || this.#waiting.holds(stream, seq))) {
      this.#sink.repeat();
      return;
    }
    const heardAs = sender.heard(domain, instance);
    const known = stream !== undefined;
    stream ??= this.#state.create(sender, instance, now);
    this.#state.touch(stream, now);
    this.#frame(channel, stream, known, now);
    if (stream.seq === seq) stream.heardAs = heardAs;
    if (stream.refused === seq) stream.refusedAs = heardAs;
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
    const missed = known ? seq - stream.arrived - 1 : 0;
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
        stream.sender.heardDamaged(now);
        this.#sink.undelivered("damaged", 1);
        this.#waiting.ask(stream, stream.seq, now);
        return;
      }
      stream.seq = seq;
      stream.chain = reader.cumulative;
      this.#arrived(stream, seq, missed);
      if (keep && early === undefined) this.#state.addBase(stream, seq, payload);
      if (whole) {
        stream.brokenUntil = 0;
        this.#rename(stream);
        if (stream.chain) this.#waiting.drop(stream, "superseded", seq);
      }
      this.#waiting.pass(channel, domain, payload, stream, seq, whole ? "keyframe" : "delta");
      if (whole && this.#waiting.size > 0) this.#waiting.settle();
      return;
    }
    this.#sink.resync(!known ? "unknown_instance" : missed > 0 ? "gap" : "missing_base");
    this.#arrived(stream, seq, missed);
    this.#waiting.ask(stream, seq, now);
    if (now < stream.brokenUntil) {
      // Counted now: its base may never come, and then nobody would. If it is the last of its message, it may yet be heard.
      this.#sink.undelivered("hold_timeout", 1);
      stream.refused = seq;
      return;
    }
    this.#waiting.add({
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

  /** A record has come, and `missed` before it have not: nobody will deliver those any more. */
  #arrived(stream: ReceiverStream, seq: number, missed: number): void {
    stream.arrived = Math.max(stream.arrived, seq);
    if (missed > 0) this.#sink.undelivered(this.#reader.cumulative ? "superseded" : "gap", missed);
  }

  /**
   * A frame that its sender has sent again: the base that a waiting stream asked for, or the newest frame for those that
   * were deaf. Others, which have what they need, pass it by unopened.
   */
  #repair(channel: Buffer, stream: ReceiverStream): void {
    const { seq, length, crc, deflated, keep, newest, domain } = this.#reader;
    const now = this.#clock.now();
    // What has been missed while this pod was deaf came before everything that it has heard since.
    // What has come once, and was given up, did not.
    const missed = newest && stream.seq > 0 && seq > stream.arrived && stream.askedAfter > now - HELLO_MS;
    if (!missed && stream.held === 0 && stream.brokenUntil === 0) return;
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
    if (keep) this.#state.addBase(stream, seq, payload);
    const waited = this.#waiting.fill(stream, seq, crc, payload);
    const refused = stream.refused === seq;
    if ((missed || refused) && !waited && seq > stream.seq) {
      const since = refused ? stream.refusedAs : stream.heardAs;
      const late = stream.sender.heardSince(domain, stream.instance, since);
      const passedOver = seq - stream.arrived - (late ? 0 : 1);
      if (passedOver > 0) this.#sink.undelivered(stream.chain ? "superseded" : "gap", passedOver);
      stream.seq = seq;
      stream.arrived = Math.max(stream.arrived, seq);
      if (!late) this.#waiting.pass(channel, domain, payload, stream, seq, "keyframe");
    }
    this.#unsettled = true;
  }

  /** A message is all repairs after a resubscription: what waits is looked through once for all of them. */
  #settle(): void {
    if (!this.#unsettled) return;
    this.#unsettled = false;
    this.#waiting.settle();
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
    this.#waiting.drop(stream, "gone", Number.MAX_SAFE_INTEGER);
    // Its highest sequence stays: a batch that is sent again may hold what has been delivered.
    this.#state.dropBases(stream);
    this.#unsettled = true;
  }
}
