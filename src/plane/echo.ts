/**
 * Frames that this sidecar has sent and not yet heard back. What comes back from the server gives the order in which
 * local apps hear it; the payload itself is taken from here, so that nothing of our own is ever decoded.
 */

import type { DomainTag } from "./domain.js";

export interface Sent {
  /** The app's channel. */
  readonly channel: Buffer;
  readonly tag: DomainTag;
  readonly instance: number;
  readonly seq: number;
  /** CRC-32 of the payload. */
  readonly crc: number;
  /** Undefined once it has come back, or is known never to. */
  payload: Buffer | undefined;
  /** It has come back, or apps here got it otherwise: should the batch be sent again, its second coming is a repeat. */
  heard: boolean;
  /** The server has answered that it was published on the side channel. */
  published: boolean;
  /** The batches in which it was first and last sent. */
  readonly first: number;
  last: number;
}

export class EchoQueue {
  // A ring would save the cuts; they are rare.
  #sent: Sent[] = [];
  #head = 0;
  #bytes = 0;
  #frames = 0;
  #batch = 0;
  readonly #maxBytes: number;
  readonly #onLost: (frames: number) => void;

  /** @param maxBytes most payload bytes kept; beyond it the oldest are given up and reported to `onLost` */
  constructor(maxBytes: number, onLost: (frames: number) => void) {
    this.#maxBytes = maxBytes;
    this.#onLost = onLost;
  }

  get frames(): number {
    return this.#frames;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What is noted from now on leaves in one batch, behind all that was noted before. */
  nextBatch(): void {
    this.#batch++;
  }

  /** Notes a frame that is being sent. */
  add(channel: Buffer, tag: DomainTag, instance: number, seq: number, payload: Buffer, crc: number): Sent {
    const sent: Sent = {
      channel,
      tag,
      instance,
      seq,
      crc,
      payload,
      heard: false,
      published: false,
      first: this.#batch,
      last: this.#batch,
    };
    this.#sent.push(sent);
    this.#bytes += payload.length;
    this.#frames++;
    let lost = 0;
    for (let at = this.#head; this.#bytes > this.#maxBytes && this.#frames > 1; at++) {
      if (this.#clear(this.#sent[at]!)) lost++;
    }
    this.#trim();
    if (lost > 0) this.#onLost(lost);
    return sent;
  }

  /** Notes that a frame is being sent once more. */
  again(sent: Sent): void {
    sent.last = this.#batch;
  }

  /**
   * The payload of our own record that has just come back, or undefined where it has come back before, or where it is not
   * the one that was sent. What the server has published in a batch before any that held this one will not come any more.
   * Of all others that says nothing: a batch is grouped anew when it is sent again, so its frames come back in another
   * order; and an answer may be behind what it answers, because it takes another connection.
   */
  take(instance: number, seq: number, crc: number): Buffer | undefined {
    const at = this.#find(instance, seq);
    if (at < 0 || this.#sent[at]!.crc !== crc) return undefined;
    const sent = this.#sent[at]!;
    const payload = sent.payload;
    let lost = 0;
    for (let before = this.#head; before < at; before++) {
      const other = this.#sent[before]!;
      if (other.published && other.last < sent.first && this.#clear(other)) lost++;
    }
    sent.heard = true;
    this.#clear(sent);
    this.#trim();
    if (lost > 0) this.#onLost(lost);
    return payload;
  }

  /** This one will not come back: it was refused, or nobody here listens. */
  forget(sent: Sent): void {
    this.#clear(sent);
    this.#trim();
  }

  /**
   * Takes everything that the server has published and that has not come back, in the order of sending: the subscriber was
   * away, and what it missed will not come back. Should one of them come after all, it is a repeat. What is unanswered
   * stays: it may be refused yet, and then it comes back raw.
   */
  drain(deliver: (sent: Sent, payload: Buffer) => void): void {
    const published: Sent[] = [];
    for (let i = this.#head; i < this.#sent.length; i++) if (this.#sent[i]!.published) published.push(this.#sent[i]!);
    for (const sent of published) {
      const payload = sent.payload;
      if (payload === undefined) continue;
      this.forget(sent);
      sent.heard = true;
      deliver(sent, payload);
    }
  }

  #find(instance: number, seq: number): number {
    for (let i = this.#head; i < this.#sent.length; i++) {
      const sent = this.#sent[i]!;
      if (sent.instance === instance && sent.seq === seq && sent.payload !== undefined) return i;
    }
    return -1;
  }

  /** True where it was still waited for. */
  #clear(sent: Sent): boolean {
    if (sent.payload === undefined) return false;
    this.#bytes -= sent.payload.length;
    this.#frames--;
    sent.payload = undefined;
    return true;
  }

  /** Lets go of those at the front that are not waited for. */
  #trim(): void {
    while (this.#head < this.#sent.length && this.#sent[this.#head]!.payload === undefined) this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#sent.length) {
      this.#sent = this.#sent.slice(this.#head);
      this.#head = 0;
    }
  }
}
