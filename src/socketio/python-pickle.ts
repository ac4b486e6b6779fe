/**
 * The pickles of python-socketio up to 5.13 (protocol 4 from Python 3.8 on; 2, 3 and 5 are read as well). One of the
 * dialects behind `nameFrame`.
 *
 * An emit is the pickle of {method, event, data, namespace, room, skip_sid, callback, host_id}, in this order. Nothing is
 * unpickled: opcodes are stepped over, long strings by their length, so that a frame's cost is the number of its values
 * and not its size.
 *
 * Opcode boundaries are certain from the first byte on, so the text of a string can never be taken for structure. After
 * too many opcodes the stepping is given up and the tail is looked for from the end, from a `namespace` key:
 *  - protocol 4 and 5: the key's opcode is followed by MEMOIZE, 0x94, which is no UTF-8 behind a letter, so no str holds
 *    these bytes. A bytes object could; the true key stands behind it and is found first.
 *  - protocols 2 and 3: a str can hold such bytes, but again the true key is found first, unless a room imitates it.
 *  - in each case the walk from there must end with the payload, over an emitter of 32 hexadecimal digits, so that
 *    emitter and barrier are those of the payload's true last members; a forged address only chooses another stream,
 *    and such a frame is never called cumulative.
 */
import { gather } from "./hash.js";
import { equals, Field, isCompletion, Key, keyOf, Method, methodOf, type Parts, Shape } from "./parts.js";
import { Op, PickleCursor } from "./pickle-cursor.js";

const TAIL_BYTES = 4096;
const MAX_TAIL_VALUES = 512;
const HOST_LENGTH = 32;

const K_METHOD = Buffer.from("method");
const K_EVENT = Buffer.from("event");
const K_DATA = Buffer.from("data");
const K_NAMESPACE = Buffer.from("namespace");
const K_ROOM = Buffer.from("room");
const K_SKIP_SID = Buffer.from("skip_sid");
const K_CALLBACK = Buffer.from("callback");
const K_HOST_ID = Buffer.from("host_id");

const at = new PickleCursor();

/** Tags that keep the values of an address apart. */
const Value = { Text: 1, Unknown: 2, Other: 3, List: 4, End: 5 } as const;

/** Steps over an address value: str, None, number, or a list of these. @returns false: something else */
function address(parts: Parts): boolean {
  if (!at.step()) return false;
  if (at.op !== Op.EmptyList) return simple(parts);
  gather(parts.gathered, Value.List, at.bytes, 0, 0);
  if (at.peek() === Op.Mark) {
    at.pos++;
    for (let n = 0; at.peek() !== Op.Appends; n++) {
      if (n >= MAX_TAIL_VALUES || !at.step() || !simple(parts)) return false;
    }
    at.pos++;
  } else {
    // One item and APPEND; or nothing, then the next key follows.
    const { pos, memoNext } = at;
    if (at.step() && at.peek() === Op.Append && simple(parts)) {
      at.pos++;
    } else {
      at.pos = pos;
      at.memoNext = memoNext;
    }
  }
  gather(parts.gathered, Value.End, at.bytes, 0, 0);
  return true;
}

/** Adds the value just stepped over to the address; a reference counts as what it stands for. @returns false: not simple */
function simple(parts: Parts): boolean {
  if (at.text >= 0) {
    gather(parts.gathered, Value.Text, at.bytes, at.text, at.textEnd);
  } else {
    if (at.reference) parts.vague = true;
    gather(parts.gathered, at.reference ? Value.Unknown : Value.Other, at.bytes, at.start, at.end);
  }
  return at.isScalar();
}

/** Reads from behind the `namespace` key to the payload's last byte. @returns whether all of it fits */
function tailFrom(start: number, parts: Parts): boolean {
  const b = at.bytes;
  at.pos = start;
  at.steps = -MAX_TAIL_VALUES;
  parts.vague = false;
  parts.gathered.high = 0;
  parts.gathered.low = 0;
  if (!address(parts) || !at.word(K_ROOM) || !address(parts) || !at.word(K_SKIP_SID) || !address(parts)) return false;
  // A frame with a callback holds a tuple here and is named by its emitter alone: it is a barrier in any case.
  if (!at.word(K_CALLBACK) || !at.step() || at.op !== Op.None) return false;
  // The emitter must stand here, not be referred to: see the file's head.
  if (!at.word(K_HOST_ID) || !at.step() || at.reference || !isHex(b, at.text, at.textEnd)) return false;
  if (b[at.pos] !== Op.SetItems || b[at.pos + 1] !== Op.Stop || at.pos + 2 !== b.length) return false;
  parts.address = start;
  parts.addressEnd = start;
  parts.emitter = at.text;
  parts.emitterEnd = at.textEnd;
  return true;
}

function isHex(b: Buffer, start: number, end: number): boolean {
  if (start < 0 || end - start !== HOST_LENGTH) return false;
  for (let i = start; i < end; i++) {
    const c = b[i]!;
    if (!((c >= 0x30 && c <= 0x39) || (c >= 0x61 && c <= 0x66))) return false;
  }
  return true;
}

/** @returns whether the text at `start` is written in full there: a str opcode with this length stands before it */
function writtenOut(b: Buffer, start: number, length: number): boolean {
  if (start < 5) return false;
  if (b[start - 1] === length && b[start - 2] === Op.ShortBinUnicode) return true;
  return b[start - 5] === Op.BinUnicode && at.u32(start - 4) === length;
}

/** Finds the emitter where it must be the last member: a str of 32 hexadecimal digits, its memo opcode, SETITEMS, STOP. */
function emitterAtEnd(b: Buffer, parts: Parts): boolean {
  const last = b.length - 2;
  if (b[last] !== Op.SetItems || b[last + 1] !== Op.Stop) return false;
  for (const memo of memoSizes) {
    const end = last - memo;
    if (memo === 1 && b[end] !== Op.Memoize) continue;
    if (memo === 2 && b[end] !== Op.BinPut) continue;
    if (memo === 5 && b[end] !== Op.LongBinPut) continue;
    const start = end - HOST_LENGTH;
    if (!isHex(b, start, end) || !writtenOut(b, start, HOST_LENGTH)) continue;
    parts.emitter = start;
    parts.emitterEnd = end;
    return true;
  }
  return false;
}
const memoSizes: readonly number[] = [1, 2, 5];

/** Looks for the last `namespace` key that is written out, and reads the tail from there. */
function tailFromEnd(from: number, parts: Parts): boolean {
  const b = at.bytes;
  const stop = Math.max(from, b.length - TAIL_BYTES);
  for (let i = b.length - K_NAMESPACE.length; i >= stop; i--) {
    if (b[i] !== 0x6e || !equals(b, i, i + K_NAMESPACE.length, K_NAMESPACE)) continue;
    if (!writtenOut(b, i, K_NAMESPACE.length)) continue;
    at.memoNext = -1;
    at.pos = i + K_NAMESPACE.length;
    at.absorbMemo();
    return tailFrom(at.pos, parts);
  }
  return false;
}

/** Enters the dict just stepped over. @returns whether it is written as several entries, behind a mark */
function enter(): boolean {
  if (at.peek() !== Op.Mark) return false;
  at.pos++;
  return true;
}

/**
 * Reads the members of `data` and of the dicts under its `data` keys, up to the first growing field. The cursor is left
 * behind the last member that was understood.
 */
function readHead(b: Buffer, parts: Parts): void {
  let level = 0;
  let several = enter();
  let pos = at.pos;
  let memo = at.memoNext;
  while (at.step() && at.text >= 0) {
    const key = keyOf(b, at.text, at.textEnd);
    if (!at.step()) break;
    if (at.op === Op.EmptyDict && several && key === Key.Data && level < 2) {
      level++;
      several = enter();
    } else {
      const isText = at.text >= 0;
      // Without a mark there is one entry, ended by SETITEM; or none, then this key was one of the dict around it.
      if (!several && at.peek() !== Op.SetItem) break;
      if (level === 2 && key === Key.Content && isText && isCompletion(b, parts)) {
        parts.field = Field.Content;
        parts.more = several;
        break;
      }
      if (!at.isScalar()) break;
      if (level === 2 && key === Key.Done && at.op === Op.True) parts.done = true;
      if (isText) note(parts, level, key);
    }
    pos = at.pos;
    memo = at.memoNext;
  }
  at.pos = pos;
  at.memoNext = memo;
}

/** Keeps the place of the text just stepped over if it names something. */
function note(parts: Parts, level: number, key: number): void {
  if (level === 0) {
    if (key === Key.ChatId) {
      parts.chat = at.text;
      parts.chatEnd = at.textEnd;
    } else if (key === Key.MessageId) {
      parts.message = at.text;
      parts.messageEnd = at.textEnd;
    }
  } else if (key === Key.Type) {
    if (level === 1) {
      parts.type = at.text;
      parts.typeEnd = at.textEnd;
    } else {
      parts.sub = at.text;
      parts.subEnd = at.textEnd;
    }
  } else if (key === Key.ItemId && level === 2) {
    parts.item = at.text;
    parts.itemEnd = at.textEnd;
  }
}

/**
 * Steps on to a `namespace` key from which the tail fits. A key of an inner dict does not fit, because the payload would
 * have to end with that dict.
 */
function readOn(parts: Parts): boolean {
  while (!at.ended() && at.step()) {
    if (!at.textIs(K_NAMESPACE)) continue;
    const { pos, memoNext, steps } = at;
    if (tailFrom(pos, parts)) return true;
    at.pos = pos;
    at.memoNext = memoNext;
    at.steps = steps;
    at.op = 0;
    at.broken = false;
  }
  return false;
}

function walk(b: Buffer, parts: Parts): boolean {
  const protocol = b[1]!;
  if (b[0] !== Op.Proto || !(protocol >= 2 && protocol <= 5)) return false;
  at.open(b);
  if (!at.step() || at.op !== Op.EmptyDict || !enter()) return false;
  if (!at.word(K_METHOD) || !at.step() || at.text < 0) return false;
  const method = methodOf(b, at.text, at.textEnd);
  if (method < 0) return false;
  parts.method = method;
  if (method !== Method.Emit) {
    if (method !== Method.Callback) emitterAtEnd(b, parts);
    return b[b.length - 1] === Op.Stop;
  }
  if (!at.word(K_EVENT) || !at.step() || at.text < 0) return false;
  parts.event = at.text;
  parts.eventEnd = at.textEnd;
  if (!at.word(K_DATA)) return false;
  const data = at.pos;
  if (at.peek() === Op.EmptyDict && at.step()) readHead(b, parts);
  if (readOn(parts)) return true;
  if (at.broken || (at.ended() && at.pos !== b.length)) return false;
  // Not all was stepped over: what is found from the end is good for a name, not for throwing older frames away.
  if (!at.ended() && tailFromEnd(data, parts)) {
    parts.vague = true;
    return true;
  }
  parts.barrier = true;
  return emitterAtEnd(b, parts);
}

/** @returns whether the payload is a message of python-socketio; if so `parts` says what is certain about it */
export function namePythonPickle(payload: Buffer, parts: Parts): boolean {
  parts.clear(Shape.Pickle);
  const known = walk(payload, parts);
  at.close();
  return known;
}
