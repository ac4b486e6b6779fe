/**
 * Finds the requests in what an app sends: app -> proxy/session -> here -> plane/classify. Every byte of every app
 * connection goes through this file, so the common case (small requests, whole within a chunk) is a scan over
 * integers: no string, no object, no allocation per request.
 *
 * The decoder keeps bytes only of a request that a chunk boundary has cut; `release()` frees even those. It is as strict as Redis or stricter: were we to read a malformed request otherwise than
 * the server does, the two would disagree on where the next one begins, and one app's payload could become a command.
 */

import { type KeyframeError, LimitError, ProtocolError } from "../core/errors.js";
import type { RespLimits } from "../core/limits.js";
import { Command, commandOf, longestCommandName } from "./command.js";
import { splitInline } from "./inline.js";
import { Kept } from "./kept.js";
import { LengthLine, MORE } from "./length-line.js";
import { badLength, expectedDollar, tooLongBulk, tooManyArgs, unterminated } from "./request-errors.js";

// Where the next byte stands in a request.
const BOUNDARY = 0;
const INLINE = 1;
const COUNT = 2;
const DOLLAR = 3;
const LENGTH = 4;
const BODY = 5;

const STAR = 0x2a;
const DOLLAR_SIGN = 0x24;
const CR = 0x0d;
const LF = 0x0a;

/** Argument positions are 32-bit, so a request that is being kept may not reach beyond. */
const MAX_KEPT_BYTES = 0x7fffffff;
/** Room for positions (two per argument) that stays allocated between requests. */
const SPANS_RETAINED = 2 * 512;
const NO_BYTES = Buffer.alloc(0);

export class RequestDecoder {
  // About the request that has just ended: valid from next() = true until the following next().

  /** One of `Command`, by argument 0. */
  command: number = Command.None;
  /** Number of arguments, the command's name included; 0 for an empty request. */
  argc = 0;
  /** The request began in an earlier chunk. */
  continued = false;
  /** Offsets in the current chunk; `start` is 0 if `continued`. */
  start = 0;
  end = 0;
  /** The caller has called `release()` on it: `arg`, `argLength`, `copyArg` and `raw` are not available. */
  released = false;

  // About a request that has begun and not ended: valid after next() = false.

  /** Bytes of it seen so far, over all chunks; 0 = at a boundary. */
  pendingBytes = 0;

  readonly #maxBulkBytes: number;
  readonly #maxArgs: number;
  readonly #maxLineBytes: number;
  #failure: KeyframeError | null = null;

  #chunk: Buffer = NO_BYTES;
  #size = 0;
  #pos = 0;
  #state = BOUNDARY;
  readonly #line: LengthLine;
  /** Arguments that have ended. */
  #index = 0;
  /** Bytes of the current argument still to come, its CRLF included. */
  #left = 0;

  /**
   * Offset and length of each argument. Offsets count from the first byte of the chunk in which the request began;
   * `#origin` is the request's own offset there, `#shift` what the current chunk's offsets must be raised by.
   */
  #spans = new Int32Array(64);
  #origin = 0;
  #shift = 0;
  readonly #kept = new Kept();
  #inline: Buffer[] | null = null;
  /** Argument 0 as far as it came in earlier chunks; enough for the longest name we know. */
  readonly #name = Buffer.alloc(longestCommandName);
  #named = 0;

  constructor(limits: RespLimits) {
    this.#maxBulkBytes = limits.maxBulkBytes;
    this.#maxArgs = limits.maxArgs;
    this.#maxLineBytes = limits.maxLineBytes;
    this.#line = new LengthLine(limits.maxLineBytes);
  }

  /**
   * Hands in the next bytes from the app. The previous chunk must have been drained: `next()` returned false.
   * The memory is read until the requests in it are done with; it must not be overwritten before.
   * @throws ProtocolError, LimitError the failure of an earlier call, again
   */
  write(chunk: Buffer): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#pos < this.#size) throw new Error("RequestDecoder.write: the previous chunk has not been drained");
    if (this.#state !== BOUNDARY) {
      this.#shift += this.#size;
      this.continued = true;
      this.start = 0;
      if (!this.released && this.#shift + chunk.length > MAX_KEPT_BYTES) {
        this.#stop(new LimitError("maxRequestBytes", `a request reaches beyond ${MAX_KEPT_BYTES} bytes`));
      }
    }
    this.#chunk = chunk;
    this.#size = chunk.length;
    this.#pos = 0;
  }

  /**
   * True: the next request has ended and its fields are valid. False: the chunk is used up; `pending…` tell what it cut.
   * @throws ProtocolError malformed input, worded as Redis words it after `Protocol error: ` where Redis has words
   * @throws LimitError `maxBulkBytes` or `maxArgs`, at the header; every later call throws the same error again
   */
  next(): boolean {
    if (this.#failure !== null) throw this.#failure;
    const chunk = this.#chunk;
    let pos = this.#pos;
    // Asked again before the next write(): what was cut is kept already.
    if (pos >= this.#size && this.#state !== BOUNDARY) return false;
    if (this.#state === BOUNDARY) {
      if (this.continued) this.#kept.clear();
      if (pos >= this.#size) return this.#idle();
      this.continued = false;
      this.released = false;
      this.command = Command.None;
      this.start = pos;
      this.#origin = pos;
      this.#shift = 0;
      this.#inline = null;
      if (chunk[pos] === STAR) {
        pos++;
        this.#state = COUNT;
      } else {
        this.#state = INLINE;
      }
    }
    if (this.#state === COUNT) {
      pos = this.#line.read(chunk, pos, this.#size);
      if (pos === MORE) return this.#suspend(COUNT);
      if (pos < 0) this.#stop(badLength(pos, "multibulk", "mbulk"));
      const argc = this.#line.value;
      if (argc <= 0) {
        this.argc = 0;
        return this.#finish(pos);
      }
      if (argc > this.#maxArgs) this.#stop(tooManyArgs(argc, this.#maxArgs));
      this.argc = argc;
      this.#index = 0;
      this.#state = DOLLAR;
    }
    return this.#state === INLINE ? this.#nextInline(pos) : this.#nextArguments(pos);
  }

  /** One of `Command` for the request that has begun and not ended; `None` until argument 0 tells. */
  get pendingCommand(): number {
    return this.#state === BOUNDARY ? Command.None : this.command;
  }

  /**
   * Says that the caller has forwarded all bytes that were seen of the request that has begun. The decoder drops
   * them and from now on only counts to the request's end. Does nothing at a boundary. (The bytes of an inline
   * request, at most a line, are kept all the same: its command is known only when the line has ended.)
   */
  release(): void {
    if (this.#state === BOUNDARY) return;
    this.released = true;
    if (this.#state !== INLINE) this.#kept.clear();
  }

  /** Argument `i`: a view of the current chunk where it lies wholly within it, else (or unquoted) a joined copy. */
  arg(i: number): Buffer {
    this.#check(i);
    if (this.#inline !== null) return this.#inline[i]!;
    const at = this.#spans[2 * i]! - this.#shift;
    return at >= 0 ? this.#chunk.subarray(at, at + this.#spans[2 * i + 1]!) : this.copyArg(i);
  }

  /** Length of argument `i` in bytes. */
  argLength(i: number): number {
    this.#check(i);
    return this.#inline !== null ? this.#inline[i]!.length : this.#spans[2 * i + 1]!;
  }

  /** Argument `i` as an exact-size copy with memory of its own: for what outlives the chunk. */
  copyArg(i: number): Buffer {
    const length = this.argLength(i);
    const copy = Buffer.allocUnsafeSlow(length);
    if (this.#inline !== null) {
      this.#inline[i]!.copy(copy);
      return copy;
    }
    const at = this.#spans[2 * i]!;
    const early = Math.min(length, Math.max(0, this.#shift - at));
    if (early > 0) this.#kept.copyTo(copy, 0, at - this.#origin, at - this.#origin + early);
    if (early < length) {
      const from = at + early - this.#shift;
      this.#chunk.copy(copy, early, from, from + length - early);
    }
    return copy;
  }

  /** Every byte of the request, in order: what was kept of earlier chunks, then a view of the current one. */
  raw(): Buffer[] {
    if (this.released) throw new Error("RequestDecoder: the bytes of a released request are gone");
    const slices = this.continued ? this.#kept.slices() : [];
    slices.push(this.#chunk.subarray(this.start, this.end));
    return slices;
  }

  #nextArguments(from: number): boolean {
    const chunk = this.#chunk;
    const size = this.#size;
    const line = this.#line;
    const argc = this.argc;
    const recording = !this.released;
    let spans = this.#spans;
    let state = this.#state;
    let index = this.#index;
    let pos = from;
    while (index < argc) {
      let left: number;
      if (state !== BODY) {
        if (state === DOLLAR) {
          if (pos >= size) return this.#suspendAt(DOLLAR, index, 0);
          if (chunk[pos] !== DOLLAR_SIGN) this.#stop(expectedDollar(chunk[pos]!));
          pos++;
        }
        pos = line.read(chunk, pos, size);
        if (pos === MORE) return this.#suspendAt(LENGTH, index, 0);
        if (pos < 0) this.#stop(badLength(pos, "bulk", "bulk"));
        const length = line.value;
        if (length < 0) this.#stop(new ProtocolError("invalid bulk length"));
        if (length > this.#maxBulkBytes) this.#stop(tooLongBulk(length, this.#maxBulkBytes));
        if (recording) {
          if (2 * index === spans.length) spans = this.#growSpans();
          spans[2 * index] = pos + this.#shift;
          spans[2 * index + 1] = length;
        }
        if (index === 0 && length > longestCommandName) this.command = Command.Other;
        left = length + 2;
      } else {
        left = this.#left;
      }
      const stop = pos + left;
      if (stop > size) {
        if (index === 0) this.#keepName(pos, left);
        if (left > 1 && stop - 1 === size && chunk[size - 1] !== CR) this.#stop(unterminated());
        return this.#suspendAt(BODY, index, stop - size);
      }
      if (chunk[stop - 1] !== LF || (left > 1 && chunk[stop - 2] !== CR)) this.#stop(unterminated());
      if (index === 0) {
        const length = line.value;
        this.command = left === length + 2 ? commandOf(chunk, pos, stop - 2) : this.#commandInParts(pos, left);
      }
      pos = stop;
      index++;
      state = DOLLAR;
    }
    return this.#finish(pos);
  }

  #nextInline(pos: number): boolean {
    const chunk = this.#chunk;
    const at = chunk.indexOf(LF, pos);
    let line = chunk.subarray(pos, at < 0 ? this.#size : at);
    const room = this.#maxLineBytes - this.pendingBytes;
    // Redis looks for the line's end with a C string function and stops at a NUL: it would wait for ever.
    if (line.subarray(0, room + 1).includes(0)) this.#stop(new ProtocolError("NUL byte in inline request"));
    if (line.length > room) this.#stop(new ProtocolError("too big inline request"));
    if (at < 0) return this.#suspend(INLINE);
    if (this.#kept.length > 0) line = this.#kept.join(chunk, pos, at);
    const args = splitInline(line);
    if (args === null) this.#stop(new ProtocolError("unbalanced quotes in request"));
    this.#inline = args;
    this.argc = args.length;
    const name = args[0];
    if (name !== undefined) this.command = commandOf(name, 0, name.length);
    return this.#finish(at + 1);
  }

  #finish(pos: number): boolean {
    this.#state = BOUNDARY;
    this.#pos = pos;
    this.end = pos;
    this.pendingBytes = 0;
    return true;
  }

  #suspendAt(state: number, index: number, left: number): boolean {
    this.#index = index;
    this.#left = left;
    return this.#suspend(state);
  }

  /** The chunk has ended within a request: keep what there is of it and let go of the chunk. */
  #suspend(state: number): boolean {
    this.#state = state;
    this.#pos = this.#size;
    this.pendingBytes += this.#size - this.start;
    if (!this.released || state === INLINE) this.#kept.append(this.#chunk, this.start, this.#size);
    this.#chunk = NO_BYTES;
    return false;
  }

  /** The chunk has ended with a request: an idle connection must not hold a chunk, nor a large table. */
  #idle(): boolean {
    this.#chunk = NO_BYTES;
    this.#inline = null;
    if (this.#spans.length > SPANS_RETAINED) this.#spans = new Int32Array(64);
    return false;
  }

  #growSpans(): Int32Array<ArrayBuffer> {
    const grown = new Int32Array(this.#spans.length * 2);
    grown.set(this.#spans);
    this.#spans = grown;
    return grown;
  }

  /** Keeps what this chunk has of argument 0: the name may be told after `release()` has dropped the bytes. */
  #keepName(pos: number, left: number): void {
    const length = this.#line.value;
    if (length > longestCommandName) return;
    if (left === length + 2) this.#named = 0;
    this.#named += this.#chunk.copy(this.#name, this.#named, pos, Math.min(this.#size, pos + Math.max(0, left - 2)));
  }

  #commandInParts(pos: number, left: number): number {
    const length = this.#line.value;
    if (length > longestCommandName) return Command.Other;
    if (left > 2) this.#chunk.copy(this.#name, this.#named, pos, pos + left - 2);
    return commandOf(this.#name, 0, length);
  }

  #check(i: number): void {
    if (this.released) throw new Error("RequestDecoder: the bytes of a released request are gone");
    if (i < 0 || i >= this.argc) throw new RangeError(`RequestDecoder: no argument ${i} of ${this.argc}`);
  }

  #stop(error: KeyframeError): never {
    this.#failure = error;
    this.#kept.clear();
    this.#chunk = NO_BYTES;
    throw error;
  }
}
