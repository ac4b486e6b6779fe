/**
 * What sidecars say to each other beside frames. Receivers ask a sender's inbox for bases that they lack, or for what
 * they have missed while they were deaf; senders answer on the side channel, once for all that asked.
 */
import { FrameError } from "../core/errors.js";
import type { Clock, Counter, Meter } from "../core/ports.js";
import { ControlKind, decodeControl, encodeControl } from "../frame/control.js";
import { encodeMessage, recordSize, type WireRecord } from "../frame/record.js";
import type { DomainTag } from "../plane/domain.js";
import type { Encoder } from "../plane/encode.js";
import { inboxOf } from "../plane/epoch.js";
import { Asker } from "./asker.js";
import { type Hello, Hellos } from "./hellos.js";
import { channelOf, type OutboundChannel } from "./outbound.js";

export interface ControlOutput {
  /** Publishes to an inbox, beside the batches; `heard` gets the count of those who heard it. Nothing while the upstream is away. */
  send(inbox: Buffer, message: Buffer, heard?: (count: number) => void): void;
  /** Something waits for a batch: see nextDue(). */
  wake(): void;
  /** A frame of the instance is in the queue to be sent again, and needs no other resending. */
  queued(instance: number): boolean;
  canary(number: number): void;
  /** The raw frame of ours with that number comes next. */
  ownRaw(number: number): void;
  /** Somebody has read a message of a transfer. */
  credit(transfer: number, index: number): void;
  /** True where a repair of that many bytes cannot go out now: one at a time travels in chunks. */
  defers(bytes: number): boolean;
}

/** A base, or a newest frame, to go out at the head of a batch. */
export interface Repair {
  readonly channel: OutboundChannel;
  readonly record: WireRecord;
  /** What must not overtake it; undefined: nothing is held up for a base that is only asked for. */
  readonly tag: DomainTag | undefined;
}

interface Question {
  readonly dueAt: number;
  /** Lowest and highest sequence that was asked for: they may need different bases. */
  lowest: number;
  highest: number;
}

/** Hellos are gathered for this long, and one round of answers serves all of them. */
const HELLO_GATHER_MS = 100;
/** From one round of answers to the next. */
const HELLO_ROUND_MS = 1_000;

export class Control {
  readonly #epoch: number;
  readonly #encoder: Encoder;
  readonly #hearing: { readonly connection: number };
  readonly #clock: Clock;
  readonly #out: ControlOutput;
  readonly #asker: Asker;
  readonly #hellos: Hellos;
  readonly #answered: Counter;
  readonly #malformed: Counter;
  /** By instance: bases that receivers lack. */
  readonly #questions = new Map<number, Question>();
  /** By instance: how far those have heard it who were deaf. */
  readonly #deaf = new Map<number, number>();
  #roundAt = Number.NEGATIVE_INFINITY;

  constructor(
    epoch: number,
    askMs: number,
    encoder: Encoder,
    hearing: { readonly connection: number },
    clock: Clock,
    meter: Meter,
    out: ControlOutput,
  ) {
    this.#epoch = epoch;
    this.#encoder = encoder;
    this.#hearing = hearing;
    this.#clock = clock;
    this.#out = out;
    this.#asker = new Asker(epoch, askMs, clock);
    this.#hellos = new Hellos(epoch, clock);
    this.#answered = meter.counter("keyframe_repairs_total", { direction: "sent" });
    this.#malformed = meter.counter("keyframe_resyncs_total", { reason: "malformed" });
  }

  /** A message in our inbox. Never throws: what cannot be read is counted and dropped. */
  inbox(message: Buffer): void {
    try {
      const { kind, epoch, connection, pairs } = decodeControl(message);
      if (kind === ControlKind.Canary || kind === ControlKind.OwnRaw) {
        if (epoch !== this.#epoch || pairs.length !== 1) return;
        if (kind === ControlKind.Canary) this.#out.canary(pairs[0]!.instance);
        else this.#out.ownRaw(pairs[0]!.instance);
        return;
      }
      if (kind === ControlKind.Credit) {
        if (pairs.length === 1) this.#out.credit(pairs[0]!.instance, pairs[0]!.seq);
        return;
      }
      if (kind === ControlKind.Nack)
        for (const { instance, seq } of pairs) this.#lacks(epoch, connection, instance, seq);
      else for (const { instance, seq } of pairs) this.#wasDeaf(instance, seq);
      this.#out.wake();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#malformed.inc();
    }
  }

  /** Asks a sender for the base of (instance, seq); questions to one sender are gathered. */
  ask(epoch: number, connection: number, instance: number, seq: number): void {
    this.#asker.add(epoch, connection, instance, seq);
    this.sendDue();
  }

  /** Tells a sender that this pod has read a message of its transfer. */
  credit(epoch: number, connection: number, transfer: number, index: number): void {
    const pair = [{ instance: transfer, seq: index }];
    const message = encodeControl(ControlKind.Credit, this.#epoch, this.#hearing.connection, pair);
    this.#out.send(inboxOf(epoch, connection), message);
  }

  /** Asks senders what this pod has missed; asked again until somebody has heard it. */
  hello(hellos: readonly Hello[]): void {
    this.#hellos.add(hellos);
    this.sendDue();
  }

  /** Sends the questions that are due. Call it often while the upstream is there. */
  sendDue(): void {
    const { connection } = this.#hearing;
    for (const [inbox, message] of this.#asker.due(connection)) this.#out.send(inbox, message);
    this.#hellos.sendDue(connection, (inbox, message, heard) => this.#out.send(inbox, message, heard));
  }

  /** When the next repair may go out, Clock milliseconds; undefined: none waits. */
  nextDue(): number | undefined {
    let due: number | undefined = this.#deaf.size > 0 && !this.#roundWaits() ? this.#roundAt : undefined;
    for (const [instance, { dueAt }] of this.#questions) {
      if ((due === undefined || dueAt < due) && !this.#defers(instance)) due = dueAt;
    }
    return due;
  }

  /**
   * The repairs that are due, for the head of the batch that is being made: they repeat what was sent before it. At
   * least one, if any is due; the others as far as `frames` and `bytes` allow.
   */
  takeDue(frames: number, bytes: number): Repair[] {
    const now = this.#clock.now();
    const repairs: Repair[] = [];
    let size = 0;
    const fits = () => repairs.length === 0 || (repairs.length < frames && size < bytes);
    const take = (repair: ReturnType<Encoder["repair"]>, newest: boolean) => {
      if (repair === undefined) return;
      const { channel, record, tag } = repair;
      repairs.push({ channel: channelOf(channel), record, tag: newest ? tag : undefined });
      size += recordSize(repair.record);
      this.#answered.inc();
    };
    if (this.#roundAt <= now) {
      for (const instance of this.#inOrder()) {
        if (!fits() || this.#defers(instance)) break;
        const seq = this.#deaf.get(instance)!;
        this.#deaf.delete(instance);
        if (this.#out.queued(instance)) continue;
        const newest = this.#encoder.newest(instance, seq, now);
        take(newest, true);
        // The newest frame of a chain is also the base that anybody lacks.
        if (newest?.chain) this.#questions.delete(instance);
      }
    }
    for (const [instance, { dueAt, lowest, highest }] of this.#questions) {
      if (!fits()) break;
      if (dueAt > now || this.#defers(instance)) continue;
      this.#questions.delete(instance);
      take(this.#encoder.repair(instance, lowest, now), false);
      if (!this.#encoder.needsAnother(instance, lowest, highest)) continue;
      if (fits()) take(this.#encoder.repair(instance, highest, now), false);
      else this.#questions.set(instance, { dueAt, lowest: highest, highest });
    }
    return repairs;
  }

  /** In the order in which their newest frames were sent; made anew for each batch, because frames go on being sent. */
  #inOrder(): number[] {
    return [...this.#deaf.keys()].sort((a, b) => this.#encoder.sentAs(a) - this.#encoder.sentAs(b));
  }

  #defers(instance: number): boolean {
    return this.#out.defers(this.#encoder.repairBytes(instance));
  }

  /** The round begins with one that has to wait; nothing is sorted while nothing does. */
  #roundWaits(): boolean {
    return this.#out.defers(Number.POSITIVE_INFINITY) && this.#defers(this.#inOrder()[0]!);
  }

  #lacks(epoch: number, connection: number, instance: number, seq: number): void {
    if (!this.#encoder.knows(instance)) {
      const message = encodeMessage(this.#epoch, this.#hearing.connection, [this.#encoder.gone(instance, seq)]);
      this.#answered.inc();
      this.#out.send(inboxOf(epoch, connection), message);
      return;
    }
    const now = this.#clock.now();
    // Unless its connection has broken meanwhile: then it has said hello, and what was under way is lost.
    const due = this.#encoder.repairDue(instance, seq, now) ?? (this.#deaf.has(instance) ? now : undefined);
    if (due === undefined) return;
    const question = this.#questions.get(instance);
    if (question === undefined) {
      // Who asks has often said hello just before: where its answer is near, one repair serves both.
      const dueAt = this.#deaf.has(instance) ? Math.max(due, Math.min(this.#roundAt, now + HELLO_GATHER_MS)) : due;
      this.#questions.set(instance, { dueAt, lowest: seq, highest: seq });
      return;
    }
    question.lowest = Math.min(question.lowest, seq);
    question.highest = Math.max(question.highest, seq);
  }

  #wasDeaf(instance: number, seq: number): void {
    if (!this.#encoder.knows(instance)) return;
    if (this.#deaf.size === 0) {
      this.#roundAt = Math.max(this.#clock.now() + HELLO_GATHER_MS, this.#roundAt + HELLO_ROUND_MS);
    }
    this.#deaf.set(instance, Math.min(seq, this.#deaf.get(instance) ?? seq));
  }
}
