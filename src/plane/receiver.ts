/**
 * What a receiver remembers of the senders it hears: their streams, the bases of these, and what it has seen of each.
 */
import { conflicts, type DomainTag } from "./domain.js";
import { type EvictionReason, type StreamEntry, type StreamLimits, StreamTable } from "./streams.js";

export interface Base {
  readonly seq: number;
  readonly payload: Buffer;
}

export class Sender {
  readonly epoch: number;
  /** The newest connection counter seen: names the inbox to ask for keyframes. */
  connection = 0;
  readonly streams = new Map<number, ReceiverStream>();
  /** Stream key hash -> its newest instance. */
  readonly instanceOf = new Map<number, number>();
  /** For each domain: the count of records when its last one came, and which instance that was of. */
  readonly #lastOf = new Float64Array(256);
  readonly #instanceOf = new Float64Array(256);
  #records = 0;
  #deafAs: number | undefined;
  damagedAt = Number.NEGATIVE_INFINITY;
  /** Something came after that many records of which nobody knows what it was. */
  #unknownAfter = -1;

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  /** A record has come, repairs apart. @returns how many have by now */
  heard(tag: DomainTag, instance: number): number {
    this.#instanceOf[tag] = instance;
    this.#lastOf[tag] = ++this.#records;
    return this.#records;
  }

  /** A raw frame has come, which may be anybody's, or a damaged record, which may have been of any domain. */
  heardUnknown(): void {
    this.#unknownAfter = this.#records;
  }

  /** Something that it sent was damaged and is lost, at this time, Clock milliseconds. */
  heardDamaged(now: number): void {
    this.damagedAt = now;
    this.heardUnknown();
  }

  /** Nothing is heard from now on, until hears(). */
  deaf(): void {
    this.#deafAs ??= this.#records;
  }

  hears(): void {
    this.#deafAs = undefined;
  }

  /** How many records had come when it was heard last: none of them is held against what has been missed since. */
  get deafAs(): number {
    return this.#deafAs ?? this.#records;
  }

  /** True where something may have come since `records` that must not be followed by an older frame of that stream. */
  heardSince(tag: DomainTag, instance: number, records: number): boolean {
    if (this.#unknownAfter >= records) return true;
    for (let other = 0; other < this.#lastOf.length; other++) {
      if (this.#lastOf[other]! > records && this.#instanceOf[other] !== instance && conflicts(other, tag)) return true;
    }
    return false;
  }
}

/** A pinned stream's receiver keeps the base in use and the two before it: deltas against those may still be held. */
const BASES = 3;

export class ReceiverStream implements StreamEntry {
  bytes = 0;
  usedAt: number;
  readonly bases: Base[] = [];
  /** Highest sequence rebuilt. Anything not above it is a repeat, and so is what is held already. */
  seq = 0;
  /** Highest sequence that has come, rebuilt or not: what lies between it and the next one has been missed. */
  arrived = 0;
  /** Frames of this stream in the hold. */
  held = 0;
  /**
   * A hold ended without a base: until one comes, or until then (Clock milliseconds), frames are counted and dropped at
   * once, so that a sender that does not answer cannot hold up its chats all the time. 0: not broken.
   */
  brokenUntil = 0;
  /** The newest frame that came meanwhile, and its sender's count of records then: its repair is the frame itself. */
  refused = 0;
  refusedAs = 0;
  /** A base of it is on its way in chunks: nothing that waits for it is given up before, Clock milliseconds. */
  underwayUntil = 0;
  /** Its records are chained: a newer base supersedes older frames. */
  chain = false;
  key = 0;
  askedAt = Number.NEGATIVE_INFINITY;
  /** Its sender's count of records when a frame of this stream was delivered last, or when it was asked after. */
  heardAs = 0;
  /** When a hello named it last, Clock milliseconds. */
  askedAfter = Number.NEGATIVE_INFINITY;

  constructor(
    readonly sender: Sender,
    readonly instance: number,
    now: number,
  ) {
    this.usedAt = now;
  }

  base(seq: number): Buffer | undefined {
    for (let i = this.bases.length - 1; i >= 0; i--) if (this.bases[i]!.seq === seq) return this.bases[i]!.payload;
    return undefined;
  }
}

export class ReceiverState {
  readonly #senders = new Map<number, Sender>();
  readonly #table: StreamTable<ReceiverStream, ReceiverStream>;

  constructor(limits: StreamLimits, onEvict: (reason: EvictionReason) => void) {
    this.#table = new StreamTable<ReceiverStream, ReceiverStream>(
      limits,
      (_key, stream, reason) => {
        this.#unlink(stream);
        onEvict(reason);
      },
      // What waits for its base must still be there when the base comes; the hold has bounds of its own.
      (stream) => stream.held > 0,
    );
  }

  get streams(): number {
    return this.#table.size;
  }

  get bytes(): number {
    return this.#table.bytes;
  }

  sender(epoch: number, connection: number): Sender {
    let sender = this.#senders.get(epoch);
    if (sender === undefined) {
      sender = new Sender(epoch);
      this.#senders.set(epoch, sender);
    }
    if (connection > sender.connection) sender.connection = connection;
    return sender;
  }

  known(epoch: number): Sender | undefined {
    return this.#senders.get(epoch);
  }

  senders(): IterableIterator<Sender> {
    return this.#senders.values();
  }

  create(sender: Sender, instance: number, now: number): ReceiverStream {
    const stream = new ReceiverStream(sender, instance, now);
    sender.streams.set(instance, stream);
    this.#table.add(stream, stream);
    return stream;
  }

  touch(stream: ReceiverStream, now: number): void {
    this.#table.touch(stream, stream, now);
  }

  /** Keeps a base. In a chain it replaces the one before it, otherwise the oldest beyond the few that are kept. */
  addBase(stream: ReceiverStream, seq: number, payload: Buffer): void {
    if (stream.chain) stream.bases.length = 0;
    stream.bases.push({ seq, payload });
    if (stream.bases.length > BASES) stream.bases.shift();
    this.#resize(stream);
  }

  /** A base whose frames fail their checksums is worth nothing. */
  dropBases(stream: ReceiverStream): void {
    stream.bases.length = 0;
    this.#resize(stream);
  }

  sweep(now: number): void {
    this.#table.sweep(now);
    // Senders are few and small; those that have gone are cleared away now and then.
    if (this.#senders.size > 4096) {
      for (const [epoch, sender] of this.#senders) {
        if (sender.streams.size === 0) this.#senders.delete(epoch);
        if (this.#senders.size <= 4096) break;
      }
    }
  }

  #resize(stream: ReceiverStream): void {
    let bytes = 0;
    for (const base of stream.bases) bytes += base.payload.length;
    this.#table.resize(stream, stream, bytes);
  }

  #unlink(stream: ReceiverStream): void {
    stream.sender.streams.delete(stream.instance);
    if (stream.sender.instanceOf.get(stream.key) === stream.instance) stream.sender.instanceOf.delete(stream.key);
  }
}
