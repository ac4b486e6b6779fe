/**
 * Finds the boundaries of the replies that the server sends to one app: upstream -> here -> proxy/reply -> app. The
 * bytes themselves pass untouched; the scanner only says where one top-level value ends, of which type it is, and
 * whether it is a pub/sub message, so that our own replies can be put in between.
 *
 * It keeps no bytes, and needs no stack: for boundaries alone it is enough to count the values still to come. So of
 * the limits only that on lines applies; a value of any size or depth passes, as it would without us, at the cost of
 * a few integers.
 */

import { type KeyframeError, LimitError, ProtocolError } from "../core/errors.js";
import type { RespLimits } from "../core/limits.js";
import { LengthLine, MORE, STREAMED } from "./length-line.js";
import { Type } from "./reply.js";
import { longestReplyHead, ReplyHead, replyHeadOf } from "./reply-head.js";

// Where the next byte stands.
const TYPE = 0;
const LINE = 1;
const LINE_FEED = 2;
const LENGTH = 3;
const BODY = 4;

/** What follows a type byte. 0 = no RESP type. */
const OTHER_SHAPE = 0;
const LINE_SHAPE = 1;
const BULK_SHAPE = 2;
const ARRAY_SHAPE = 3;
const PAIRS_SHAPE = 4;

const shapes = new Uint8Array(256).fill(OTHER_SHAPE);
for (const type of [Type.Simple, Type.Error, Type.Integer, Type.Null, Type.Boolean, Type.Double, Type.BigNumber]) {
  shapes[type] = LINE_SHAPE;
}
for (const type of [Type.Bulk, Type.BulkError, Type.Verbatim]) shapes[type] = BULK_SHAPE;
for (const type of [Type.Array, Type.Set, Type.Push]) shapes[type] = ARRAY_SHAPE;
for (const type of [Type.Map, Type.Attribute]) shapes[type] = PAIRS_SHAPE;

const CR = 0x0d;
const LF = 0x0a;
/** Most elements that one header may announce. */
const MAX_ELEMENTS = 0x7fffffff;
/** A line is searched this far by hand before `indexOf`, whose call costs more than a short line. */
const SHORT_LINE = 48;
const NO_BYTES = Buffer.alloc(0);

export class ReplyScanner {
  // About the value that has just ended: valid from next() = true until the following next().

  /** First byte of the value; of a value with attributes, the value's own. */
  type = 0;
  /** One of `ReplyHead`: the first word of an array or push. */
  head: number = ReplyHead.None;
  /** Offsets in the current chunk, attributes included; `start` is 0 if `continued`. */
  start = 0;
  end = 0;
  /** The value began in an earlier chunk. */
  continued = false;

  // About a value that has begun and not ended: valid after next() = false.

  open = false;

  readonly #maxLineBytes: number;
  readonly #line: LengthLine;
  #failure: KeyframeError | null = null;
  #chunk: Buffer = NO_BYTES;
  #size = 0;
  #pos = 0;
  #state = TYPE;
  /** Type byte of the value at hand, at any depth. */
  #current = 0;
  /** Values that have been announced and not begun. */
  #remaining = 0;
  /** `#remaining` at which the value that begins is the first element of the top-level aggregate; -1 = not awaited. */
  #headAt = -1;
  /** The string at hand is that first element. */
  #atHead = false;
  /** What earlier chunks had of it. */
  readonly #word = Buffer.alloc(longestReplyHead);
  #worded = 0;
  /** Bytes of the current bulk still to come, CRLF included. */
  #left = 0;
  /** Bytes of the current line in earlier chunks. */
  #lineBytes = 0;

  constructor(limits: Pick<RespLimits, "maxLineBytes">) {
    this.#maxLineBytes = limits.maxLineBytes;
    this.#line = new LengthLine(limits.maxLineBytes);
  }

  /** Offset in the current chunk where the open value began; 0 when it began earlier. */
  get openStart(): number {
    return this.start;
  }

  /** Type of the open value; 0 until its first byte (behind any attributes) has come. */
  get openType(): number {
    return this.open ? this.type : 0;
  }

  /** Head of the open value; `None` until it is known. */
  get openHead(): number {
    return this.open ? this.head : ReplyHead.None;
  }

  /**
   * Hands in the next bytes from the server; the previous chunk must have been drained. Nothing of it is kept.
   * @throws ProtocolError, LimitError the failure of an earlier call, again
   */
  write(chunk: Buffer): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#pos < this.#size) throw new Error("ReplyScanner.write: the previous chunk has not been drained");
    if (this.open) {
      this.continued = true;
      this.start = 0;
    }
    this.#chunk = chunk;
    this.#size = chunk.length;
    this.#pos = 0;
  }

  /**
   * Advances to the end of the next top-level value. True: its fields are valid. False: the chunk is used up.
   * @throws ProtocolError what no RESP server sends (streamed types included); every later call throws it again
   * @throws LimitError a line over `maxLineBytes`
   */
  next(): boolean {
    if (this.#failure !== null) throw this.#failure;
    const chunk = this.#chunk;
    const size = this.#size;
    let pos = this.#pos;
    let state = this.#state;
    if (!this.open) {
      if (pos >= size) return this.#idle();
      this.open = true;
      this.continued = false;
      this.start = pos;
      this.type = 0;
      this.head = ReplyHead.None;
      this.#remaining = 1;
      this.#headAt = -1;
      state = TYPE;
    }
    for (;;) {
      if (state === TYPE) {
        if (pos >= size) return this.#suspend(TYPE);
        state = this.#begin(chunk[pos++]!);
      }
      if (state === BODY) {
        pos = this.#body(pos, false);
        if (pos < 0) return this.#suspend(BODY);
      } else if (state === LENGTH) {
        pos = this.#line.read(chunk, pos, size);
        if (pos === MORE) return this.#suspend(LENGTH);
        if (pos < 0) this.#malformedLength(pos);
        if (this.#counted(this.#line.value)) {
          pos = this.#body(pos, true);
          if (pos < 0) return this.#suspend(BODY);
        }
      } else {
        if (state === LINE) {
          pos = this.#lineEnd(pos);
          if (pos < 0) return this.#suspend(LINE);
          pos++;
        }
        if (pos >= size) return this.#suspend(LINE_FEED);
        if (chunk[pos++] !== LF) this.#fail("expected LF behind CR");
      }
      if (this.#remaining === 0) {
        this.open = false;
        this.#pos = pos;
        this.end = pos;
        return true;
      }
      state = TYPE;
    }
  }

  /** A value begins: notes what it is, returns the state that reads it. */
  #begin(type: number): number {
    const shape = shapes[type]!;
    if (shape === OTHER_SHAPE) this.#fail(`unknown reply type 0x${type.toString(16).padStart(2, "0")}`);
    this.#current = type;
    this.#atHead = false;
    // An attribute is no value of its own: it stands in front of one.
    if (type !== Type.Attribute) {
      if (this.type === 0 && this.#remaining === 1) this.type = type;
      else if (this.#remaining === this.#headAt) {
        this.#headAt = -1;
        if (type === Type.Bulk || type === Type.Simple) {
          this.#atHead = true;
          this.#worded = 0;
        } else this.head = ReplyHead.Other;
      }
      this.#remaining--;
    }
    if (shape !== LINE_SHAPE) return LENGTH;
    this.#lineBytes = 0;
    return LINE;
  }

  /** A length or count has been read. True: that many bytes follow; false: elements, or nothing. */
  #counted(n: number): boolean {
    const type = this.#current;
    const shape = shapes[type]!;
    if (shape === BULK_SHAPE) {
      if (n >= 0) {
        this.#left = n + 2;
        return true;
      }
      if (n !== -1 || type !== Type.Bulk) this.#fail("invalid bulk length");
      if (this.#atHead) this.head = ReplyHead.Other;
      return false;
    }
    const top = (type === Type.Array || type === Type.Push) && this.#remaining === 0;
    if (n > MAX_ELEMENTS || (n < 0 && (n !== -1 || type !== Type.Array))) this.#fail("invalid multibulk length");
    if (n > 0) this.#remaining += shape === PAIRS_SHAPE ? 2 * n : n;
    if (this.#remaining > Number.MAX_SAFE_INTEGER) this.#fail("invalid multibulk length");
    if (top && this.type === type && this.head === ReplyHead.None && this.#headAt < 0) {
      if (n > 0) this.#headAt = this.#remaining;
      else this.head = ReplyHead.Other;
    }
    return false;
  }

  /** Passes over a bulk's bytes. Returns the offset behind its CRLF, or -1 when the chunk has ended first. */
  #body(pos: number, fresh: boolean): number {
    const chunk = this.#chunk;
    const size = this.#size;
    const left = this.#left;
    const stop = pos + left;
    if (stop > size) {
      if (this.#atHead) this.#keepWord(pos, Math.min(size, Math.max(pos, stop - 2)));
      if (left > 1 && stop - 1 === size && chunk[size - 1] !== CR) this.#unterminated();
      this.#left = stop - size;
      return -1;
    }
    if (chunk[stop - 1] !== LF || (left > 1 && chunk[stop - 2] !== CR)) this.#unterminated();
    if (this.#atHead) this.#nameHead(pos, Math.max(pos, stop - 2), fresh);
    return stop;
  }

  /** Finds the CR of a line. Returns its offset, or -1 when the chunk has ended first. */
  #lineEnd(pos: number): number {
    const chunk = this.#chunk;
    const size = this.#size;
    const near = size - pos > SHORT_LINE ? pos + SHORT_LINE : size;
    let p = pos;
    while (p < near && chunk[p] !== CR) p++;
    if (p === near && p < size) {
      p = chunk.indexOf(CR, p);
      if (p < 0) p = size;
    }
    const before = this.#lineBytes;
    this.#lineBytes += p - pos;
    if (this.#lineBytes >= this.#maxLineBytes) this.#tooLongLine();
    if (p < size) {
      if (this.#atHead) this.#nameHead(pos, p, before === 0);
      return p;
    }
    if (this.#atHead) this.#keepWord(pos, size);
    return -1;
  }

  /** The first word is complete; its last (or only) piece is `[from, to)` of this chunk. */
  #nameHead(from: number, to: number, whole: boolean): void {
    if (whole) {
      this.head = replyHeadOf(this.#chunk, from, to);
      return;
    }
    this.#keepWord(from, to);
    this.head = this.#worded > longestReplyHead ? ReplyHead.Other : replyHeadOf(this.#word, 0, this.#worded);
  }

  #keepWord(from: number, to: number): void {
    if (this.#worded < longestReplyHead) this.#chunk.copy(this.#word, this.#worded, from, to);
    this.#worded += to - from;
  }

  #suspend(state: number): boolean {
    this.#state = state;
    this.#pos = this.#size;
    this.#chunk = NO_BYTES;
    return false;
  }

  #idle(): boolean {
    this.#chunk = NO_BYTES;
    return false;
  }

  #malformedLength(result: number): never {
    if (result === STREAMED) this.#fail("streamed types are not supported");
    const bulk = shapes[this.#current] === BULK_SHAPE;
    this.#fail(bulk ? "invalid bulk length" : "invalid multibulk length");
  }

  #unterminated(): never {
    this.#fail("expected CRLF behind a bulk string");
  }

  #tooLongLine(): never {
    this.#failure = new LimitError("maxLineBytes", `a reply line is over maxLineBytes (${this.#maxLineBytes})`);
    throw this.#failure;
  }

  #fail(message: string): never {
    this.#failure = new ProtocolError(message);
    throw this.#failure;
  }
}
