/**
 * The checksum that a record carries of its result: the last check between a rebuilt frame and an app.
 *
 * CRC-32 is enough here: it guards against a wrong base or a damaged record, not against an adversary, who could
 * as well publish frames of their own. Node's is zlib's, with the processor's carry-less multiplication.
 */
import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 (ISO-HDLC: polynomial 0x04c11db7 reflected, initial and final value 0xffffffff), an unsigned 32-bit number. */
export function crc32(bytes: Buffer): number {
  return zlibCrc32(bytes);
}
