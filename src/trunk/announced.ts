/**
 * Raw frames that this sidecar publishes on channels which its own apps listen to. They have been heard here already; so
 * that they are known again when they come back, the script says the number of each in our inbox, directly before it.
 */
import { crc32 } from "../frame/checksum.js";
import { ControlKind, encodeControl } from "../frame/control.js";

export interface OwnRaw {
  readonly channel: Buffer;
  readonly crc: number;
  readonly bytes: number;
}

/** Most that are remembered; what was refused or went unheard is forgotten by this, oldest first. */
const MOST = 4_096;

export class Announced {
  readonly #epoch: number;
  readonly #raws = new Map<number, OwnRaw>();
  #number = 0;

  constructor(epoch: number) {
    this.#epoch = epoch;
  }

  /** @returns the word for our inbox, to be published directly before the payload */
  add(connection: number, channel: Buffer, payload: Buffer): Buffer {
    const number = ++this.#number;
    this.#raws.set(number, { channel, crc: crc32(payload), bytes: payload.length });
    if (this.#raws.size > MOST) this.#raws.delete(this.#raws.keys().next().value!);
    return encodeControl(ControlKind.OwnRaw, this.#epoch, connection, [{ instance: number, seq: 0 }]);
  }

  /** That word has come back. @returns the frame that follows it */
  heard(number: number): OwnRaw | undefined {
    const raw = this.#raws.get(number);
    this.#raws.delete(number);
    return raw;
  }
}
