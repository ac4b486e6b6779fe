/**
 * How long frames gather before a batch leaves. When it is quiet a frame leaves at once; the closer frames come
 * together, the more of the window is used, because then each message saved is one less delivery for every subscriber.
 */

/** Arrivals farther apart than this many windows are not worth waiting for. */
const QUIET_FACTOR = 1;
/** What nobody elsewhere waits for gathers for this many windows: the question about it costs as much as a message. */
const SILENT_FACTOR = 10;
/** Weight of the newest gap in the running mean. */
const WEIGHT = 0.1;

export class FlushWindow {
  readonly #maxMs: number;
  #gapMs = Number.POSITIVE_INFINITY;
  #lastArrival = Number.NEGATIVE_INFINITY;
  #awaited = false;

  constructor(maxMs: number) {
    this.#maxMs = maxMs;
  }

  /** @param awaited somebody may wait for the frame: it is not silent, as far as is known */
  arrived(now: number, awaited: boolean): void {
    this.#awaited ||= awaited;
    const gap = Math.min(now - this.#lastArrival, 1_000);
    this.#lastArrival = now;
    this.#gapMs = Number.isFinite(this.#gapMs) ? this.#gapMs + WEIGHT * (gap - this.#gapMs) : gap;
  }

  /** Something waits for what has gathered. */
  hurry(): void {
    this.#awaited = true;
  }

  /** All that had gathered has left. */
  left(): void {
    this.#awaited = false;
  }

  /** The window now, milliseconds: 0 when quiet, up to the configured one when frames come close together. */
  width(): number {
    if (!this.#awaited) return this.#maxMs * SILENT_FACTOR;
    const quiet = this.#maxMs * QUIET_FACTOR;
    if (quiet === 0 || this.#gapMs >= quiet) return 0;
    return this.#maxMs * (1 - this.#gapMs / quiet);
  }
}
