/**
 * Reads the number that follows a RESP type byte (`*3\r\n`, `$17\r\n`), in one piece or in several. The one parser
 * of counts and lengths for the request decoder, the reply scanner and the reply decoder, so that a number means
 * the same to all three.
 *
 * As strict as Redis's own parser: digits without a leading zero, one leading `-` before a non-zero digit, nothing
 * else. A reader that stops at the first non-digit takes `$12a4` for 1694 or 12 while the server takes it for an
 * error, and from then on the two disagree about where the next command begins.
 */

/** `read` results other than an offset. */
export const MORE = -1;
export const MALFORMED = -2;
export const TOO_LONG = -3;
export const STREAMED = -4;

const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;
const MINUS = 0x2d;
const QUESTION = 0x3f;

/** Digits that always fit a small integer; longer numbers take the slow way. */
const QUICK_DIGITS = 9;

export class LengthLine {
  /** The number, once `read` has returned an offset. -1 or less only if the line had a `-`. */
  value = 0;
  readonly #maxBytes: number;
  /** Bytes of the line seen by earlier calls, the CR included; 0 = a fresh line. */
  #seen = 0;
  #negative = false;
  #malformed = false;
  #streamed = false;
  #first = 0;
  #atLineFeed = false;

  /** @param maxBytes longest line, type byte included, before `read` gives up with `TOO_LONG` */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Reads on at `buf[pos]`; the first call for a line starts just behind its type byte.
   * Returns the offset behind the line feed, `MORE` when the chunk is used up (call again with the next one), or
   * - `MALFORMED`: not a number, or a number beyond 2^53 - 1, or a CR without LF;
   * - `TOO_LONG`: no end within `maxBytes`;
   * - `STREAMED`: the `?` of a RESP3 streamed type.
   */
  read(buf: Buffer, pos: number, end: number): number {
    if (this.#seen === 0) {
      const stop = end - pos > QUICK_DIGITS ? pos + QUICK_DIGITS : end;
      let value = 0;
      let p = pos;
      while (p < stop) {
        const digit = buf[p]! - ZERO;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
        p++;
      }
      if (p + 1 < end && buf[p] === CR && buf[p + 1] === LF && p > pos && (buf[pos] !== ZERO || p === pos + 1)) {
        this.value = value;
        return p + 2;
      }
    }
    return this.#slow(buf, pos, end);
  }

  /** Negative, long, split or wrong: byte by byte, state kept between calls. */
  #slow(buf: Buffer, pos: number, end: number): number {
    if (pos >= end) return MORE;
    if (this.#seen === 0) {
      this.value = 0;
      this.#negative = false;
      this.#malformed = false;
      this.#streamed = false;
      this.#atLineFeed = false;
      this.#first = 0;
    }
    for (let p = pos; p < end; p++) {
      const byte = buf[p]!;
      if (this.#atLineFeed) return this.#ended(byte, p + 1);
      if (byte === CR) this.#atLineFeed = true;
      else if (this.#seen + 2 > this.#maxBytes) return TOO_LONG;
      else this.#digit(byte);
      this.#seen++;
    }
    return MORE;
  }

  #digit(byte: number): void {
    if (this.#seen === 0 && byte === MINUS) {
      this.#negative = true;
      return;
    }
    if (this.#seen === 0 && byte === QUESTION) this.#streamed = true;
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) {
      this.#malformed = true;
      return;
    }
    // `0` alone is a number; `01` and `-0` are not, because Redis refuses them.
    if (this.#seen === 0) this.#first = digit;
    else if (this.#seen === 1 && (this.#negative ? digit === 0 : this.#first === 0)) this.#malformed = true;
    const value = this.value * 10 + digit;
    if (value > Number.MAX_SAFE_INTEGER) this.#malformed = true;
    else this.value = value;
  }

  #ended(byte: number, after: number): number {
    const characters = this.#seen - 1;
    this.#seen = 0;
    if (this.#streamed && characters === 1) return STREAMED;
    if (byte !== LF || this.#malformed || characters === 0 || (this.#negative && characters === 1)) return MALFORMED;
    if (this.#negative) this.value = -this.value;
    return after;
  }
}
