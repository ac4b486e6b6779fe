/** One frame out of its record: the only place where bytes become a payload that may be delivered. */
import { FrameError } from "../core/errors.js";
import { crc32 } from "../frame/checksum.js";
import { apply } from "../frame/splice.js";
import { unpackHunks, unpackWhole } from "../frame/whole.js";

/** The base of a whole frame that needs none. */
export const NO_BASE = Buffer.alloc(0);

/**
 * The frame, in memory of its own, if all of its record fits and its checksum holds; else undefined.
 *
 * @param base        what the frame is coded against; of a whole frame its primer, or NO_BASE
 * @param wholeLength length of a whole frame, bytes; -1 for a delta
 * @param maxBytes    largest payload
 */
export function buildFrame(
  base: Buffer,
  body: Buffer,
  deflated: boolean,
  wholeLength: number,
  crc: number,
  maxBytes: number,
): Buffer | undefined {
  try {
    const payload =
      wholeLength < 0
        ? apply(base, unpackHunks(body, deflated, maxBytes), maxBytes)
        : unpackWhole(body, deflated, wholeLength, maxBytes, base === NO_BASE ? undefined : base);
    return crc32(payload) === crc ? payload : undefined;
  } catch (error) {
    if (error instanceof FrameError) return undefined;
    throw error;
  }
}
