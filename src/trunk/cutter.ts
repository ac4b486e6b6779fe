/** Cuts the body of a large message into chunks and has a few of them deflated ahead, in libuv's thread pool. */
import { type PackedChunk, packChunk, plainChunk } from "../frame/chunk.js";

/** A chunk that is being deflated, or is ready. */
interface Slot {
  packed: PackedChunk | undefined;
}

/** Chunks that are deflated ahead of what is sent. */
const AHEAD = 4;
/** After so many in a row that did not shrink to half, deflating is not tried again: it takes more time than it saves. */
const DENSE = 4;

export class Cutter {
  readonly #body: Buffer;
  readonly #chunkBytes: number;
  readonly #ready: () => void;
  readonly #slots: Slot[] = [];
  #cut = 0;
  #dense = 0;

  /**
   * @param body must not change until the last chunk has been taken
   * @param ready is called when a chunk has been deflated
   */
  constructor(body: Buffer, chunkBytes: number, ready: () => void) {
    this.#body = body;
    this.#chunkBytes = chunkBytes;
    this.#ready = ready;
    this.#prepare();
  }

  /** Nothing is left. */
  get done(): boolean {
    return this.#slots.length === 0;
  }

  /** The next chunk, if it is ready; it stays the next one until take(). */
  get next(): PackedChunk | undefined {
    return this.#slots[0]?.packed;
  }

  take(): void {
    this.#slots.shift();
    this.#prepare();
  }

  #prepare(): void {
    while (this.#slots.length < AHEAD && this.#cut < this.#body.length) {
      const part = this.#body.subarray(this.#cut, this.#cut + this.#chunkBytes);
      this.#cut += part.length;
      const slot: Slot = { packed: undefined };
      this.#slots.push(slot);
      if (this.#dense >= DENSE) {
        slot.packed = plainChunk(part);
        continue;
      }
      void packChunk(part).then((packed) => {
        slot.packed = packed;
        this.#dense = packed.rest.length * 2 <= packed.length ? 0 : this.#dense + 1;
        this.#ready();
      });
    }
  }
}
