/**
 * The list of splices that diff() collects before it writes them: joined where a copy is not worth its own hunk.
 *
 * A hunk says: copy `copy` bytes of the base, skip `skip` bytes of it, append an insert. Its varints take three bytes (two
 * in the last hunk, whose insert ends with the hunks), so two hunks with a short copy between them can be dearer than
 * one that inserts the copied bytes too.
 */
import { putVarint, varintSize } from "./bytes.js";

/** Most hunks of one delta that diff() makes. A frame that changes in more places is cheaper whole. */
export const MAX_HUNKS = 64;

/** Numbers for each hunk: copy, skip, where the insert begins and ends in the next frame. */
const WIDTH = 4;

export class HunkList {
  readonly #of = new Int32Array(MAX_HUNKS * WIDTH);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
  }

  /**
   * Adds a hunk whose insert is next[from, to). It is joined to the one before where that costs no more bytes: the
   * copied bytes stand in the next frame right between the two inserts, so the joined insert is one range of it.
   */
  push(copy: number, skip: number, from: number, to: number): void {
    const of = this.#of;
    const last = (this.#count - 1) * WIDTH;
    if (last >= 0) {
      const insert = of[last + 3]! - of[last + 2]!;
      const apart =
        varintSize(copy) +
        varintSize(skip * 2) +
        varintSize(to - from) +
        varintSize(of[last + 1]! * 2) +
        varintSize(insert);
      const joinedSkip = of[last + 1]! + copy + skip;
      const joined = varintSize(joinedSkip * 2) + varintSize(insert + copy + to - from) + copy;
      if (joined <= apart) {
        of[last + 1] = joinedSkip;
        of[last + 3] = to;
        return;
      }
    }
    const at = this.#count++ * WIDTH;
    of[at] = copy;
    of[at + 1] = skip;
    of[at + 2] = from;
    of[at + 3] = to;
  }

  /** Encoded size in bytes. */
  size(): number {
    const of = this.#of;
    const end = this.#count * WIDTH;
    let size = 0;
    for (let at = 0; at < end; at += WIDTH) {
      const insert = of[at + 3]! - of[at + 2]!;
      size += varintSize(of[at]!) + varintSize(of[at + 1]! * 2) + insert;
      if (at + WIDTH < end) size += varintSize(insert);
    }
    return size;
  }

  /** Writes all hunks to `out`, which has size() bytes, with their inserts from `next`. */
  write(out: Buffer, next: Buffer): void {
    const of = this.#of;
    const end = this.#count * WIDTH;
    let at = 0;
    for (let h = 0; h < end; h += WIDTH) {
      const from = of[h + 2]!;
      const insert = of[h + 3]! - from;
      const last = h + WIDTH === end;
      at = putVarint(out, at, of[h]!);
      at = putVarint(out, at, of[h + 1]! * 2 + Number(last));
      if (!last) at = putVarint(out, at, insert);
      at = putBytes(out, at, next, from, insert);
    }
  }
}

/** Copies `length` bytes; answers the offset after them. A native call costs as much as 40 bytes in place. */
function putBytes(out: Buffer, at: number, from: Buffer, start: number, length: number): number {
  if (length > 40) from.copy(out, at, start, start + length);
  else for (let k = 0; k < length; k++) out[at + k] = from[start + k]!;
  return at + length;
}
