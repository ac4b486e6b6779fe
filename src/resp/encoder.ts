/**
 * Writes RESP: the trunk's commands upstream, and the few replies that keyframe gives itself (errors, acks, pub/sub
 * messages) downstream. Answers `Buffer[]` where a payload may be large: a payload of `BY_REFERENCE` bytes or more
 * goes as it is, so that it is never copied to gain a header; smaller ones are merged, because one write of 600 bytes
 * costs less than three of 200.
 */

/** Payloads of at least this many bytes are passed on by reference. */
const BY_REFERENCE = 4096;
/** Texts up to this length are written by hand. */
const SHORT_TEXT = 32;

const STAR = 0x2a;
const PUSH = 0x3e;
const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;

export const OK: Buffer = Buffer.from("+OK\r\n");
export const PONG: Buffer = Buffer.from("+PONG\r\n");

const MESSAGE = Buffer.from("message");
const PMESSAGE = Buffer.from("pmessage");
const PONG_WORD = Buffer.from("pong");
const EMPTY = Buffer.alloc(0);

/** Anything that can be an argument of a command: bytes, text (UTF-8), a number in decimal. */
export type Argument = Buffer | string | number;

/**
 * A command as an array of bulk strings, in as few buffers as possible. Buffers of 4 KiB and more are referred to,
 * not copied: they must not be overwritten before they are written out.
 */
export function encodeCommand(args: readonly Argument[]): Buffer[] {
  return encodeBulks(STAR, args);
}

/**
 * An error reply. `text` is the whole line behind `-`, its code included: `ERR Protocol error: …`. Line ends in it
 * become blanks, as in Redis: one reply must stay one reply.
 */
export function errorReply(text: string): Buffer {
  return Buffer.from(`-${oneLine(text)}\r\n`);
}

/** A simple string; line ends in it become blanks. */
export function simpleReply(text: string): Buffer {
  return Buffer.from(`+${oneLine(text)}\r\n`);
}

/** An integer. `n` must be one: anything else is a mistake of the caller. */
export function integerReply(n: number): Buffer {
  if (!Number.isSafeInteger(n)) throw new RangeError(`not an integer reply: ${n}`);
  return Buffer.from(`:${n}\r\n`);
}

/** What a subscriber receives for one PUBLISH. */
export function messagePush(resp3: boolean, channel: Buffer, payload: Buffer): Buffer[] {
  return encodeBulks(resp3 ? PUSH : STAR, [MESSAGE, channel, payload]);
}

/** The same for a pattern subscriber. */
export function pmessagePush(resp3: boolean, pattern: Buffer, channel: Buffer, payload: Buffer): Buffer[] {
  return encodeBulks(resp3 ? PUSH : STAR, [PMESSAGE, pattern, channel, payload]);
}

export type SubscriptionKind = "subscribe" | "unsubscribe" | "psubscribe" | "punsubscribe" | "sunsubscribe";

/**
 * The acknowledgement of one channel or pattern. `name` is null for an UNSUBSCRIBE without arguments from a
 * connection that had no subscription; `count` is what remains subscribed (channels and patterns together).
 */
export function subscriptionReply(resp3: boolean, kind: SubscriptionKind, name: Buffer | null, count: number): Buffer {
  const head = `${resp3 ? ">" : "*"}3\r\n$${kind.length}\r\n${kind}\r\n`;
  const tail = `:${count}\r\n`;
  if (name === null) return Buffer.from(`${head}${resp3 ? "_" : "$-1"}\r\n${tail}`);
  return Buffer.concat([Buffer.from(`${head}$${name.length}\r\n`), name, Buffer.from(`\r\n${tail}`)]);
}

/**
 * The answer to PING. A RESP2 connection with subscriptions cannot take an ordinary reply and gets `*2 pong <argument
 * or empty>`; every other connection gets `+PONG`, or the argument back as a bulk string.
 */
export function pongReply(resp3: boolean, subscribed: boolean, argument: Buffer | null): Buffer {
  if (subscribed && !resp3) return Buffer.concat(encodeBulks(STAR, [PONG_WORD, argument ?? EMPTY]));
  if (argument === null) return PONG;
  return Buffer.concat([Buffer.from(`$${argument.length}\r\n`), argument, Buffer.from("\r\n")]);
}

/** An array or push of bulk strings. All headers and small parts share one allocation. */
function encodeBulks(type: number, args: readonly Argument[]): Buffer[] {
  // Sizes first, so that one buffer of the right size holds everything that is copied.
  let room = headerSize(args.length);
  for (const arg of args) {
    const length = typeof arg === "object" ? arg.length : textLength(arg);
    room += headerSize(length) + 2;
    if (typeof arg !== "object" || length < BY_REFERENCE) room += length;
  }
  const out = Buffer.allocUnsafe(room);
  const parts: Buffer[] = [];
  let from = 0;
  let at = writeHeader(out, 0, type, args.length);
  for (const arg of args) {
    if (typeof arg !== "object") {
      const length = textLength(arg);
      at = writeHeader(out, at, DOLLAR, length);
      writeText(out, at, String(arg), length);
      at += length;
    } else {
      at = writeHeader(out, at, DOLLAR, arg.length);
      if (arg.length < BY_REFERENCE) {
        out.set(arg, at);
        at += arg.length;
      } else {
        parts.push(out.subarray(from, at), arg);
        from = at;
      }
    }
    out[at++] = CR;
    out[at++] = LF;
  }
  parts.push(from === 0 ? out : out.subarray(from, at));
  return parts;
}

/** Bytes of a string or number in UTF-8. Short ASCII, which is nearly all, is counted here: cheaper than a call out. */
function textLength(arg: string | number): number {
  const text = typeof arg === "number" ? String(arg) : arg;
  if (text.length > SHORT_TEXT) return Buffer.byteLength(text);
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text);
  }
  return text.length;
}

/** Writes `text`, which takes `length` bytes. As many bytes as characters means that all of them are ASCII. */
function writeText(out: Buffer, at: number, text: string, length: number): void {
  if (length > SHORT_TEXT || length !== text.length) {
    out.write(text, at);
    return;
  }
  for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
}

/** Bytes of a type byte, `n` in decimal, and CRLF. */
function headerSize(n: number): number {
  let digits = 1;
  for (let rest = n; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits + 3;
}

/** Writes them at `at`, the digits from the right; returns the offset behind. */
function writeHeader(out: Buffer, at: number, type: number, n: number): number {
  const end = at + headerSize(n);
  let rest = n;
  out[at] = type;
  out[end - 1] = LF;
  out[end - 2] = CR;
  for (let p = end - 3; p > at; p--) {
    out[p] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return end;
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, " ");
}
