/**
 * Reads a subscriber's connection as cheaply as can be: counts messages by their heads and skips their payloads, so that
 * listeners leave the machine to what is measured. Pure.
 *
 * `*3 $7 message $<channel> $<payload>` and `*3 $9 subscribe $<channel> :<count>` is all that a RESP2 subscriber hears.
 */

/** Called with a payload's beginning, of which at least `peek` bytes are there. */
export type OnPayload = (bytes: Buffer, at: number, length: number) => void;

const CR = 13;
const DOLLAR = 36;
/** `*3\r\n` and the word with its length. */
const MESSAGE_HEAD = 17;
const SUBSCRIBE_HEAD = 19;
/** No head with its peek is longer. */
const LONGEST_HEAD = 512;

export class Drain {
  messages = 0;
  payloadBytes = 0;
  acks = 0;
  #skip = 0;
  #rest: Buffer | undefined;
  /** Where the number at hand ended. */
  #end = 0;

  constructor(
    readonly onPayload: OnPayload | undefined = undefined,
    readonly peek = 0,
  ) {}

  /** Takes what the socket gave. Its memory may be used again afterwards. */
  write(chunk: Buffer): void {
    let at = 0;
    if (this.#rest !== undefined) {
      const rest = this.#rest;
      const joined = Buffer.concat([rest, chunk.subarray(0, LONGEST_HEAD)]);
      const next = this.#head(joined, 0);
      if (next < 0) {
        this.#rest = joined;
        if (chunk.length > LONGEST_HEAD) throw new Error("not a subscriber's connection");
        return;
      }
      this.#rest = undefined;
      at = next - rest.length;
    } else {
      at = this.#skip;
      this.#skip = 0;
    }
    while (at < chunk.length) {
      const next = this.#head(chunk, at);
      if (next < 0) {
        this.#rest = Buffer.from(chunk.subarray(at));
        return;
      }
      at = next;
    }
    this.#skip = at - chunk.length;
  }

  /** Reads one head; returns where its value ends, which may be beyond the bytes, or -1 where the head is not whole. */
  #head(bytes: Buffer, at: number): number {
    if (at + SUBSCRIBE_HEAD >= bytes.length) return -1;
    const isMessage = bytes[at + 5] === 0x37;
    const channel = this.#number(bytes, at + (isMessage ? MESSAGE_HEAD : SUBSCRIBE_HEAD) + 1);
    if (channel < 0) return -1;
    const second = this.#end + 2 + channel + 2;
    if (second >= bytes.length) return -1;
    const number = this.#number(bytes, second + 1);
    if (number < 0) return -1;
    const begin = this.#end + 2;
    if (bytes[second] !== DOLLAR) {
      if (begin > bytes.length) return -1;
      this.acks++;
      return begin;
    }
    if (begin + Math.min(this.peek, number) > bytes.length) return -1;
    this.messages++;
    this.payloadBytes += number;
    this.onPayload?.(bytes, begin, number);
    return begin + number + 2;
  }

  #number(bytes: Buffer, from: number): number {
    let value = 0;
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === CR) {
        this.#end = at;
        return value;
      }
      value = value * 10 + byte - 48;
    }
    return -1;
  }
}
