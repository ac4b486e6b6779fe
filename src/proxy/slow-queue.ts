/**
 * What waits for an app that does not read: messages and replies in order, bounded by whoever fills it.
 *
 *   broker ─▶ session ─▶ outlet ─▶ [slow queue] ─▶ app
 *
 * One thing may leave it unread: a frame that holds the whole message so far, once a newer one of the same stream, heard
 * by the same subscription, waits too. The older is taken out and the newer goes to the tail, so that nothing overtakes
 * anything. Never across a barrier of its emitter, never across a reply, and never a frame that is not on the allow-list:
 * the caller says which are, by a stream other than 0. Pure.
 */
import { ANY_DOMAIN, type DomainTag, isBarrier } from "../plane/domain.js";

/** What one entry costs beside its bytes, about. */
const ENTRY_BYTES = 256;
/** Up to this size an entry gets memory of its own: by reference, a small message would hold a slab of 8 KiB or more. */
const COPIED_BYTES = 16 * 1024;

/** One message or piece of a reply that waits. */
export interface Waiting {
  readonly parts: readonly Buffer[];
  readonly bytes: number;
  /** The subscription it was heard by. */
  readonly via: object;
  /** Whose newer frame may take its place; 0: nothing may. */
  readonly stream: number;
  readonly tag: DomainTag;
}

interface Link extends Waiting {
  serial: number;
  previous: Link | undefined;
  next: Link | undefined;
}

/** A message to be queued. Small ones are copied, so that they hold no more memory than is counted. */
export function waitingMessage(parts: readonly Buffer[], via: object, stream: number, tag: DomainTag): Waiting {
  const length = lengthOf(parts);
  const kept = length < COPIED_BYTES ? [joined(parts, length)] : parts;
  return { parts: kept, bytes: length + ENTRY_BYTES, via, stream, tag };
}

const NO_SUBSCRIPTION = {};

/** A reply or a piece of one: nothing is collapsed across it. */
export function waitingReply(bytes: Buffer): Waiting {
  const sliver = bytes.buffer.byteLength > 2 * bytes.length;
  const parts = [sliver ? joined([bytes], bytes.length) : bytes];
  return { parts, bytes: bytes.length + ENTRY_BYTES, via: NO_SUBSCRIPTION, stream: 0, tag: ANY_DOMAIN };
}

export class SlowQueue {
  #first: Link | undefined;
  #last: Link | undefined;
  #bytes = 0;
  #size = 0;
  #serial = 0;
  /** By the emitter's four bits: the newest barrier. Position 0 is a barrier for all. */
  readonly #barriers = new Float64Array(16);
  /** The newest replaceable frame of each stream, by subscription. */
  readonly #newest = new Map<object, Map<number, Link>>();

  get size(): number {
    return this.#size;
  }

  /** Memory that is held, bookkeeping included. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Puts one entry at the tail.
   * @param collapse whether it may take the place of an older one now
   * @returns true where it has: one frame will not be heard
   */
  add(entry: Waiting, collapse: boolean): boolean {
    const link: Link = { ...entry, serial: ++this.#serial, previous: this.#last, next: undefined };
    let replaced = false;
    if (entry.stream !== 0 && !isBarrier(entry.tag)) replaced = this.#note(link, collapse);
    else if (isBarrier(entry.tag)) this.#barriers[entry.tag >> 4] = link.serial;
    // The older one may have been the last.
    link.previous = this.#last;
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
    this.#bytes += link.bytes;
    this.#size++;
    return replaced;
  }

  /** Takes the oldest entry out. */
  shift(): Waiting | undefined {
    const link = this.#first;
    if (link === undefined) return undefined;
    this.#remove(link);
    const streams = this.#newest.get(link.via);
    if (streams?.get(link.stream) === link) {
      streams.delete(link.stream);
      if (streams.size === 0) this.#newest.delete(link.via);
    }
    return link;
  }

  clear(): void {
    this.#first = undefined;
    this.#last = undefined;
    this.#bytes = 0;
    this.#size = 0;
    this.#newest.clear();
  }

  /** Makes it the newest of its stream; true where that took the older one's place. */
  #note(link: Link, collapse: boolean): boolean {
    let streams = this.#newest.get(link.via);
    if (streams === undefined) {
      streams = new Map();
      this.#newest.set(link.via, streams);
    }
    const older = streams.get(link.stream);
    streams.set(link.stream, link);
    if (older === undefined || !collapse) return false;
    if (older.serial < this.#barriers[0]! || older.serial < this.#barriers[link.tag >> 4]!) return false;
    this.#remove(older);
    return true;
  }

  #remove(link: Link): void {
    if (link.previous === undefined) this.#first = link.next;
    else link.previous.next = link.next;
    if (link.next === undefined) this.#last = link.previous;
    else link.next.previous = link.previous;
    this.#bytes -= link.bytes;
    this.#size--;
  }
}

function lengthOf(parts: readonly Buffer[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function joined(parts: readonly Buffer[], length: number): Buffer {
  const own = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const part of parts) at += part.copy(own, at);
  return own;
}
