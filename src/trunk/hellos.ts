/**
 * What a sidecar that was deaf says to the senders it knows. A sender may be away at that moment, often for the same
 * reason: it is told again until its inbox has a listener, or until what it could send is too old to matter.
 */
import type { Clock } from "../core/ports.js";
import { ControlKind, encodeControl, type Pair } from "../frame/control.js";
import { inboxOf } from "../plane/epoch.js";

export interface Hello {
  /** The sender's. */
  readonly epoch: number;
  readonly pairs: readonly Pair[];
}

interface Waiting extends Hello {
  readonly until: number;
  nextAt: number;
}

const RETRY_MS = 200;
/** As long as senders keep newest frames for it. A pod can stay with an old master for 11 s, and only then can it answer. */
const GIVE_UP_MS = 15_000;
/** Most pairs in one message: about 6 KiB. */
const PAIRS = 1_000;

export class Hellos {
  readonly #epoch: number;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();

  constructor(epoch: number, clock: Clock) {
    this.#epoch = epoch;
    this.#clock = clock;
  }

  /** What is said replaces what was to be said to the same sender before. */
  add(hellos: readonly Hello[]): void {
    const now = this.#clock.now();
    for (const hello of hellos) this.#waiting.set(hello.epoch, { ...hello, until: now + GIVE_UP_MS, nextAt: now });
  }

  /** @param send gets the inbox, the message, and a function to call with the count of those who heard it */
  sendDue(connection: number, send: (inbox: Buffer, message: Buffer, heard: (count: number) => void) => void): void {
    if (this.#waiting.size === 0) return;
    const now = this.#clock.now();
    for (const [epoch, hello] of this.#waiting) {
      if (now > hello.until) {
        this.#waiting.delete(epoch);
        continue;
      }
      if (now < hello.nextAt) continue;
      hello.nextAt = now + RETRY_MS;
      for (let at = 0; at < hello.pairs.length; at += PAIRS) {
        const message = encodeControl(ControlKind.Hello, this.#epoch, connection, hello.pairs.slice(at, at + PAIRS));
        send(inboxOf(epoch), message, (count) => {
          if (count > 0 && this.#waiting.get(epoch) === hello) this.#waiting.delete(epoch);
        });
      }
    }
  }
}
