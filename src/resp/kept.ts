/**
 * The bytes of a value that is spread over chunks, until its end has arrived. Used by the request decoder and the
 * reply decoder; the only place in `resp/` that joins buffers.
 *
 * A piece that makes up most of its chunk's memory is kept by reference. A small piece of a large chunk is copied:
 * by reference, a few hundred bytes would hold a whole socket slab of 64 KiB. So what is held stays within about
 * twice the bytes received, also when they arrive one by one.
 */

const BY_REFERENCE = 4096;
const SEGMENT_MIN = 256;
const SEGMENT_MAX = 64 * 1024;

export class Kept {
  /** Bytes held. */
  length = 0;
  #parts: Buffer[] = [];
  /** Offset behind each part, over all parts. */
  #ends: number[] = [];
  /** Bytes in use of the last part when that is a segment of our own with room left; -1 when it is not. */
  #used = -1;

  /** Appends `chunk[start, end)`. The chunk's memory must then not be overwritten while this holds it. */
  append(chunk: Buffer, start: number, end: number): void {
    const size = end - start;
    if (size === 0) return;
    if (size >= BY_REFERENCE && size * 2 >= chunk.buffer.byteLength) {
      this.#seal();
      this.#push(chunk.subarray(start, end), size);
      return;
    }
    let segment = this.#used < 0 ? undefined : this.#parts[this.#parts.length - 1];
    if (segment === undefined || segment.length - this.#used < size) {
      const previous = segment === undefined ? 0 : segment.length;
      this.#seal();
      const room = Math.max(size, Math.min(SEGMENT_MAX, Math.max(SEGMENT_MIN, previous * 2)));
      segment = Buffer.allocUnsafeSlow(room);
      this.#push(segment, 0);
      this.#used = 0;
    }
    chunk.copy(segment, this.#used, start, end);
    this.#used += size;
    this.length += size;
    this.#ends[this.#ends.length - 1] = this.length;
  }

  /** Copies bytes `[from, to)` of what is held into `target` at `at`. */
  copyTo(target: Buffer, at: number, from: number, to: number): void {
    let i = this.#partAt(from);
    let begin = i === 0 ? 0 : this.#ends[i - 1]!;
    let offset = from;
    while (offset < to) {
      const stop = Math.min(to, this.#ends[i]!);
      this.#parts[i]!.copy(target, at + offset - from, offset - begin, stop - begin);
      offset = stop;
      begin = this.#ends[i]!;
      i++;
    }
  }

  /** A fresh buffer of all that is held and, behind it, `chunk[start, end)`. */
  join(chunk: Buffer, start: number, end: number): Buffer {
    const joined = Buffer.allocUnsafeSlow(this.length + end - start);
    this.copyTo(joined, 0, 0, this.length);
    chunk.copy(joined, this.length, start, end);
    return joined;
  }

  /** The held bytes in order, without copying. What is returned is never written to again. */
  slices(): Buffer[] {
    this.#seal();
    return this.#parts.slice();
  }

  clear(): void {
    if (this.#parts.length === 0) return;
    this.#parts = [];
    this.#ends = [];
    this.#used = -1;
    this.length = 0;
  }

  #push(part: Buffer, size: number): void {
    this.length += size;
    this.#parts.push(part);
    this.#ends.push(this.length);
  }

  /** Cuts the open segment to what is used of it, so that nothing is written behind bytes that may be handed out. */
  #seal(): void {
    if (this.#used < 0) return;
    const last = this.#parts.length - 1;
    this.#parts[last] = this.#parts[last]!.subarray(0, this.#used);
    this.#used = -1;
  }

  /** Index of the part that holds byte `offset`: by bisection, because a request may come in very many pieces. */
  #partAt(offset: number): number {
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
