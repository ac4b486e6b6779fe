/**
 * Frames between the app's PUBLISH and the trunk's batch. Bounded in bytes and in time; order is kept, but for one thing:
 * under pressure a newer frame of an allow-listed cumulative stream takes the place of an older one that has not left.
 *
 * Large frames have an account of their own: while one is sent in chunks the next may wait, and small ones must not be
 * refused for it.
 */
import { isBarrier } from "../plane/domain.js";
import type { OutboundFrame, PublishOutcome } from "./outbound.js";

export interface QueueLimits {
  /** Beyond this many waiting bytes a PUBLISH is answered only once it has been sent; beyond twice as many, refused. */
  bytes: number;
  /** Longest time a frame waits, milliseconds. */
  waitMs: number;
  /** Frames of more bytes are large. */
  largeBytes: number;
}

interface FlushWaiter {
  readonly serial: number;
  readonly done: () => void;
}

export class OutboundQueue {
  readonly limits: QueueLimits;
  #frames: OutboundFrame[] = [];
  /** Of frames that are not large, and of those that are. */
  #bytes = 0;
  #largeBytes = 0;
  #serial = 0;
  #barrier = 0;
  readonly #replaceable = new Map<number, OutboundFrame>();
  #waiters: FlushWaiter[] = [];
  /** Frames that are with the server now. */
  #inFlight = 0;
  /** The serial of the frame that is being sent in chunks; infinite: none is. */
  #transfer = Number.POSITIVE_INFINITY;

  constructor(limits: QueueLimits) {
    this.limits = limits;
  }

  get length(): number {
    return this.#frames.length;
  }

  get bytes(): number {
    return this.#bytes + this.#largeBytes;
  }

  /** True while a PUBLISH of a frame that is not large may be answered before it has been sent. */
  get roomy(): boolean {
    return this.#bytes <= this.limits.bytes;
  }

  /** True while a PUBLISH of that many bytes may be answered before it has been sent. */
  roomyFor(bytes: number): boolean {
    return bytes <= this.limits.largeBytes ? this.roomy : this.#largeBytes <= this.limits.bytes;
  }

  /** True where a frame of that many bytes is refused. A large one always finds room where no other waits. */
  fullFor(bytes: number): boolean {
    if (bytes <= this.limits.largeBytes) return this.#bytes > this.limits.bytes * 2;
    return this.#largeBytes > 0 && this.#largeBytes + bytes > this.limits.bytes * 2;
  }

  get empty(): boolean {
    return this.#frames.length === 0 && this.#inFlight === 0 && this.#transfer === Number.POSITIVE_INFINITY;
  }

  nextSerial(): number {
    return ++this.#serial;
  }

  /** @returns the older frame that this one replaced, if `pressed` and the order allows it */
  add(frame: OutboundFrame, pressed: boolean): OutboundFrame | undefined {
    let older: OutboundFrame | undefined;
    if (frame.stream !== 0 && frame.cumulative && !frame.done) {
      older = pressed ? this.#replaceable.get(frame.stream) : undefined;
      if (older !== undefined && (older.serial < this.#barrier || older.encoded !== undefined || older.raw))
        older = undefined;
      this.#replaceable.set(frame.stream, frame);
    } else if (isBarrier(frame.tag)) {
      this.#barrier = frame.serial;
    }
    if (older !== undefined) {
      older.replaced = true;
      this.#weigh(older, -1);
    }
    this.#frames.push(frame);
    this.#weigh(frame, 1);
    return older;
  }

  first(): OutboundFrame | undefined {
    return this.#frames[0];
  }

  /** The waiting frames in order, replaced ones included. */
  frames(): readonly OutboundFrame[] {
    return this.#frames;
  }

  /**
   * The first `count` frames leave in a batch, but for those `kept`, which stay in front; replaced ones among them just
   * leave.
   */
  take(count: number, kept: readonly OutboundFrame[] = []): void {
    for (const frame of this.#remove(count, kept)) if (!frame.replaced) this.#inFlight++;
  }

  /** This frame, of the batch in flight, goes on in chunks; undefined: that has ended. */
  transferring(frame: OutboundFrame | undefined): void {
    this.#transfer = frame?.serial ?? Number.POSITIVE_INFINITY;
    this.#notify();
  }

  /** The batch has been answered; `again` are the frames of it that must be sent once more, in any order. */
  settle(again: OutboundFrame[]): void {
    this.#inFlight = 0;
    if (again.length > 0) this.putBack(...again);
    this.#notify();
  }

  /** Frames that had left wait again, in their old places. */
  putBack(...frames: OutboundFrame[]): void {
    for (const frame of frames) this.#weigh(frame, 1);
    // What has waited for a large frame may be older than those.
    this.#frames = frames.concat(this.#frames).sort((a, b) => a.serial - b.serial);
  }

  /** Calls `done` once every frame that is waiting now has been answered by the server or given up. */
  whenFlushed(done: () => void): void {
    if (this.empty) done();
    else this.#waiters.push({ serial: this.#serial, done });
  }

  /** Gives up frames that have waited too long, time before `since` not counted. */
  expire(now: number, since: number, give: (frame: OutboundFrame) => void): void {
    if (now - since <= this.limits.waitMs) return;
    let count = 0;
    while (count < this.#frames.length && now - this.#frames[count]!.at > this.limits.waitMs) count++;
    if (count === 0) return;
    for (const frame of this.#remove(count)) if (!frame.replaced) give(frame);
    this.#notify();
  }

  /** @param kept those of the first `count` that stay, in order */
  #remove(count: number, kept: readonly OutboundFrame[] = []): OutboundFrame[] {
    let removed = this.#frames.slice(0, count);
    this.#frames = count === this.#frames.length ? [] : this.#frames.slice(count);
    if (kept.length > 0) {
      const stays = new Set(kept);
      removed = removed.filter((frame) => !stays.has(frame));
      this.#frames = kept.concat(this.#frames);
    }
    for (const frame of removed) {
      if (this.#replaceable.get(frame.stream) === frame) this.#replaceable.delete(frame.stream);
      if (!frame.replaced) this.#weigh(frame, -1);
    }
    return removed;
  }

  #weigh(frame: OutboundFrame, sign: 1 | -1): void {
    const { length } = frame.payload;
    if (length > this.limits.largeBytes) this.#largeBytes += sign * length;
    else this.#bytes += sign * length;
  }

  #notify(): void {
    if (this.#waiters.length === 0 || this.#inFlight > 0) return;
    const oldest = Math.min(this.#transfer, this.#frames[0]?.serial ?? Number.POSITIVE_INFINITY);
    const ready = this.#waiters.filter((waiter) => waiter.serial < oldest);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.serial >= oldest);
    for (const waiter of ready) waiter.done();
  }
}

export function settleFrame(frame: OutboundFrame, outcome: PublishOutcome): boolean {
  const settle = frame.settle;
  if (settle === undefined) return false;
  frame.settle = undefined;
  settle(outcome);
  return true;
}
