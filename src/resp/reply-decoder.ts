/**
 * Turns what the server answers to keyframe itself into values: upstream -> trunk, discovery -> here. Replies to
 * apps do not come this way (see `reply-scanner.ts`).
 *
 * Iterative, with a stack of its own: nesting costs a slot of an array, not of the machine's stack, and ends at
 * `maxDepth`. Nothing is allocated for what a header announces, only for what has arrived.
 */

import { LimitError, ProtocolError } from "../core/errors.js";
import type { RespLimits } from "../core/limits.js";
import { Kept } from "./kept.js";
import { LengthLine, MORE, STREAMED, TOO_LONG } from "./length-line.js";
import { type Reply, ReplyError, ReplyMap, ReplyPush, ReplySet, ReplyVerbatim, Type } from "./reply.js";
import { lineValue } from "./reply-line.js";

export * from "./reply.js";

// Where the next byte stands.
const TYPE = 0;
const LINE = 1;
const LINE_FEED = 2;
const LENGTH = 3;
const BODY = 4;

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
/** `txt:` in front of the text of a verbatim string. */
const FORMAT_BYTES = 4;

/** An aggregate whose elements are arriving. */
interface Open {
  readonly type: number;
  readonly items: Reply[];
  /** Elements still to come; a map's keys and values count one each. */
  left: number;
}

export class ReplyDecoder {
  readonly #limits: RespLimits;
  readonly #onReply: (reply: Reply) => void;
  readonly #line: LengthLine;
  readonly #stack: Open[] = [];
  #state = TYPE;
  #type = 0;
  /** What earlier chunks had of the current line or bulk. */
  readonly #kept = new Kept();
  /** Bytes of the current bulk still to come, CRLF included. */
  #left = 0;
  #failure: unknown = null;

  /**
   * @param onReply gets each top-level value, in order, during `write`. A Buffer in it is a *view* of the chunk where
   * the bulk lay wholly within one chunk, else a fresh copy: whoever keeps it beyond the call copies it, because a
   * view holds the whole chunk's memory. It must not throw and must not call `write`.
   */
  constructor(limits: RespLimits, onReply: (reply: Reply) => void) {
    this.#limits = limits;
    this.#onReply = onReply;
    this.#line = new LengthLine(limits.maxLineBytes);
  }

  /**
   * Decodes `chunk` and hands out every value that ends in it. Its memory must not be overwritten while a value that
   * began in it is incomplete.
   * @throws ProtocolError malformed input; streamed types (`$?`, `*?`) count as such
   * @throws LimitError `maxBulkBytes`, `maxArgs` (elements of one aggregate), `maxDepth`, `maxLineBytes`, at the header
   * After an error every later call throws it again.
   */
  write(chunk: Buffer): void {
    if (this.#failure !== null) throw this.#failure;
    try {
      this.#decode(chunk);
    } catch (error) {
      this.#failure = error;
      this.#stack.length = 0;
      this.#kept.clear();
      throw error;
    }
  }

  #decode(chunk: Buffer): void {
    const size = chunk.length;
    let pos = 0;
    while (pos < size) {
      switch (this.#state) {
        case TYPE:
          this.#state = this.#begin(chunk[pos++]!);
          break;
        case LENGTH:
          pos = this.#line.read(chunk, pos, size);
          if (pos === MORE) return;
          if (pos < 0) this.#malformedLength(pos);
          this.#counted(this.#line.value);
          break;
        case BODY:
          pos = this.#body(chunk, pos);
          break;
        case LINE:
          pos = this.#lineText(chunk, pos);
          break;
        default:
          // LINE_FEED: the line is in `#kept`, its CR was the last byte of a chunk.
          if (chunk[pos++] !== LF) fail("expected LF behind CR");
          this.#lineEnded(this.#joined(chunk, 0, 0));
      }
    }
  }

  /** Notes the type of the value that begins; returns the state that reads it. */
  #begin(type: number): number {
    this.#type = type;
    switch (type) {
      case Type.Simple:
      case Type.Error:
      case Type.Integer:
      case Type.Null:
      case Type.Boolean:
      case Type.Double:
      case Type.BigNumber:
        return LINE;
      case Type.Bulk:
      case Type.BulkError:
      case Type.Verbatim:
      case Type.Array:
      case Type.Map:
      case Type.Set:
      case Type.Push:
      case Type.Attribute:
        return LENGTH;
      default:
        return fail(`unknown reply type 0x${type.toString(16).padStart(2, "0")}`);
    }
  }

  #counted(n: number): void {
    const type = this.#type;
    this.#state = TYPE;
    if (type === Type.Bulk || type === Type.BulkError || type === Type.Verbatim) {
      if (n === -1 && type === Type.Bulk) {
        this.#emit(null);
        return;
      }
      if (n < 0 || (type === Type.Verbatim && n < FORMAT_BYTES)) fail("invalid bulk length");
      const most = this.#limits.maxBulkBytes;
      if (n > most) throw new LimitError("maxBulkBytes", `a reply of ${n} bytes is over maxBulkBytes (${most})`);
      this.#left = n + 2;
      this.#state = BODY;
      return;
    }
    if (n === -1 && type === Type.Array) {
      this.#emit(null);
      return;
    }
    if (n < 0) fail("invalid multibulk length");
    const { maxArgs, maxDepth } = this.#limits;
    if (n > maxArgs) throw new LimitError("maxArgs", `a reply of ${n} elements is over maxArgs (${maxArgs})`);
    if (n === 0) {
      if (type !== Type.Attribute) this.#emit(aggregate(type, []));
      return;
    }
    if (this.#stack.length >= maxDepth) {
      throw new LimitError("maxDepth", `a reply is nested deeper than maxDepth (${maxDepth})`);
    }
    this.#stack.push({ type, items: [], left: type === Type.Map || type === Type.Attribute ? 2 * n : n });
  }

  #body(chunk: Buffer, pos: number): number {
    const size = chunk.length;
    const left = this.#left;
    const stop = pos + left;
    if (stop > size) {
      this.#kept.append(chunk, pos, Math.min(size, Math.max(pos, stop - 2)));
      if (left > 1 && stop - 1 === size && chunk[size - 1] !== CR) fail("expected CRLF behind a bulk string");
      this.#left = stop - size;
      return size;
    }
    if (chunk[stop - 1] !== LF || (left > 1 && chunk[stop - 2] !== CR)) fail("expected CRLF behind a bulk string");
    this.#state = TYPE;
    this.#emit(this.#bulk(this.#joined(chunk, pos, Math.max(pos, stop - 2))));
    return stop;
  }

  #bulk(bytes: Buffer): Reply {
    if (this.#type === Type.Bulk) return bytes;
    if (this.#type === Type.BulkError) return new ReplyError(bytes.toString());
    if (bytes[FORMAT_BYTES - 1] !== COLON) fail("invalid verbatim string");
    return new ReplyVerbatim(bytes.toString("latin1", 0, FORMAT_BYTES - 1), bytes.subarray(FORMAT_BYTES));
  }

  #lineText(chunk: Buffer, pos: number): number {
    const at = chunk.indexOf(CR, pos);
    const stop = at < 0 ? chunk.length : at;
    const most = this.#limits.maxLineBytes;
    if (this.#kept.length + stop - pos >= most) {
      throw new LimitError("maxLineBytes", `a reply line is over maxLineBytes (${most})`);
    }
    if (at < 0 || at + 1 === chunk.length) {
      this.#kept.append(chunk, pos, stop);
      if (at >= 0) this.#state = LINE_FEED;
      return chunk.length;
    }
    if (chunk[at + 1] !== LF) fail("expected LF behind CR");
    this.#lineEnded(this.#joined(chunk, pos, at));
    return at + 2;
  }

  #lineEnded(text: Buffer): void {
    this.#state = TYPE;
    this.#emit(lineValue(this.#type, text));
  }

  /** `chunk[start, end)` behind what earlier chunks had: a view where they had nothing. */
  #joined(chunk: Buffer, start: number, end: number): Buffer {
    if (this.#kept.length === 0) return chunk.subarray(start, end);
    const joined = this.#kept.join(chunk, start, end);
    this.#kept.clear();
    return joined;
  }

  /** A value is complete: it goes to its aggregate, which it may complete in turn, or out. */
  #emit(complete: Reply): void {
    let value = complete;
    for (;;) {
      const open = this.#stack[this.#stack.length - 1];
      if (open === undefined) {
        this.#onReply(value);
        return;
      }
      open.items.push(value);
      if (--open.left > 0) return;
      this.#stack.pop();
      // An attribute is no value: the one behind it takes its place.
      if (open.type === Type.Attribute) return;
      value = aggregate(open.type, open.items);
    }
  }

  #malformedLength(result: number): never {
    if (result === STREAMED) return fail("streamed types are not supported");
    const bulk = this.#type === Type.Bulk || this.#type === Type.BulkError || this.#type === Type.Verbatim;
    if (result === TOO_LONG) return fail(`too big ${bulk ? "bulk" : "mbulk"} count string`);
    return fail(bulk ? "invalid bulk length" : "invalid multibulk length");
  }
}

function aggregate(type: number, items: Reply[]): Reply {
  switch (type) {
    case Type.Map: {
      const entries: [Reply, Reply][] = [];
      for (let i = 0; i < items.length; i += 2) entries.push([items[i]!, items[i + 1]!]);
      return new ReplyMap(entries);
    }
    case Type.Set:
      return new ReplySet(items);
    case Type.Push:
      return new ReplyPush(items);
    default:
      return items;
  }
}

function fail(message: string): never {
  throw new ProtocolError(message);
}
