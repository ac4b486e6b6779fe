/**
 * What sidecars say to each other beside frames: receivers ask a sender's inbox for bases that they lack, senders answer
 * on the side channel, once for all that asked.
 */
import { FrameError } from "../core/errors.js";
import type { Clock, Counter, Meter } from "../core/ports.js";
import { decodeNacks } from "../frame/nack.js";
import { encodeMessage, type WireRecord } from "../frame/record.js";
import type { Encoder } from "../plane/encode.js";
import { inboxOf } from "../plane/epoch.js";
import { Asker } from "./asker.js";
import type { OutboundChannel } from "./outbound.js";

export interface ControlOutput {
  /** Publishes to an inbox, beside the batches; nothing where the upstream is away. */
  send(inbox: Buffer, message: Buffer): void;
  /** `repairs` has something for the next batch. */
  repairsWait(): void;
}

export class Control {
  /** Bases that were asked for, to go out at the head of the next batch. */
  readonly repairs: { channel: OutboundChannel; record: WireRecord }[] = [];
  readonly #epoch: number;
  readonly #encoder: Encoder;
  readonly #hearing: { readonly connection: number };
  readonly #clock: Clock;
  readonly #out: ControlOutput;
  readonly #asker: Asker;
  readonly #answered: Counter;
  readonly #malformed: Counter;

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
    this.#answered = meter.counter("keyframe_repairs_total", { direction: "sent" });
    this.#malformed = meter.counter("keyframe_resyncs_total", { reason: "malformed" });
  }

  /** A message in our inbox: receivers lack bases. The same question within an interval is answered once. */
  inbox(message: Buffer): void {
    try {
      const { epoch, connection, nacks } = decodeNacks(message);
      for (const { instance, seq } of nacks) this.#answer(epoch, connection, instance, seq);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#malformed.inc();
    }
  }

  /** Asks a sender for the base of (instance, seq); questions to one sender are gathered. */
  ask(epoch: number, connection: number, instance: number, seq: number): void {
    this.#asker.add(epoch, connection, instance, seq);
    this.sendQuestions();
  }

  /** Sends the questions that are due. */
  sendQuestions(): void {
    for (const [inbox, message] of this.#asker.due(this.#hearing.connection)) this.#out.send(inbox, message);
  }

  #answer(epoch: number, connection: number, instance: number, seq: number): void {
    const repair = this.#encoder.repair(instance, seq, this.#clock.now());
    if (repair === undefined) return;
    this.#answered.inc();
    if (repair.channel !== null) {
      this.repairs.push({ channel: repair.channel as OutboundChannel, record: repair.record });
      this.#out.repairsWait();
      return;
    }
    const message = encodeMessage(this.#epoch, this.#hearing.connection, [repair.record]);
    this.#out.send(inboxOf(epoch, connection), message);
  }
}
