/**
 * Keeps a scene within its time: what is left of it is shared out among the legs that are left, less what legs have taken
 * beside their measured seconds so far.
 */
export class Pace {
  readonly #ends: number;
  #left: number;
  /** What a leg takes beside its measured seconds. */
  #aside: number;
  #began = 0;
  #given = 0;

  /**
   * @param seconds from now on, for all legs and for what follows them
   * @param legs how many there will be
   * @param aside what each is expected to take beside its measured seconds
   * @param now seconds of a clock
   */
  constructor(
    seconds: number,
    legs: number,
    aside: number,
    readonly now: () => number = () => performance.now() / 1000,
  ) {
    this.#ends = now() + seconds;
    this.#left = legs;
    this.#aside = aside;
  }

  /** Seconds that the leg which now begins may measure. At least one, whatever the time. */
  next(): number {
    const now = this.now();
    if (this.#began > 0) {
      const aside = now - this.#began - this.#given;
      this.#aside += 0.5 * (aside - this.#aside);
    }
    this.#began = now;
    this.#given = Math.max(1, (this.#ends - now) / Math.max(1, this.#left--) - this.#aside);
    return this.#given;
  }
}
