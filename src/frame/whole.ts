/**
 * Frames that go whole: the first of a stream, those that a delta does not make smaller, and bases sent again.
 *
 * They are deflated (RFC 1951, raw) with the static dictionary of this protocol version where that makes them smaller.
 * The receiver inflates to exactly the length that the record names, which it has checked against its own limit, so
 * that a record of a few bytes cannot make it allocate gigabytes.
 */
import { constants, deflateRawSync, inflateRawSync, type ZlibOptions } from "node:zlib";
import { FrameError } from "../core/errors.js";
import { DICTIONARY } from "./dictionary.js";

/** A frame's body as a record carries it: the frame itself, by reference, or its deflated form. */
export interface Whole {
  body: Buffer;
  deflated: boolean;
}

/** Below this deflate cannot win: the frame is sent as it is. */
const MIN_DEFLATE_BYTES = 48;
/** The same for a delta's hunks, which are sent by the thousand: only what may gain is tried. */
const MIN_HUNKS_BYTES = 64;
/** What hunks may take beyond the longest result: varints of more hunks than any sender has reason to make. */
const HUNKS_OVERHEAD_BYTES = 4096;
/** From here on a frame is deflated at the cheaper level: 64 KiB take 1.5 ms at level 6. */
const FAST_BYTES = 64 * 1024;
/** From here on deflating blocks the event loop for too long (33 MB: 0.6 s): it is left to the chunks, each by itself. */
export const ASYNC_BYTES = 256 * 1024;
/** No deflate stream expands further: 258 bytes out of two bits. */
const MAX_EXPANSION = 1032;

/** Deflate's window: a dictionary beyond it is lost. */
const WINDOW_BYTES = 32 * 1024;

/**
 * The dictionary for a primed frame: the static one, and behind it, where matches are nearest, as much of the primer's end
 * as the window holds.
 */
function primedWith(primer: Buffer): Buffer {
  const room = WINDOW_BYTES - 512 - DICTIONARY.length;
  return Buffer.concat([DICTIONARY, primer.subarray(Math.max(0, primer.length - room))]);
}

function options(length: number, dictionary: Buffer = DICTIONARY): ZlibOptions {
  return {
    level: length < FAST_BYTES ? 6 : 3,
    // Hash chains as long as small frames need; the window must reach back over frame and dictionary.
    memLevel: length < FAST_BYTES ? 8 : 9,
    windowBits: 15,
    dictionary,
    chunkSize: Math.min(Math.max(length, 256), 64 * 1024),
    finishFlush: constants.Z_FINISH,
  };
}

function smaller(payload: Buffer, deflated: Buffer): Whole {
  return deflated.length < payload.length ? { body: deflated, deflated: true } : { body: payload, deflated: false };
}

/**
 * A whole frame's body, deflated where that is smaller, else `payload` itself (not copied). Blocks for about
 * 0.05 ms for a first frame and 0.3 ms for 12 KiB of text; not for payloads of ASYNC_BYTES and more.
 */
export function packWhole(payload: Buffer): Whole {
  if (payload.length < MIN_DEFLATE_BYTES) return { body: payload, deflated: false };
  return smaller(payload, deflateRawSync(payload, options(payload.length)));
}

/**
 * As packWhole(), with a base that the receivers hold to copy from: its ids and its text need not be sent again.
 * Undefined where that is no smaller than `most` bytes.
 */
export function packPrimed(payload: Buffer, primer: Buffer, most: number): Buffer | undefined {
  const body = deflateRawSync(payload, options(payload.length, primedWith(primer)));
  return body.length < most ? body : undefined;
}

/**
 * The frame of exactly `length` bytes that `body` holds, in memory of its own: fresh, or where a large body fills its own
 * memory but for a head, that one. Throws FrameError where `length`
 * is above `maxLength` (bytes), or the body is not one deflate stream of exactly that length, or, not deflated, has
 * another length. Allocates only after `length` has passed both the limit and what so small a body could expand to.
 */
export function unpackWhole(
  body: Buffer,
  deflated: boolean,
  length: number,
  maxLength: number,
  primer?: Buffer,
): Buffer {
  if (length > maxLength) throw new FrameError("whole frame above the length limit");
  if (!deflated) {
    if (body.length !== length) throw new FrameError("whole frame of another length than its record names");
    return own(body);
  }
  if (length > body.length * MAX_EXPANSION) throw new FrameError("deflated body cannot hold the length it names");
  // One byte more than announced, so that a stream that goes on is seen without another chunk.
  const result = inflate(body, length, length + 1, primer === undefined ? DICTIONARY : primedWith(primer));
  if (result.length !== length) throw new FrameError("deflated body shorter than it says");
  return own(result);
}

/** Inflates all of `body` to at most `most` bytes. Throws FrameError where it holds more, is damaged, or goes on after its end. */
export function inflate(body: Buffer, most: number, chunkSize: number, dictionary?: Buffer): Buffer {
  let result: Inflated;
  try {
    result = inflateRawSync(body, {
      ...(dictionary && { dictionary }),
      // zlib's own least values: a chunk of 64 bytes, a limit of 1.
      chunkSize: Math.max(chunkSize, 64),
      maxOutputLength: Math.max(most, 1),
      info: true,
    }) as unknown as Inflated;
  } catch {
    // Damaged data and too much data end the same way: the caller asks for the frame again.
    throw new FrameError("deflated body is damaged or longer than it says");
  }
  if (result.engine.bytesWritten !== body.length) throw new FrameError("bytes after the deflated body");
  return result.buffer;
}

/**
 * A delta's body: its hunks, or their deflated form where that is smaller. Only hunks with much new text gain (a tool's
 * call, an item that begins): below 64 bytes it is not tried, nor from ASYNC_BYTES on, where it would block for too long.
 */
export function packHunks(hunks: Buffer): Whole {
  if (hunks.length < MIN_HUNKS_BYTES || hunks.length >= ASYNC_BYTES) return { body: hunks, deflated: false };
  return smaller(hunks, deflateRawSync(hunks, options(hunks.length)));
}

/**
 * The hunks that a delta's body holds: `body` itself where it is not deflated. `maxLength` is the most that a result may
 * have; hunks of more than that + 4096 bytes are refused with FrameError like damaged data.
 */
export function unpackHunks(body: Buffer, deflated: boolean, maxLength: number): Buffer {
  if (!deflated) return body;
  const most = Math.min(maxLength + HUNKS_OVERHEAD_BYTES, body.length * MAX_EXPANSION);
  return inflate(body, most, Math.min(most + 1, 16 * 1024), DICTIONARY);
}

/** What zlib answers with `info: true`: the output, and the engine that knows how much input it took. */
interface Inflated {
  buffer: Buffer;
  engine: { bytesWritten: number };
}

/** What a large frame's memory may hold beside it: the head of its message. */
const HEAD_BYTES = 4096;

/**
 * A copy with memory of its own: a slice of a pool or of a socket's chunk would keep all of it alive. A large frame nearly
 * fills the memory that its message was put together in, and nothing else is ever written there: it stays.
 */
function own(bytes: Buffer): Buffer {
  if (bytes.length >= ASYNC_BYTES && bytes.buffer.byteLength - bytes.length <= HEAD_BYTES) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
