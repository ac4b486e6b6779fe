/**
 * Frames between the app's PUBLISH and the trunk's batch. Bounded in bytes and in time; order is kept, but for one thing:
 * under pressure a newer frame of an allow-listed cumulative stream takes the place of an older one that has not left.
 */
import { isBarrier } from "../plane/domain.js";
import type { OutboundFrame, PublishOutcome } from "./outbound.js";

export interface QueueLimits {
  /** Beyond this many waiting bytes a PUBLISH is answered only once it has been sent; beyond twice as many, refused. */
  bytes: number;
  /** Longest time a frame waits, milliseconds. */
  waitMs: number;
}

interface FlushWaiter {
  readonly serial: number;
  readonly done: () => void;
}

export class OutboundQueue {
  readonly limits: QueueLimits;
  #frames: OutboundFrame[] = [];
  #bytes = 0;
  #serial = 0;
  #barrier = 0;
  readonly #replaceable = new Map<number, OutboundFrame>();
  #waiters: FlushWaiter[] = [];
  /** Frames that are with the server now. */
  #inFlight = 0;

  constructor(limits: QueueLimits) {
    this.limits = limits;
  }

  get length(): number {
    return this.#frames.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True while a PUBLISH may be answered before it has been sent. */
  get roomy(): boolean {
    return this.#bytes <= this.limits.bytes;
  }

  get full(): boolean {
    return this.#bytes > this.limits.bytes * 2;
  }

  get empty(): boolean {
    return this.#frames.length === 0 && this.#inFlight === 0;
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
      this.#bytes -= older.payload.length;
    }
    this.#frames.push(frame);
    this.#bytes += frame.payload.length;
    return older;
  }

  first(): OutboundFrame | undefined {
    return this.#frames[0];
  }

  /** The waiting frames in order, replaced ones included. */
  frames(): readonly OutboundFrame[] {
    return this.#frames;
  }

  /** The first `count` frames leave in a batch; replaced ones among them just leave. */
  take(count: number): void {
    for (const frame of this.#remove(count)) if (!frame.replaced) this.#inFlight++;
  }

  /** The batch has been answered; `again` are the frames of it that must be sent once more, in any order. */
  settle(again: OutboundFrame[]): void {
    this.#inFlight = 0;
    if (again.length > 0) {
      again.sort((a, b) => a.serial - b.serial);
      for (const frame of again) this.#bytes += frame.payload.length;
      this.#frames = again.concat(this.#frames);
    }
    this.#notify();
  }

  /** Calls `done` once every frame that is waiting now has been answered by the server or given up. */
  whenFlushed(done: () => void): void {
    if (this.empty) done();
    else this.#waiters.push({ serial: this.#serial, done });
  }

  /** Gives up frames that have waited too long. */
  expire(now: number, give: (frame: OutboundFrame) => void): void {
    let count = 0;
    while (count < this.#frames.length && now - this.#frames[count]!.at > this.limits.waitMs) count++;
    if (count === 0) return;
    for (const frame of this.#remove(count)) if (!frame.replaced) give(frame);
    this.#notify();
  }

  #remove(count: number): OutboundFrame[] {
    const removed = this.#frames.slice(0, count);
    this.#frames = count === this.#frames.length ? [] : this.#frames.slice(count);
    for (const frame of removed) {
      if (this.#replaceable.get(frame.stream) === frame) this.#replaceable.delete(frame.stream);
      if (!frame.replaced) this.#bytes -= frame.payload.length;
    }
    return removed;
  }

  #notify(): void {
    if (this.#waiters.length === 0 || this.#inFlight > 0) return;
    const oldest = this.#frames[0]?.serial ?? Number.POSITIVE_INFINITY;
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
