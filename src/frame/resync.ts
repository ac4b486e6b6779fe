/**
 * Where does a changed middle fall back into step? The searching half of diff().
 *
 * Given a position in the base and one in the next frame where the two disagree, it looks for the next place where
 * they agree for long enough to be worth a copy. What it looks for, cheapest first:
 *   1. the same offset a few bytes on: a length field or a counter has changed (pickle, ids, timestamps);
 *   2. the base's bytes a little further on in the frame, for some offsets: text was inserted, replaced or removed
 *      near here (two growth points, a closed reasoning block);
 *   3. the same over the whole rest of the frame: a tool's result of many KiB was inserted.
 * Each search is charged to a budget, because on adversarial input (long runs) indexOf costs 4 ns a byte and a search
 * for each position would be quadratic. When the budget is gone the rest of the middle is one hunk: larger, never wrong.
 */
import { commonPrefix } from "./match.js";

/** Agreement of fewer bytes is not a place to go on from: it is chance, and a hunk's three varints cost as much. */
const MIN_MATCH = 12;
/** Where both middles are this short, chance is small and a short agreement pays. */
const SMALL = 192;
const MIN_SMALL_MATCH = 7;
/** Steps taken at the same offset. Eight cover a 64-bit length field. */
const SAME_OFFSET_STEPS = 8;
/** How far around the expected place the near search looks, bytes. */
const NEAR = 192;
const NEEDLE = 20;
/** What each search costs besides its bytes, in bytes of budget: two views and a native call. */
const SEARCH_COST = 128;

export class Resync {
  /** The place that was found: offsets in base and next, and how many bytes agree from there. */
  i = 0;
  j = 0;
  length = 0;
  #budget = 0;

  /**
   * Begins a new pair of middles of `a` and `b` bytes. Half their sum, so that a diff stays below 3 ms a MiB of
   * both buffers whatever they hold; the constant lets small frames have their searches.
   */
  start(a: number, b: number): void {
    this.#budget = ((a + b) >>> 1) + 8192;
  }

  /**
   * Looks from base[i] and next[j], which differ (i < iEnd, j < jEnd), up to iEnd and jEnd. True: this.i, this.j and
   * this.length say where they agree again, and no byte before this.i, this.j could be added to it.
   */
  find(base: Buffer, i: number, iEnd: number, next: Buffer, j: number, jEnd: number): boolean {
    const a = iEnd - i;
    const b = jEnd - j;
    const small = a <= SMALL && b <= SMALL;
    const least = small ? MIN_SMALL_MATCH : MIN_MATCH;
    if (this.#sameOffset(base, i, iEnd, next, j, jEnd, least)) return true;
    const needle = small ? least : NEEDLE;
    if (a < needle || b < needle) {
      // Too short to search with a full needle; what is left may still hold one agreement of the least length.
      return !small && a >= least && b >= least && this.#search(base, i, i, iEnd, next, j, j, jEnd, least);
    }
    // The longer frame has grown somewhere between here and the end: shifts up to that growth are expected.
    const growth = b > a ? b - a : 0;
    const reach = growth < 4096 ? growth + NEAR : NEAR;
    for (let o = 0, step = small ? 4 : 16; o + needle <= a; o += step, step += small ? 0 : step) {
      const from = o > NEAR ? j + o - NEAR : j;
      if (from + needle > jEnd || this.#budget < 0) break;
      const to = Math.min(jEnd, j + o + reach + needle);
      if (this.#search(base, i, i + o, iEnd, next, j, from, to, needle, jEnd)) return true;
    }
    for (let o = 0, step = 64; o + needle <= a && this.#budget > 0; o += step, step *= 8) {
      if (b <= reach + needle) break;
      if (this.#search(base, i, i + o, iEnd, next, j, j, jEnd, needle)) return true;
    }
    return false;
  }

  #sameOffset(base: Buffer, i: number, iEnd: number, next: Buffer, j: number, jEnd: number, least: number): boolean {
    const both = Math.min(iEnd - i, jEnd - j);
    const steps = Math.min(SAME_OFFSET_STEPS, both - least);
    for (let o = 1; o <= steps; o++) {
      let n = 0;
      while (n < least && base[i + o + n] === next[j + o + n]) n++;
      if (n === least) {
        this.i = i + o;
        this.j = j + o;
        this.length = commonPrefix(base, this.i, next, this.j, both - o);
        return true;
      }
      // Nothing can begin before the byte that disagreed.
      o += n;
    }
    return false;
  }

  /** Looks for base[at, at + needle) in next[from, to), then grows what it found in both directions. */
  #search(
    base: Buffer,
    i: number,
    at: number,
    iEnd: number,
    next: Buffer,
    j: number,
    from: number,
    to: number,
    needle: number,
    jEnd = to,
  ): boolean {
    // Never look at more than the budget still pays.
    const end = Math.min(to, from + Math.max(this.#budget, 0));
    if (end - from < needle) {
      this.#budget = -1;
      return false;
    }
    const found = next.subarray(from, end).indexOf(base.subarray(at, at + needle));
    if (found < 0) {
      this.#budget -= end - from + SEARCH_COST;
      return false;
    }
    let back = 0;
    const hit = from + found;
    const room = Math.min(at - i, hit - j);
    while (back < room && base[at - back - 1] === next[hit - back - 1]) back++;
    const forward = commonPrefix(base, at + needle, next, hit + needle, Math.min(iEnd - at, jEnd - hit) - needle);
    this.#budget -= found + back + SEARCH_COST;
    this.i = at - back;
    this.j = hit - back;
    this.length = back + needle + forward;
    return true;
  }
}
