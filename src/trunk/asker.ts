/**
 * Questions to senders: "I lack the base of this record". Those to one sender are gathered, one message per interval, so
 * that a resubscription to hundreds of streams does not become hundreds of messages.
 */
import type { Clock } from "../core/ports.js";
import { ControlKind, encodeControl, type Pair } from "../frame/control.js";
import { inboxOf } from "../plane/epoch.js";

interface Questions {
  connection: number;
  readonly nacks: Map<number, Pair>;
  sentAt: number;
}

export class Asker {
  readonly #epoch: number;
  readonly #intervalMs: number;
  readonly #clock: Clock;
  readonly #senders = new Map<number, Questions>();

  constructor(epoch: number, intervalMs: number, clock: Clock) {
    this.#epoch = epoch;
    this.#intervalMs = intervalMs;
    this.#clock = clock;
  }

  add(epoch: number, connection: number, instance: number, seq: number): void {
    let questions = this.#senders.get(epoch);
    if (questions === undefined) {
      questions = { connection, nacks: new Map(), sentAt: Number.NEGATIVE_INFINITY };
      this.#senders.set(epoch, questions);
    }
    questions.connection = connection;
    if (!questions.nacks.has(instance)) questions.nacks.set(instance, { instance, seq });
  }

  /**
   * Messages that may go out now, each with its inbox.
   * @param connection number of our own inbox, for answers that concern nobody else
   */
  due(connection: number): [inbox: Buffer, message: Buffer][] {
    if (this.#senders.size === 0) return [];
    const now = this.#clock.now();
    const messages: [Buffer, Buffer][] = [];
    for (const [epoch, questions] of this.#senders) {
      if (now - questions.sentAt < this.#intervalMs) continue;
      if (questions.nacks.size === 0) {
        this.#senders.delete(epoch);
        continue;
      }
      questions.sentAt = now;
      messages.push([
        inboxOf(epoch, questions.connection),
        encodeControl(ControlKind.Nack, this.#epoch, connection, [...questions.nacks.values()]),
      ]);
      questions.nacks.clear();
    }
    return messages;
  }
}
