/**
 * Hashes for frame names: a 53-bit one for a stream's identity, a 32-bit one for emitters and chats.
 * Used by the dialects only, between reading a frame's parts and handing its name to the plane.
 *
 * The state lives in module variables, so that naming a frame allocates nothing. That is safe because naming is
 * synchronous and never re-entered.
 *
 * The hash is not keyed: a receiver compares stream keys across restarts of the sender, so both incarnations must
 * agree. Two streams that fall on one value share their bases and cost bytes; to make one replace the other's frames on
 * purpose, someone would have to know the victim's room, message and host ids, all of which are random.
 */

/** Two independent 32-bit lanes of the identity in the making. */
let high = 0;
let low = 0;
/** Lanes of the span that was hashed last. */
let spanHigh = 0;
let spanLow = 0;

const C1 = 0x9e3779b1 | 0;
const C2 = 0x85ebca6b | 0;
const C3 = 0xc2b2ae35 | 0;
const C4 = 0x27d4eb2f;

function finish(h: number): number {
  let x = h ^ (h >>> 16);
  x = Math.imul(x, C2);
  x ^= x >>> 13;
  x = Math.imul(x, C3);
  return x ^ (x >>> 16);
}

/** Hashes `bytes[start, end)` into the span lanes. Four bytes a step; every step is a bijection of each lane. */
function hashSpan(bytes: Buffer, start: number, end: number): void {
  let a = C1 ^ (end - start);
  let b = C4 + (end - start);
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    a = Math.imul(((a << 13) | (a >>> 19)) ^ word, C1);
    b = Math.imul(((b << 17) | (b >>> 15)) + word, C2);
  }
  let rest = 0;
  for (; i < end; i++) rest = (rest << 8) | bytes[i]!;
  a = Math.imul(((a << 13) | (a >>> 19)) ^ rest, C1);
  b = Math.imul(((b << 17) | (b >>> 15)) + rest, C2);
  spanHigh = finish(a);
  spanLow = finish(b ^ C3);
}

/** Begins an identity. */
export function begin(): void {
  high = C3;
  low = C4;
}

/** Adds a small number: a tag that says which part follows, or that a part is missing. */
export function addTag(tag: number): void {
  high = Math.imul(((high << 13) | (high >>> 19)) ^ tag, C1);
  low = Math.imul(((low << 17) | (low >>> 15)) + tag, C2);
}

/**
 * Adds the part `bytes[start, end)` under `tag` (tags keep an absent part and an empty one apart).
 * @returns the part's own 32-bit hash, never 0 (0 means "unknown" to the plane)
 */
export function addPart(tag: number, bytes: Buffer, start: number, end: number): number {
  hashSpan(bytes, start, end);
  addTag(tag);
  addTag(spanHigh);
  addTag(spanLow);
  const own = spanHigh >>> 0;
  return own === 0 ? 1 : own;
}

/** A hash that a dialect gathers itself, where a part is not one run of bytes. */
export interface Gathered {
  high: number;
  low: number;
}

/** Adds `bytes[start, end)` under `tag` to a gathered hash. */
export function gather(to: Gathered, tag: number, bytes: Buffer, start: number, end: number): void {
  hashSpan(bytes, start, end);
  to.high = Math.imul(((to.high << 13) | (to.high >>> 19)) ^ spanHigh ^ tag, C1);
  to.low = Math.imul(((to.low << 17) | (to.low >>> 15)) + spanLow + tag, C2);
}

/** @returns the identity: an integer in 1 … 2^53 - 1 */
export function seal(): number {
  const h = finish(high) & 0x1fffff;
  const l = finish(low ^ high) >>> 0;
  const value = h * 0x1_0000_0000 + l;
  return value === 0 ? 1 : value;
}
