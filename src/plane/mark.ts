/** What a record says of the one room that its frame is for. */
import { crc32 } from "../frame/checksum.js";

/**
 * Two rooms that share a mark cost a pod frames that it does not need, and nothing else.
 * @returns 24 bits, never 0: that means no room
 */
export function markOf(room: Buffer): number {
  return crc32(room) & 0xff_ffff || 1;
}
