/**
 * A frame in memory that may be kept: what PUBLISH takes out of the app's stream of requests becomes a base and waits in queues.
 */
import type { RequestDecoder } from "../resp/request.js";

/** As much of its own size a frame may keep alive beside it: about the head of its request. */
const SLACK = 1 / 8;

/**
 * Argument `i` of the request at hand, to keep. A socket's chunk is never read into again, so where hardly anything but the frame is in
 * it, as from an app that waits for each reply, the chunk itself is kept: allocating and copying cost a quarter of a PUBLISH of 12 KB.
 * What comes in a pipeline, or in several chunks, is copied: it would keep its neighbours alive.
 */
export function ownPayload(decoder: RequestDecoder, i: number): Buffer {
  const payload = decoder.arg(i);
  return payload.buffer.byteLength - payload.length <= payload.length * SLACK ? payload : decoder.copyArg(i);
}
