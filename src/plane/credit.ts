/**
 * How far a sender of a large frame may be ahead of those who read it. The server buffers for each subscriber what that one
 * has not read, and the sender's own clock says nothing of the slowest: only their word does.
 *
 * Each message of a transfer is confirmed by everybody who reads it, and PUBLISH's answer says how many that are. A
 * connection hears messages in order, so once as many have confirmed one message as it was delivered to, nothing of it or of
 * those before it is buffered for anybody: whoever heard one of these and not this one is gone.
 */

interface Sent {
  readonly index: number;
  readonly bytes: number;
  at: number;
  /** To how many it was delivered; -1 while the server has not said. */
  delivered: number;
  confirmed: number;
}

/** Messages that are remembered after they were passed over, to see whether the silent are back. */
const PASSED = 64;

export class CreditWindow {
  readonly #sent: Sent[] = [];
  /** Passed although somebody was silent. */
  readonly #passed: Sent[] = [];
  #bytes = 0;

  /** @param silent how many are not waited for: they are subscribed, and have confirmed nothing for too long */
  constructor(public silent = 0) {}

  /** Bytes that may be buffered for somebody. */
  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#sent.length === 0;
  }

  /** Notes a message that is being published. Call it in order. */
  sent(index: number, bytes: number, now: number): void {
    this.#sent.push({ index, bytes, at: now, delivered: -1, confirmed: 0 });
    this.#bytes += bytes;
  }

  /** The server has answered its PUBLISH. */
  answered(index: number, delivered: number): void {
    const sent = this.#find(index);
    if (sent === undefined) return;
    sent.delivered = delivered;
    this.#settle(sent);
  }

  /** Somebody has read it. */
  confirmed(index: number): void {
    const sent = this.#find(index);
    if (sent !== undefined) {
      sent.confirmed++;
      this.#settle(sent);
      return;
    }
    const passed = this.#passed.find((one) => one.index === index);
    if (passed !== undefined && ++passed.confirmed >= passed.delivered) this.silent = 0;
  }

  /** When the oldest message that somebody has not confirmed was sent, Clock milliseconds; infinite where there is none. */
  get waitingSince(): number {
    return this.#sent[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** When the newest one was sent; minus infinity where none is waited for. */
  get lastAt(): number {
    return this.#sent.at(-1)?.at ?? Number.NEGATIVE_INFINITY;
  }

  /** Those who have not confirmed cannot be heard at this time: nothing is held against them. */
  restart(now: number): void {
    for (const sent of this.#sent) sent.at = now;
  }

  /**
   * Waits no longer for those who have not confirmed the newest message that was sent by then.
   * @returns how many that are; 0 where the server has not answered any
   */
  giveUp(sentBy: number): number {
    const newest = this.#sent.findLast(({ at, delivered }) => at <= sentBy && delivered >= 0);
    if (newest === undefined) return 0;
    this.silent = Math.max(this.silent, newest.delivered - newest.confirmed);
    this.#settle(newest);
    return this.silent;
  }

  #find(index: number): Sent | undefined {
    return this.#sent.find((sent) => sent.index === index);
  }

  #settle(upTo: Sent): void {
    if (upTo.delivered < 0) return;
    if (upTo.confirmed >= upTo.delivered) {
      this.silent = 0;
    } else {
      if (upTo.confirmed < upTo.delivered - this.silent) return;
      this.#passed.push(upTo);
      if (this.#passed.length > PASSED) this.#passed.shift();
    }
    while (this.#sent.length > 0) {
      const sent = this.#sent.shift()!;
      this.#bytes -= sent.bytes;
      if (sent === upTo) break;
    }
  }
}
