/**
 * What the rebuilder cannot deliver yet: frames that lack their base, what follows these in its order domain, when to ask
 * for a base, and when to give up. Whatever is given up is counted by reason.
 */
import type { Clock } from "../core/ports.js";
import { buildFrame, NO_BASE } from "./build.js";
import type { DomainTag } from "./domain.js";
import { type Held, HoldQueue, readyFrame } from "./hold.js";
import type { DeliveredKind, RebuildLimits, RebuildSink, Route, UndeliveredReason } from "./rebuild-sink.js";
import type { ReceiverState, ReceiverStream } from "./receiver.js";

/** After a hold that nobody answered, frames of its stream wait again only after this many times the longest hold. */
const BROKEN_HOLDS = 10;

export class Waiting {
  readonly #limits: RebuildLimits;
  readonly #clock: Clock;
  readonly #sink: RebuildSink;
  readonly #state: ReceiverState;
  readonly #hold = new HoldQueue<ReceiverStream>();

  constructor(limits: RebuildLimits, clock: Clock, sink: RebuildSink, state: ReceiverState) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sink = sink;
    this.#state = state;
  }

  get size(): number {
    return this.#hold.size;
  }

  get bytes(): number {
    return this.#hold.bytes;
  }

  holds(stream: ReceiverStream, seq: number): boolean {
    return stream.held > 0 && this.#hold.holds(stream, seq);
  }

  /** Ends holds that lasted too long and asks again where an answer is overdue. */
  tick(): void {
    if (this.#hold.size === 0) return;
    const now = this.#clock.now();
    let oldest = this.#hold.oldestUnready();
    while (oldest !== undefined && Math.max(oldest.deadline, oldest.stream!.underwayUntil) <= now) {
      this.#giveUp(oldest, "hold_timeout");
      oldest = this.#hold.oldestUnready();
    }
    for (const item of this.#hold.items()) if (item.payload === undefined) this.ask(item.stream!, item.seq, now);
    this.settle();
  }

  /** Asks the sender for the base of the stream's record `seq`, unless that has just been done. */
  ask(stream: ReceiverStream, seq: number, now: number): void {
    if (now - stream.askedAt < this.#limits.askMs) return;
    stream.askedAt = now;
    this.#sink.ask(stream.sender.epoch, stream.sender.connection, stream.instance, seq);
  }

  add(item: Held<ReceiverStream>): void {
    if (item.stream !== undefined) item.stream.held++;
    this.#hold.add(item);
    this.#bound();
  }

  /** Delivers a payload, or lets it wait behind a held frame of its domain. */
  pass(
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
    this.add(readyFrame({ tag, channel: Buffer.from(channel), kind, route, payload, stream, seq }));
  }

  /**
   * The stream has the base `seq` now, whose payload is also the frame of that sequence and checksum: that one, if it waits,
   * takes it in its own place. Never in another: what was published between them may have been delivered. In a chain
   * older frames that wait are passed over. One whose checksum is another's is damaged, and waits where it should not.
   * @returns true where that frame was waiting
   */
  fill(stream: ReceiverStream, seq: number, crc: number, payload: Buffer): boolean {
    const own = this.#hold.waiting(stream, seq, crc);
    if (stream.chain) this.drop(stream, "superseded", seq, own);
    if (own === undefined) return false;
    this.#hold.fill(own, payload);
    stream.seq = Math.max(stream.seq, seq);
    return true;
  }

  /** Lets go of what can go, and bounds the rest. */
  settle(): void {
    this.#release();
    this.#bound();
  }

  /** Frames of the stream up to `upTo` that wait for their base, `kept` apart, will not be delivered. */
  drop(stream: ReceiverStream, reason: UndeliveredReason, upTo: number, kept?: Held<ReceiverStream>): void {
    if (stream.held === 0) return;
    const dropped = this.#hold.remove(
      (item) => item !== kept && item.stream === stream && item.payload === undefined && item.seq <= upTo,
    );
    stream.held -= dropped;
    if (dropped > 0) this.#sink.undelivered(reason, dropped);
  }

  /** Lets go of what no longer waits. */
  #release(): void {
    this.#hold.release(
      this.#limits.holdBytes,
      (item) => this.#rebuild(item),
      (item, payload) => {
        if (item.stream !== undefined) item.stream.held--;
        this.#sink.deliver(item.channel, payload, item.kind, item.route);
      },
    );
  }

  /** Gives up the oldest frames without a base until the rest fits: all that waits, waits behind such frames. */
  #bound(): void {
    while (this.#hold.bytes > this.#limits.holdBytes) {
      const oldest = this.#hold.oldestUnready();
      if (oldest === undefined) break;
      this.#giveUp(oldest, "hold_full");
    }
  }

  /** The frame, if it can be built by now; null: its record is damaged, and no other base will help. */
  #rebuild(item: Held<ReceiverStream>): Buffer | undefined | null {
    const stream = item.stream!;
    const base = item.baseInstance === 0 ? NO_BASE : stream.sender.streams.get(item.baseInstance)?.base(item.baseSeq);
    if (base === undefined) return undefined;
    const { body, deflated, wholeLength, crc } = item;
    const payload = buildFrame(base, body!, deflated, wholeLength, crc, this.#limits.maxPayloadBytes);
    if (payload === undefined) {
      this.#sink.resync("checksum");
      stream.held--;
      stream.sender.heardDamaged(this.#clock.now());
      this.#sink.undelivered("damaged", 1);
      return null;
    }
    stream.seq = Math.max(stream.seq, item.seq);
    if (item.keep) this.#state.addBase(stream, item.seq, payload);
    return payload;
  }

  #giveUp(item: Held<ReceiverStream>, reason: UndeliveredReason): void {
    this.#hold.remove((other) => other === item);
    item.stream!.held--;
    item.stream!.brokenUntil = this.#clock.now() + this.#limits.holdMs * BROKEN_HOLDS;
    this.#sink.undelivered(reason, 1);
    this.#release();
  }
}
