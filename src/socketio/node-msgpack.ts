/**
 * The msgpack of Node's `@socket.io/redis-adapter` (and of its emitter package). One of the dialects behind `nameFrame`.
 *
 * A broadcast is published on `socket.io#/ns#` or `socket.io#/ns#room#` as [uid, packet, opts]: packet is
 * {type, data: [event, …args], nsp}, opts is {rooms, except, flags}. Requests for answers travel on other channels, so a
 * broadcast never wants one. Every value says its length or its number of members, so the walk goes forward from the
 * first byte, over long values in one step, and cannot take text for structure. It has a budget of values; a broadcast
 * over it keeps what was read and is named without its rooms, which the channel holds for the greater part.
 *
 * Nothing is cumulative here: what an app's events mean is not known.
 */
import { equals, Key, keyOf, type Parts, Shape } from "./parts.js";

const MAX_VALUES = 192;

const K_TYPE = Buffer.from("type");
const K_DATA = Buffer.from("data");

// The walk's state, as in the pickle dialect.
let b: Buffer = K_TYPE;
let pos = 0;
let budget = 0;
/** What was stepped over: a text's place (text = -1 if it is none), members of an array or twice those of a map. */
let text = -1;
let textEnd = -1;
let members = 0;
let isMap = false;

function uint(at: number, width: number): number {
  let n = 0;
  for (let i = 0; i < width; i++) n = n * 256 + b[at + i]!;
  return n;
}

/** Steps over one value, or over the header of an array or map. @returns false: end of bytes, or too many */
function step(): boolean {
  text = -1;
  textEnd = -1;
  members = 0;
  isMap = false;
  if (--budget < 0 || pos >= b.length) return false;
  const c = b[pos++]!;
  if (c < 0x80 || c >= 0xe0 || c === 0xc0 || c === 0xc2 || c === 0xc3) return true;
  if (c < 0xa0) {
    isMap = c < 0x90;
    members = isMap ? (c & 15) * 2 : c & 15;
    return true;
  }
  if (c < 0xc0) return span(c & 31, true);
  const left = b.length - pos;
  if (c >= 0xd9 && c <= 0xdb) return left >= 1 << (c - 0xd9) && lengthThen(1 << (c - 0xd9), true, 0);
  if (c >= 0xc4 && c <= 0xc6) return left >= 1 << (c - 0xc4) && lengthThen(1 << (c - 0xc4), false, 0);
  if (c >= 0xc7 && c <= 0xc9) return left >= 1 << (c - 0xc7) && lengthThen(1 << (c - 0xc7), false, 1);
  if (c >= 0xcc && c <= 0xcf) return span(1 << (c - 0xcc), false);
  if (c >= 0xd0 && c <= 0xd3) return span(1 << (c - 0xd0), false);
  if (c === 0xca || c === 0xcb) return span(c === 0xca ? 4 : 8, false);
  if (c >= 0xd4 && c <= 0xd8) return span(1 + (1 << (c - 0xd4)), false);
  if (c >= 0xdc) {
    const width = c === 0xdc || c === 0xde ? 2 : 4;
    if (left < width) return false;
    isMap = c >= 0xde;
    members = uint(pos, width) * (isMap ? 2 : 1);
    pos += width;
    return true;
  }
  return false;
}

function lengthThen(width: number, isText: boolean, extra: number): boolean {
  const length = uint(pos, width) + extra;
  pos += width;
  return span(length, isText);
}

function span(length: number, isText: boolean): boolean {
  if (length > b.length - pos) return false;
  if (isText) {
    text = pos;
    textEnd = pos + length;
  }
  pos += length;
  return true;
}

/** Steps over whole values: `pending` of them, with all that is in them. */
function skip(pending: number): boolean {
  let n = pending;
  while (n > 0) {
    if (!step()) return false;
    n += members - 1;
  }
  return true;
}

/**
 * Reads the first argument of the event, if it is an object: ids, its `type`, and the same in the object under `data`.
 * Steps over all of it. @returns false: the budget or the bytes ended
 */
function readArgument(parts: Parts, level: number): boolean {
  if (!step()) return false;
  if (!isMap) return skip(members);
  let left = members;
  for (; left > 0; left -= 2) {
    if (!step()) return false;
    const key = text >= 0 ? keyOf(b, text, textEnd) : Key.Other;
    if (text < 0 && !skip(members)) return false;
    if (key === Key.Data && level === 0) {
      // One level down at most, so this is no recursion over the sender's depth.
      if (!readArgument(parts, 1)) return false;
      continue;
    }
    if (!step()) return false;
    if (text >= 0) note(parts, level, key);
    else if (!skip(members)) return false;
  }
  return true;
}

function note(parts: Parts, level: number, key: number): void {
  if (key === Key.MessageId && level === 0) {
    parts.message = text;
    parts.messageEnd = textEnd;
  } else if (key === Key.Type) {
    if (level === 0) {
      parts.type = text;
      parts.typeEnd = textEnd;
    } else {
      parts.sub = text;
      parts.subEnd = textEnd;
    }
  }
}

/** Reads the packet map. @returns false: not a packet (event still absent), or its end was not reached */
function readPacket(parts: Parts): boolean {
  if (!step() || !isMap) return false;
  let left = members;
  for (; left > 0; left -= 2) {
    if (!step() || text < 0) return false;
    if (equals(b, text, textEnd, K_TYPE)) {
      // 2 is EVENT. Other packets are not known to be published, so nothing is assumed about them.
      if (pos >= b.length) return false;
      if (b[pos] !== 2) parts.barrier = true;
      if (!skip(1)) return false;
    } else if (equals(b, text, textEnd, K_DATA)) {
      if (!step() || isMap || members === 0) return false;
      const rest = members - 1;
      if (!step() || text < 0) return false;
      parts.event = text;
      parts.eventEnd = textEnd;
      if (rest > 0 && !(readArgument(parts, 0) && skip(rest - 1))) return false;
    } else if (!skip(1)) {
      return false;
    }
  }
  return true;
}

/** @returns whether the payload is a broadcast of the adapter; if so `parts` says what is certain about it */
export function nameNodeMsgpack(payload: Buffer, parts: Parts): boolean {
  parts.clear(Shape.Other);
  b = payload;
  pos = 1;
  budget = MAX_VALUES;
  const known = walk(parts);
  b = K_TYPE; // the payload is not kept
  return known;
}

function walk(parts: Parts): boolean {
  if (b[0] !== 0x93 || !step() || text < 0) return false;
  parts.emitter = text;
  parts.emitterEnd = textEnd;
  if (readPacket(parts)) {
    const options = pos;
    if (!skip(1)) return parts.event >= 0 && budget < 0;
    if (pos !== b.length || parts.event < 0) return false;
    parts.address = options;
    parts.addressEnd = pos;
    return true;
  }
  // A packet that is cut short is refused; one that is only too long for the budget keeps its event.
  return parts.event >= 0 && budget < 0;
}
