/**
 * The JSON of python-socketio (from 5.14 on): stdlib's (`", "`, `": "`, `\uXXXX`) and compact (orjson and others). One
 * of the dialects behind `nameFrame`.
 *
 * An emit is written as
 *   {"method": "emit", "event": E, "data": [D…], "binary": B, "namespace": N, "room": R, "skip_sid": S, "callback": C,
 *    "host_id": H}
 * in this order (5.14 has no `binary` and no list around D). D is the user's and can be megabytes, so it is not parsed:
 * the head is read strictly from the first byte, the tail strictly from the last `"namespace":` to the last byte. Why
 * text inside a string can never be taken for structure, given that the payload is valid JSON:
 *  - Inside a string a quote is always written `\"`. The needle `"namespace":` holds a second quote behind a letter, so
 *    that quote is a delimiter; and the needle's first quote is required not to be escaped, so it is a delimiter too. If
 *    the first one closed a string, `namespace` would stand outside any string, which is not JSON. So it opens, and the
 *    needle is a key.
 *  - It is a key of the outermost object, because from there members and balanced values are read up to a `}` that is the
 *    payload's last byte, and the last byte closes the outermost object.
 *  - A later key of that name does not exist: behind the true one come only strings, numbers, null and lists.
 * If the payload is not JSON at all, its name may be wrong but its bytes are still delivered as they are.
 */
import { expect, Field, isCompletion, Key, keyOf, Method, methodOf, type Parts, Shape } from "./parts.js";

/** The head is read no further than this. Ids, types and kinds of real frames end before byte 400. */
const HEAD_BYTES = 1024;
/** The tail is looked for in this many last bytes. Real tails have 200 to 250; lists of rooms are longer. */
const TAIL_BYTES = 4096;
/** How far back the last string is read for its opening quote. */
const LAST_STRING_BYTES = 64;
const HEAD_KEYS = 32;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const ESCAPE = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const SPACE = 0x20;

const METHOD = Buffer.from('{"method":');
const EVENT = Buffer.from('"event":');
const DATA = Buffer.from('"data":');
const BINARY = Buffer.from('"binary":');
const FALSE = Buffer.from("false");
const TRUE = Buffer.from("true");
const NAMESPACE = Buffer.from('"namespace":');
const ROOM = Buffer.from('"room":');
const SKIP_SID = Buffer.from('"skip_sid":');
const CALLBACK = Buffer.from('"callback":');
const HOST_ID = Buffer.from('"host_id":');
const NULL = Buffer.from("null");

/** @returns `at`, or the offset behind one space there; negative stays negative */
function space(b: Buffer, at: number): number {
  return at >= 0 && b[at] === SPACE ? at + 1 : at;
}

/** @returns the offset of the quote that closes the string whose text begins at `at`, or -1 if it is not before `limit` */
function closing(b: Buffer, at: number, limit: number): number {
  for (let i = at; i < limit; i++) {
    const c = b[i]!;
    if (c === QUOTE) return i;
    if (c === ESCAPE) i++;
  }
  return -1;
}

/** @returns the offset behind `, ` and then the key, or -1 */
function member(b: Buffer, at: number, key: Buffer): number {
  if (at < 0 || b[at] !== COMMA) return -1;
  return space(b, expect(b, space(b, at + 1), key));
}

/** @returns the offset behind the value at `at` (brackets balanced, strings skipped), or -1 if it is not before `limit` */
function skipValue(b: Buffer, at: number, limit: number): number {
  let depth = 0;
  let i = at;
  while (i >= 0 && i < limit) {
    const c = b[i]!;
    if (c === QUOTE) {
      i = closing(b, i + 1, limit);
      if (i < 0) return -1;
      i++;
      if (depth === 0) return i;
    } else if (c === OPEN || c === OPEN_LIST) {
      depth++;
      i++;
    } else if (c === CLOSE || c === CLOSE_LIST) {
      if (depth === 0) return i > at ? i : -1;
      i++;
      if (--depth === 0) return i;
    } else if (c === COMMA && depth === 0) {
      return i > at ? i : -1;
    } else {
      i++;
    }
  }
  return -1;
}

/** How many backslashes are counted before a quote. */
const MAX_ESCAPES = 256;

/** @returns how many backslashes stand before `at`; an odd number escapes a quote there. {@link MAX_ESCAPES}: too many */
function escapesBefore(b: Buffer, at: number): number {
  let n = 0;
  while (n < MAX_ESCAPES && b[at - 1 - n] === ESCAPE) n++;
  return n;
}

/** @returns whether the quote at `at` is certainly a delimiter */
function delimits(b: Buffer, at: number): boolean {
  const n = escapesBefore(b, at);
  return n < MAX_ESCAPES && (n & 1) === 0;
}

/** Finds the emitter where it must be the last member. Certain for the same reason as the tail. */
function emitterAtEnd(b: Buffer, parts: Parts): boolean {
  const end = b.length - 2;
  if (end < 0 || b[end] !== QUOTE || b[end + 1] !== CLOSE) return false;
  let i = end - 1;
  const stop = Math.max(end - 128, 0);
  while (i > stop && b[i] !== QUOTE && b[i] !== ESCAPE) i--;
  if (b[i] !== QUOTE) return false;
  const key = b[i - 1] === SPACE ? i - 1 - HOST_ID.length : i - HOST_ID.length;
  if (key < 1 || expect(b, key, HOST_ID) < 0 || !delimits(b, key)) return false;
  parts.emitter = i + 1;
  parts.emitterEnd = end;
  return true;
}

/**
 * Reads the first object of `data` from its first member on, into `data` and `data.data`: simple members are noted or
 * skipped, the first growing field or anything long ends the reading.
 * @param at offset behind the object's `{`
 * @returns the offset of the growing field's value, or -1
 */
function readHead(b: Buffer, at: number, parts: Parts): number {
  const limit = Math.min(b.length, HEAD_BYTES);
  let level = 0;
  let i = at;
  for (let n = 0; n < HEAD_KEYS && i < limit; n++) {
    if (b[i] !== QUOTE) return -1;
    const keyEnd = closing(b, i + 1, limit);
    if (keyEnd < 0 || b[keyEnd + 1] !== COLON) return -1;
    const key = keyOf(b, i + 1, keyEnd);
    i = space(b, keyEnd + 2);
    const c = b[i];
    if (c === OPEN && key === Key.Data && level < 2) {
      level++;
      i++;
      continue;
    }
    if (level === 2 && isCompletion(b, parts)) {
      if (key === Key.Content && c === QUOTE) {
        parts.field = Field.Content;
        return i;
      }
      if (key === Key.Output && c === OPEN_LIST) {
        parts.field = Field.Output;
        return i;
      }
    }
    const end = skipValue(b, i, limit);
    if (end < 0) return -1;
    if (level === 2) {
      parts.more = true;
      if (key === Key.Done && c === 0x74) parts.done = true;
    }
    if (c === QUOTE) note(parts, level, key, i + 1, end - 1);
    if (b[end] !== COMMA) return -1;
    i = space(b, end + 1);
  }
  return -1;
}

/** Keeps a text member's place if it names something. */
function note(parts: Parts, level: number, key: number, start: number, end: number): void {
  if (level === 0) {
    if (key === Key.ChatId) {
      parts.chat = start;
      parts.chatEnd = end;
    } else if (key === Key.MessageId) {
      parts.message = start;
      parts.messageEnd = end;
    }
  } else if (key === Key.Type) {
    if (level === 1) {
      parts.type = start;
      parts.typeEnd = end;
    } else {
      parts.sub = start;
      parts.subEnd = end;
    }
  } else if (key === Key.ItemId && level === 2) {
    parts.item = start;
    parts.itemEnd = end;
  }
}

/** How far to the left the needle can move when this byte stands where it should begin (Horspool's search, mirrored). */
const shift = new Uint8Array(256).fill(NAMESPACE.length);
for (let i = NAMESPACE.length - 1; i > 0; i--) shift[NAMESPACE[i]!] = i;

/** @returns the offset of the outermost `"namespace"`, or -1 */
function findTail(b: Buffer, from: number): number {
  const stop = Math.max(from, b.length - TAIL_BYTES);
  let i = b.length - NAMESPACE.length;
  while (i >= stop) {
    const c = b[i]!;
    if (c === QUOTE && b[i + 1] === 0x6e && expect(b, i, NAMESPACE) >= 0) return delimits(b, i) ? i : -1;
    i -= shift[c]!;
  }
  return -1;
}

/** Reads from `"namespace"` to the last byte. @returns whether all of it fits */
function readTail(b: Buffer, at: number, parts: Parts): boolean {
  const end = b.length;
  let i = space(b, at + NAMESPACE.length);
  const address = i;
  if (b[i] !== QUOTE) return false;
  const namespaceEnd = skipValue(b, i, end);
  i = member(b, namespaceEnd, ROOM);
  if (i < 0) return false;
  const room = i;
  const roomEnd = skipValue(b, i, end);
  i = member(b, roomEnd, SKIP_SID);
  if (i < 0) return false;
  const addressEnd = skipValue(b, i, end);
  i = member(b, addressEnd, CALLBACK);
  if (i < 0) return false;
  const callback = expect(b, i, NULL) < 0;
  i = member(b, skipValue(b, i, end), HOST_ID);
  if (i < 0 || b[i] !== QUOTE) return false;
  const host = i + 1;
  const hostEnd = closing(b, host, end);
  if (hostEnd < 0 || hostEnd !== end - 2 || b[end - 1] !== CLOSE) return false;
  parts.address = address;
  parts.addressEnd = addressEnd;
  parts.barrier = callback;
  parts.emitter = host;
  parts.emitterEnd = hostEnd;
  // In the namespace "/", and one string.
  if (namespaceEnd - address === 3 && b[address + 1] === 0x2f && b[room] === QUOTE && roomEnd >= 0) {
    parts.room = room + 1;
    parts.roomEnd = roomEnd - 1;
  }
  return true;
}

/** @returns the offset of the last byte of the member before the one at `at`, or -1 */
function before(b: Buffer, at: number): number {
  const comma = b[at - 1] === SPACE ? at - 2 : at - 1;
  return b[comma] === COMMA ? comma - 1 : -1;
}

/** @returns the offset of the last byte of `data`'s value, or -1 */
function dataEnd(b: Buffer, tail: number): number {
  const last = before(b, tail);
  const length = b[last - 4] === 0x66 ? FALSE.length : TRUE.length;
  const value = last + 1 - length;
  if (expect(b, value, length === FALSE.length ? FALSE : TRUE) < 0) return last;
  const key = value - BINARY.length - (b[value - 1] === SPACE ? 1 : 0);
  return expect(b, key, BINARY) < 0 ? -1 : before(b, key);
}

/**
 * @param field offset of the growing field's value
 * @param tail  offset of the outermost `"namespace"`
 * @returns whether the growing field is the last thing in `data`, as far as a bounded look from the end can tell: a text
 *          must run, without a quote of its own, through the last bytes before the closing brackets
 */
function endsWithField(b: Buffer, field: number, tail: number, inList: boolean, parts: Parts): boolean {
  let i = dataEnd(b, tail);
  if (inList && b[i--] !== CLOSE_LIST) return false;
  if (b[i] !== CLOSE || b[i - 1] !== CLOSE || b[i - 2] !== CLOSE) return false;
  i -= 3;
  if (parts.field === Field.Output) return b[i] === CLOSE_LIST;
  // What stands before the tail is structure, so this quote closes a string.
  if (b[i] !== QUOTE) return false;
  const stop = Math.max(field, i - LAST_STRING_BYTES);
  for (let k = i - 1; k >= stop; k--) {
    if (b[k] !== QUOTE) continue;
    const escapes = escapesBefore(b, k);
    if (escapes === MAX_ESCAPES) return false;
    if ((escapes & 1) === 0) return k === field;
  }
  return true;
}

/** @returns whether the payload is a message of python-socketio; if so `parts` says what is certain about it */
export function namePythonJson(b: Buffer, parts: Parts): boolean {
  let i = expect(b, 0, METHOD);
  if (i < 0) return false;
  const spaced = b[i] === SPACE;
  parts.clear(spaced ? Shape.Spaced : Shape.Compact);
  i = space(b, i);
  const limit = Math.min(b.length, HEAD_BYTES);
  if (b[i] !== QUOTE) return false;
  const methodEnd = closing(b, i + 1, limit);
  if (methodEnd < 0) return false;
  const method = methodOf(b, i + 1, methodEnd);
  if (method < 0) return false;
  parts.method = method;
  if (method !== Method.Emit) {
    if (method !== Method.Callback) emitterAtEnd(b, parts);
    return b[b.length - 1] === CLOSE;
  }
  i = member(b, methodEnd + 1, EVENT);
  if (i < 0 || b[i] !== QUOTE) return false;
  const eventEnd = closing(b, i + 1, limit);
  if (eventEnd < 0) {
    parts.barrier = true;
    return emitterAtEnd(b, parts);
  }
  parts.event = i + 1;
  parts.eventEnd = eventEnd;
  const data = member(b, eventEnd + 1, DATA);
  if (data < 0) return false;
  const tail = findTail(b, data);
  if (tail < 0 || !readTail(b, tail, parts)) {
    // Who sent it is certain, whether it wants an answer is not.
    parts.barrier = true;
    return emitterAtEnd(b, parts);
  }
  const inList = b[data] === OPEN_LIST;
  const object = inList ? data + 1 : data;
  if (b[object] === OPEN) {
    const field = readHead(b, object + 1, parts);
    if (field >= 0 && !endsWithField(b, field, tail, inList, parts)) parts.more = true;
  }
  return true;
}
