/**
 * What the request decoder objects to, worded as Redis words it behind `Protocol error: ` where Redis has words
 * (compared with Redis 7.0.15). Apart from the decoder because the words are cold and the decoder is not.
 */

import { type KeyframeError, LimitError, ProtocolError } from "../core/errors.js";
import { TOO_LONG } from "./length-line.js";

/** Largest argument count that Redis takes for a number at all: above it is its protocol error, not our limit. */
const INT_MAX = 0x7fffffff;
/** Longest argument that Redis takes unless told otherwise (proto-max-bulk-len), and the most that maxBulkBytes can be. */
const REDIS_MAX_BULK = 512 * 1024 * 1024;

/** A count or length that is no number; `result` is what `LengthLine.read` returned. */
export function badLength(result: number, number: "multibulk" | "bulk", line: "mbulk" | "bulk"): KeyframeError {
  return new ProtocolError(result === TOO_LONG ? `too big ${line} count string` : `invalid ${number} length`);
}

/** An argument that does not begin with `$`. CR and LF are shown as a blank, as Redis does; other bytes that are not printable ASCII in hex. */
export function expectedDollar(byte: number): KeyframeError {
  let shown = `\\x${byte.toString(16).padStart(2, "0")}`;
  if (byte === 0x0d || byte === 0x0a) shown = " ";
  else if (byte >= 0x20 && byte < 0x7f) shown = String.fromCharCode(byte);
  return new ProtocolError(`expected '$', got '${shown}'`);
}

/** Redis skips the two bytes behind an argument unread; we insist, so that no other reader can see it otherwise. */
export function unterminated(): KeyframeError {
  return new ProtocolError("expected CRLF behind a bulk string");
}

export function tooManyArgs(argc: number, most: number): KeyframeError {
  if (argc > INT_MAX) return new ProtocolError("invalid multibulk length");
  return new LimitError("maxArgs", `a request of ${argc} arguments is over maxArgs (${most})`);
}

export function tooLongBulk(length: number, most: number): KeyframeError {
  if (length > REDIS_MAX_BULK) return new ProtocolError("invalid bulk length");
  return new LimitError("maxBulkBytes", `an argument of ${length} bytes is over maxBulkBytes (${most})`);
}
