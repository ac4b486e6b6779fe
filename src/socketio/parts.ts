/**
 * What a dialect reads out of a frame, and how a name is made of it. Stands between the dialects, which only find where
 * the parts lie, and `nameFrame`, which hands the name to the plane.
 *
 * One instance is reused for every frame; it holds offsets into the payload only, never bytes.
 */
import { addPart, addTag, begin, seal } from "./hash.js";
import { isUserRoom } from "./rooms.js";

export type Dialect = "python-json" | "python-pickle" | "node-msgpack";

/** The name of a frame: all that the plane needs to choose a stream, an order and a way of sending. */
export interface FrameName {
  dialect: Dialect;
  /** Identity of the stream, 1 … 2^53 - 1; 0 after a refusal. */
  stream: number;
  /** uint32 of the emitting process's id; 0 = unknown. */
  emitter: number;
  /** uint32 of the chat's id; 0 = unknown: the frame belongs to the order of all the emitter's chats. */
  chat: number;
  /** On the allow-list of frames that hold the whole message so far. */
  cumulative: boolean;
  /** Not an emit, or an emit that wants an answer, or one whose end could not be read: nothing may cross it. */
  barrier: boolean;
  /**
   * A final frame, or one that carries something beside the growing field. A newer frame never replaces it, even where
   * it is cumulative.
   */
  done: boolean;
  /** Where the room of a single user stands in the payload, if the frame is for that room alone (rooms.ts); else both 0. */
  roomAt: number;
  roomEnd: number;
}

/** How the payload is written. With the type and the field it makes an entry of the allow-list. */
export const Shape = { Spaced: 1, Compact: 2, Pickle: 4, Other: 8 } as const;
/** The growing field of a frame. */
export const Field = { None: 0, Content: 1, Output: 2 } as const;
/** The message's method. The four between Emit and Callback name their sender, Callback names its addressee. */
export const Method = { Emit: 0, Disconnect: 1, EnterRoom: 2, LeaveRoom: 3, CloseRoom: 4, Callback: 5 } as const;

const methodNames = ["emit", "disconnect", "enter_room", "leave_room", "close_room", "callback"].map((name) =>
  Buffer.from(name),
);

/** @returns the {@link Method} spelt by `bytes[start, end)`, or -1 */
export function methodOf(bytes: Buffer, start: number, end: number): number {
  for (let m = 0; m < methodNames.length; m++) if (equals(bytes, start, end, methodNames[m]!)) return m;
  return -1;
}

/** @returns whether `bytes[start, end)` is `word` */
export function equals(bytes: Buffer, start: number, end: number, word: Buffer): boolean {
  const length = word.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== word[i]) return false;
  return true;
}

/** @returns the offset behind `word` if `bytes` holds it at `at`, else -1. A negative `at` stays negative. */
export function expect(bytes: Buffer, at: number, word: Buffer): number {
  if (at < 0) return -1;
  const length = word.length;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== word[i]) return -1;
  return at + length;
}

/** Keys of the objects inside `data` that a name is made of. */
export const Key = { Other: 0, ChatId: 1, MessageId: 2, Type: 3, Data: 4, ItemId: 5, Content: 6, Output: 7, Done: 8 };

const K_CHAT_ID = Buffer.from("chat_id");
const K_CHAT_ID_CAMEL = Buffer.from("chatId");
const K_MESSAGE_ID = Buffer.from("message_id");
const K_MESSAGE_ID_CAMEL = Buffer.from("messageId");
const K_ITEM_ID = Buffer.from("item_id");
const K_CONTENT = Buffer.from("content");
const K_OUTPUT = Buffer.from("output");
const K_TYPE = Buffer.from("type");
const K_DATA = Buffer.from("data");
const K_DONE = Buffer.from("done");

/** @returns the {@link Key} spelt by `bytes[start, end)`; the length decides what is compared at all */
export function keyOf(bytes: Buffer, start: number, end: number): number {
  switch (end - start) {
    case 4:
      if (equals(bytes, start, end, K_TYPE)) return Key.Type;
      if (equals(bytes, start, end, K_DATA)) return Key.Data;
      return equals(bytes, start, end, K_DONE) ? Key.Done : Key.Other;
    case 6:
      if (equals(bytes, start, end, K_OUTPUT)) return Key.Output;
      return equals(bytes, start, end, K_CHAT_ID_CAMEL) ? Key.ChatId : Key.Other;
    case 7:
      if (equals(bytes, start, end, K_CHAT_ID)) return Key.ChatId;
      if (equals(bytes, start, end, K_CONTENT)) return Key.Content;
      return equals(bytes, start, end, K_ITEM_ID) ? Key.ItemId : Key.Other;
    case 9:
      return equals(bytes, start, end, K_MESSAGE_ID_CAMEL) ? Key.MessageId : Key.Other;
    case 10:
      return equals(bytes, start, end, K_MESSAGE_ID) ? Key.MessageId : Key.Other;
    default:
      return Key.Other;
  }
}

const EVENTS = Buffer.from("events");
const CHAT_COMPLETION = Buffer.from("chat:completion");
const DELTA_END = Buffer.from(".delta");

/**
 * The allow-list: in which shapes an `events` frame of type `chat:completion` with this field holds the whole message so
 * far. Each entry rests on real frames (every frame's text begins with the one before it, but for the reasoning block,
 * whose head changes when it ends, and for white space stripped at the end; the client replaces its text by the field):
 *
 * | field | shape | releases | consecutive frames compared |
 * |---|---|---|---|
 * | content | pickle | 0.6.34 | 1,797, all extend |
 * | content | JSON with spaces | 0.8.12, 0.9.5 | 3,516 extend, 303 change inside or after a reasoning or tool block |
 * | output | JSON with spaces | 0.10.2, 0.11.0 | grows at `output[i].content[0].text` |
 * | output | compact JSON | 0.12 snapshots to `chat:<id>` | 248, 243 extend; the other 5 are final frames |
 *
 * Not on it, on purpose: `response:completion` (its frames are increments), `chat:messages` (the messages of one
 * exchange, once per exchange), `message` and `chat:message:delta` (appended by the client), everything unknown.
 */
const allowed: readonly number[] = [0, Shape.Pickle | Shape.Spaced, Shape.Spaced | Shape.Compact];

/** Where the parts of one frame lie. A start of -1 means absent. */
export class Parts {
  shape: number = Shape.Other;
  method: number = Method.Emit;
  event = -1;
  eventEnd = -1;
  chat = -1;
  chatEnd = -1;
  message = -1;
  messageEnd = -1;
  type = -1;
  typeEnd = -1;
  /** `data.data.type`: which kind of `response:completion`. */
  sub = -1;
  subEnd = -1;
  item = -1;
  itemEnd = -1;
  field: number = Field.None;
  /** The innermost object holds something beside the growing field. */
  more = false;
  done = false;
  /**
   * The address (namespace, room, skip_sid) as written, from the first value to the last; -1 when the frame's end was not
   * understood. Where the writing depends on the rest of the frame (pickle), it is empty and `gathered` stands for it.
   */
  address = -1;
  addressEnd = -1;
  readonly gathered = { high: 0, low: 0 };
  /** A part of the address is given by reference to bytes that were not read. */
  vague = false;
  barrier = false;
  emitter = -1;
  emitterEnd = -1;
  /** The room, where it is one string in the namespace of all; -1: it is not. */
  room = -1;
  roomEnd = -1;

  /** Forgets the previous frame. */
  clear(shape: number): void {
    this.shape = shape;
    this.method = Method.Emit;
    this.event = -1;
    this.chat = -1;
    this.message = -1;
    this.type = -1;
    this.sub = -1;
    this.item = -1;
    this.field = Field.None;
    this.more = false;
    this.done = false;
    this.address = -1;
    this.gathered.high = 0;
    this.gathered.low = 0;
    this.vague = false;
    this.barrier = false;
    this.emitter = -1;
    this.room = -1;
  }
}

/** @returns whether the type that was read is the one that can be cumulative */
export function isCompletion(bytes: Buffer, parts: Parts): boolean {
  return parts.type >= 0 && equals(bytes, parts.type, parts.typeEnd, CHAT_COMPLETION);
}

/**
 * Makes the name. The identity holds channel, address (namespace, room, skip_sid), emitter, event, chat, message, type,
 * and three things that keep the frames of one stream alike. Measured on the captures with each stream's first frame as
 * base (cumulative ones against the previous frame), bytes behind the first frames:
 *
 * | identity also holds | 0.11.4 | 0.12.4, 8 chats | 0.9.5 | 0.9.5 tool round |
 * |---|---|---|---|---|
 * | nothing | 89,959 | 371,965 | 16,068 | 33,180 |
 * | sub-kind (`data.data.type`) | 12,218 | 83,206 | 16,068 | 33,180 |
 * | sub-kind and growing field (chosen) | 10,184 | 80,476 | 16,426 | 26,333 |
 *
 * The field also keeps frames that hold only usage or choices from breaking a cumulative stream's chain. `item_id`
 * belongs to the identity of `….delta` sub-kinds only: with two items of 300 tokens 7.3 KB instead of 26.8 KB, with items
 * of 20 tokens 15.8 instead of 45.8; the other sub-kinds come once an item, where a stream each would only cost bases.
 */
export function nameOf(dialect: Dialect, channel: Buffer, payload: Buffer, parts: Parts, out: FrameName): void {
  const p = parts;
  begin();
  addPart(1, channel, 0, channel.length);
  addTag(p.method);
  const emitter = p.emitter < 0 ? 0 : addPart(2, payload, p.emitter, p.emitterEnd);
  let chat = 0;
  if (p.event >= 0) addPart(3, payload, p.event, p.eventEnd);
  if (p.address >= 0) {
    addPart(4, payload, p.address, p.addressEnd);
    addTag(p.gathered.high);
    addTag(p.gathered.low);
  }
  if (p.chat >= 0) chat = addPart(5, payload, p.chat, p.chatEnd);
  if (p.message >= 0) addPart(6, payload, p.message, p.messageEnd);
  if (p.type >= 0) addPart(7, payload, p.type, p.typeEnd);
  if (p.sub >= 0) {
    addPart(8, payload, p.sub, p.subEnd);
    if (p.item >= 0 && p.subEnd - p.sub > 6 && equals(payload, p.subEnd - 6, p.subEnd, DELTA_END)) {
      addPart(9, payload, p.item, p.itemEnd);
    }
  }
  addTag(p.field);
  out.dialect = dialect;
  out.stream = seal();
  out.emitter = emitter;
  out.barrier = p.barrier || p.method !== Method.Emit;
  // Behind a barrier all is ordered anyway; a chat would only claim more than is known.
  out.chat = out.barrier ? 0 : chat;
  out.cumulative =
    p.field !== Field.None &&
    (allowed[p.field]! & p.shape) !== 0 &&
    p.address >= 0 &&
    !p.vague &&
    !out.barrier &&
    emitter !== 0 &&
    chat !== 0 &&
    p.message >= 0 &&
    equals(payload, p.event, p.eventEnd, EVENTS);
  out.done = p.done || (p.field !== Field.None && p.more);
  const user = p.room >= 0 && p.method === Method.Emit && isUserRoom(payload, p.room, p.roomEnd);
  out.roomAt = user ? p.room : 0;
  out.roomEnd = user ? p.roomEnd : 0;
}
