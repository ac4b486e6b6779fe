/**
 * Finds where two buffers agree. The splice codec's eyes: common prefix, common suffix, and the next place where
 * a changed middle falls back into step.
 *
 * Comparing is left to memcmp (Buffer.compare) and searching to Buffer.indexOf, as far as ranges are long enough to
 * pay for the call (about 0.1 us each); short ranges are compared in place. Searching runs on a budget of bytes,
 * because indexOf on adversarial input costs 4 ns a byte and every probe would pay it again.
 */

/** Ranges up to this many bytes are compared byte by byte: about where a call to memcmp begins to be cheaper. */
const SHORT = 48;

/** How many bytes from `i` in `a` and from `j` in `b` agree, at most `limit`. The ranges must lie inside. */
export function commonPrefix(a: Buffer, i: number, b: Buffer, j: number, limit: number): number {
  const near = Math.min(limit, SHORT);
  let n = 0;
  while (n < near && a[i + n] === b[j + n]) n++;
  if (n < near || n === limit) return n;
  // Mostly the whole rest agrees (an append) or nearly the whole: ask that first, then halve towards the difference.
  if (a.compare(b, j + n, j + limit, i + n, i + limit) === 0) return limit;
  let width = SHORT * 4;
  let bad = limit;
  // Gallop: a difference near the start is found without touching the rest.
  while (n + width < limit) {
    if (a.compare(b, j + n, j + n + width, i + n, i + n + width) !== 0) {
      bad = n + width;
      break;
    }
    n += width;
    width *= 4;
  }
  // Now [0, n) agrees and [n, bad) does not.
  while (bad - n > SHORT) {
    const middle = n + ((bad - n) >>> 1);
    if (a.compare(b, j + n, j + middle, i + n, i + middle) === 0) n = middle;
    else bad = middle;
  }
  while (a[i + n] === b[j + n]) n++;
  return n;
}

/** How many bytes before `iEnd` in `a` and before `jEnd` in `b` agree, at most `limit`. */
export function commonSuffix(a: Buffer, iEnd: number, b: Buffer, jEnd: number, limit: number): number {
  const near = Math.min(limit, SHORT);
  let n = 0;
  while (n < near && a[iEnd - n - 1] === b[jEnd - n - 1]) n++;
  if (n < near || n === limit) return n;
  // The tail of a frame (namespace, room, host_id) has 100 to 300 bytes, so the first steps are small.
  let width = SHORT * 2;
  let bad = limit;
  while (n + width < limit) {
    if (a.compare(b, jEnd - n - width, jEnd - n, iEnd - n - width, iEnd - n) !== 0) {
      bad = n + width;
      break;
    }
    n += width;
    width *= 2;
  }
  while (bad - n > SHORT) {
    const middle = n + ((bad - n) >>> 1);
    if (a.compare(b, jEnd - middle, jEnd - n, iEnd - middle, iEnd - n) === 0) n = middle;
    else bad = middle;
  }
  while (n < bad && a[iEnd - n - 1] === b[jEnd - n - 1]) n++;
  return n;
}
