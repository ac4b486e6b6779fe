/**
 * A small fixed set of words, looked up in bytes without making a string: command names on the request side,
 * the first word of a push on the reply side. Used by `command.ts` and `reply-head.ts`, once per request or reply.
 *
 * The set is a perfect hash over length, first, second and last byte, so one lookup is one probe and one
 * comparison, however many words there are. The multiplier is searched for at load time; the sets are constants,
 * so a set that cannot be hashed fails the first test that imports it, not a user.
 */

const SLOTS = 512;

export class WordTable {
  /** Length of the longest word, bytes. Nothing longer can match, so callers need not keep it. */
  readonly longest: number;
  readonly #shortest: number;
  readonly #fold: number;
  readonly #multiplier: number;
  /** Slot -> index of the word + 1; 0 is an empty slot. */
  readonly #slots = new Uint8Array(SLOTS);
  /** The words one after the other, `longest` bytes each. */
  readonly #bytes: Uint8Array;
  readonly #lengths: Uint8Array;
  readonly #values: Uint8Array;

  /**
   * @param words lower-case ASCII words of at least two bytes, with the value (1 to 255) that `find` answers
   * @param foldCase whether upper-case letters match too
   */
  constructor(words: ReadonlyArray<readonly [word: string, value: number]>, foldCase: boolean) {
    const encoded = words.map(([word]) => Buffer.from(word, "latin1"));
    const lengths = encoded.map((word) => word.length);
    this.longest = Math.max(...lengths);
    this.#shortest = Math.min(...lengths);
    if (this.#shortest < 2 || words.length > 255) throw new RangeError("words need two bytes, a table at most 255");
    this.#fold = foldCase ? 0x20 : 0;
    this.#lengths = Uint8Array.from(lengths);
    this.#values = Uint8Array.from(words, ([, value]) => value);
    this.#bytes = new Uint8Array(this.longest * words.length);
    encoded.forEach((word, i) => {
      this.#bytes.set(word, i * this.longest);
    });
    this.#multiplier = this.#place(encoded);
  }

  /** The value of the word in `buf[start, end)`, or 0 when it is none of ours. */
  find(buf: Buffer, start: number, end: number): number {
    const length = end - start;
    if (length < this.#shortest || length > this.longest) return 0;
    const fold = this.#fold;
    const found =
      this.#slots[hash(buf[start]! | fold, buf[start + 1]! | fold, buf[end - 1]! | fold, length, this.#multiplier)]!;
    if (found === 0) return 0;
    const index = found - 1;
    if (this.#lengths[index] !== length) return 0;
    const bytes = this.#bytes;
    for (let i = start, j = index * this.longest; i < end; i++, j++) {
      const byte = buf[i]!;
      // Exact first: `_` has no case, and `_ | 0x20` would also let DEL through.
      if (byte !== bytes[j] && (byte | fold) !== bytes[j]) return 0;
    }
    return this.#values[index]!;
  }

  /** Fills the slots with the first multiplier that gives every word a slot of its own. */
  #place(words: readonly Buffer[]): number {
    const fold = this.#fold;
    for (let multiplier = 1; multiplier < 10_000; multiplier += 2) {
      this.#slots.fill(0);
      const clash = words.some((word, i) => {
        const slot = hash(word[0]! | fold, word[1]! | fold, word[word.length - 1]! | fold, word.length, multiplier);
        const taken = this.#slots[slot] !== 0;
        this.#slots[slot] = i + 1;
        return taken;
      });
      if (!clash) return multiplier;
    }
    throw new RangeError("no perfect hash for these words");
  }
}

function hash(first: number, second: number, last: number, length: number, multiplier: number): number {
  return ((first * multiplier + second * 7 + last * 31 + length * 67) >>> 0) & (SLOTS - 1);
}
