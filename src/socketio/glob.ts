/**
 * Redis's glob (`PSUBSCRIBE`, `KEYS`): `*`, `?`, `[a-z]`, `[^x]`, `\x`. The local broker matches frames against the
 * patterns of the apps with it, so it must agree with the server, oddities included.
 *
 * Redis recurses at each star. Here one pair of positions, those of the last star, is enough: whatever an earlier star
 * could take, the last one can take as well. So the time is at most pattern times text, whatever the pattern.
 */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const ESCAPE = 0x5c;

/** Position behind the pattern element that {@link matchOne} looked at. */
let after = 0;

/**
 * Matches one text byte against the pattern element at `p`, which is not a star; sets {@link after}.
 * A class that is never closed ends with the pattern; `[z-a]` means `[a-z]`; a last lone `\` means itself.
 */
function matchOne(pattern: Buffer, p: number, byte: number): boolean {
  const end = pattern.length;
  const first = pattern[p]!;
  if (first === QUESTION) {
    after = p + 1;
    return true;
  }
  if (first !== OPEN) {
    const at = first === ESCAPE && p + 1 < end ? p + 1 : p;
    after = at + 1;
    return pattern[at] === byte;
  }
  let i = p + 1;
  const not = i < end && pattern[i] === CARET;
  if (not) i++;
  let hit = false;
  while (i < end) {
    const c = pattern[i]!;
    if (c === ESCAPE && i + 1 < end) {
      i++;
      if (pattern[i] === byte) hit = true;
    } else if (c === CLOSE) {
      break;
    } else if (i + 2 < end && pattern[i + 1] === DASH) {
      const last = pattern[i + 2]!;
      if (c <= last ? byte >= c && byte <= last : byte >= last && byte <= c) hit = true;
      i += 2;
    } else if (c === byte) {
      hit = true;
    }
    i++;
  }
  after = i < end ? i + 1 : end;
  return hit !== not;
}

/**
 * @param pattern glob as the app sent it
 * @param text    channel name
 * @returns whether Redis would deliver a message on `text` to a subscriber of `pattern`. Time: at most
 *          `pattern.length * text.length` steps.
 */
export function globMatch(pattern: Buffer, text: Buffer): boolean {
  // Redis never looks at the pattern when the text is empty: even `*` does not match it.
  if (text.length === 0) return pattern.length === 0;
  let p = 0;
  let t = 0;
  let starPattern = -1;
  let starText = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === STAR) {
      p++;
      if (p === pattern.length) return true;
      starPattern = p;
      starText = t;
    } else if (p < pattern.length && matchOne(pattern, p, text[t]!)) {
      p = after;
      t++;
    } else if (starPattern >= 0) {
      starText++;
      p = starPattern;
      t = starText;
    } else {
      return false;
    }
  }
  while (p < pattern.length && pattern[p] === STAR) p++;
  return p === pattern.length;
}

/**
 * @returns the bytes every match must begin with, and whether the pattern is nothing but them (it then matches exactly
 *          one channel)
 */
export function literalPrefix(pattern: Buffer): { prefix: Buffer; whole: boolean } {
  const prefix = Buffer.alloc(pattern.length);
  let length = 0;
  let i = 0;
  while (i < pattern.length) {
    let c = pattern[i]!;
    if (c === STAR || c === QUESTION || c === OPEN) return { prefix: prefix.subarray(0, length), whole: false };
    if (c === ESCAPE && i + 1 < pattern.length) c = pattern[++i]!;
    prefix[length++] = c;
    i++;
  }
  return { prefix: prefix.subarray(0, length), whole: true };
}

/**
 * @returns whether some text that begins with `prefix` could match. What the pattern asks of the bytes behind the prefix
 *          is taken to be possible, so an answer of true may be too careful and false is certain.
 */
export function mayMatchPrefix(pattern: Buffer, prefix: Buffer): boolean {
  let p = 0;
  for (const byte of prefix) {
    if (p >= pattern.length) return false;
    if (pattern[p] === STAR) return true;
    if (!matchOne(pattern, p, byte)) return false;
    p = after;
  }
  return true;
}
