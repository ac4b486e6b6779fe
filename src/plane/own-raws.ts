/**
 * Our own raw frames on their way back. Apps of this pod hear what is published here without the server, so what returns
 * must not reach them again. A record tells by its head that it is ours; a raw frame has none. The script says each one's
 * size and checksum in our inbox, directly before it publishes the frame, and a connection keeps that order: so it is
 * the word of the sender that tells, never the content alone, and two equal frames of others stay two.
 */
import { crc32 } from "../frame/checksum.js";

interface Announced {
  readonly crc: number;
  readonly bytes: number;
  readonly at: number;
}

/** A frame that was announced and has not come by then never will: the subscription ended between the two. */
const LATE_MS = 5_000;
/** Most announcements kept; more than a connection ever has under way. */
const MOST = 4_096;

/** One subscription's share: a frame comes once for each subscription that it matches. */
export class OwnRaws {
  #announced: Announced[] = [];

  get size(): number {
    return this.#announced.length;
  }

  announce(crc: number, bytes: number, now: number): void {
    if (this.#announced.length >= MOST) this.#announced.splice(0, MOST >> 1);
    this.#announced.push({ crc, bytes, at: now });
  }

  /** True where this payload is the next one that was announced: it is ours. */
  take(payload: Buffer, now: number): boolean {
    const announced = this.#announced;
    while (announced.length > 0 && now - announced[0]!.at > LATE_MS) announced.shift();
    if (announced.length === 0) return false;
    let crc = -1;
    for (let i = 0; i < announced.length; i++) {
      const one = announced[i]!;
      if (one.bytes !== payload.length) continue;
      if (crc < 0) crc = crc32(payload);
      if (one.crc !== crc) continue;
      // Those before it did not come: the order on a connection is that of publishing.
      announced.splice(0, i + 1);
      return true;
    }
    return false;
  }

  clear(): void {
    this.#announced = [];
  }
}
