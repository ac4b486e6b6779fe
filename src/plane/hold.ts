/**
 * Frames that wait: one whose base is missing, and everything of a conflicting domain that came after it.
 * Bounded in time and in bytes. Delivery leaves here in the order of arrival within each domain.
 */
import { DomainSet, type DomainTag } from "./domain.js";
import type { DeliveredKind, Route } from "./rebuild-sink.js";

/** What waits: a payload that is ready, or a record that still lacks its base. */
export interface Held<S> {
  readonly tag: DomainTag;
  readonly channel: Buffer;
  readonly kind: DeliveredKind;
  readonly route: Route;
  /** The frame itself, once it is known. */
  payload: Buffer | undefined;
  /** The stream and record of a frame that lacks its base; kept as well once it is ready. */
  readonly stream: S | undefined;
  readonly seq: number;
  /** What the frame is coded against: a base of this instance, which is its own but for a primed whole frame. */
  readonly baseInstance: number;
  readonly baseSeq: number;
  /** Length of a whole frame; -1 for a delta. */
  readonly wholeLength: number;
  readonly keep: boolean;
  readonly deflated: boolean;
  readonly crc: number;
  readonly body: Buffer | undefined;
  /** Clock milliseconds after which a frame without its base is given up. */
  readonly deadline: number;
}

/** A frame that is ready, and waits only for its turn. */
export function readyFrame<S>(
  frame: Pick<Held<S>, "tag" | "channel" | "kind" | "route" | "payload" | "stream" | "seq">,
): Held<S> {
  return {
    ...frame,
    baseInstance: 0,
    baseSeq: 0,
    wholeLength: -1,
    keep: false,
    deflated: false,
    crc: 0,
    body: undefined,
    deadline: Number.POSITIVE_INFINITY,
  };
}

function bytesOf<S>(item: Held<S>): number {
  return (item.payload?.length ?? 0) + (item.body?.length ?? 0) + 128;
}

export class HoldQueue<S> {
  #items: Held<S>[] = [];
  readonly #tags = new DomainSet();
  #bytes = 0;

  get size(): number {
    return this.#items.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True where a frame of this domain must wait behind one that is held. */
  conflicts(tag: DomainTag): boolean {
    return this.#tags.conflicts(tag);
  }

  add(item: Held<S>): void {
    this.#items.push(item);
    this.#tags.add(item.tag);
    this.#bytes += bytesOf(item);
  }

  /** What was missing has come: the item's payload is known. */
  fill(item: Held<S>, payload: Buffer): void {
    item.payload = payload;
    this.#bytes += payload.length;
  }

  items(): readonly Held<S>[] {
    return this.#items;
  }

  /** The oldest frame that still lacks its base. */
  oldestUnready(): Held<S> | undefined {
    return this.#items.find((item) => item.payload === undefined);
  }

  /** The frame of the stream with that sequence and checksum, if it waits for its base. */
  waiting(stream: S, seq: number, crc: number): Held<S> | undefined {
    return this.#items.find(
      (item) => item.stream === stream && item.payload === undefined && item.seq === seq && item.crc === crc,
    );
  }

  holds(stream: S, seq: number): boolean {
    return this.#items.some((item) => item.stream === stream && item.seq === seq);
  }

  /** Removes the items that `drop` picks; returns how many. */
  remove(drop: (item: Held<S>) => boolean): number {
    const before = this.#items.length;
    const kept: Held<S>[] = [];
    for (const item of this.#items) {
      if (drop(item)) this.#leave(item);
      else kept.push(item);
    }
    this.#items = kept;
    return before - kept.length;
  }

  /**
   * Lets go, in order, of what no longer waits. `ready` turns a held frame into its payload where it can by now; null:
   * it never can, and is dropped. Nothing leaves before an earlier frame of a conflicting domain. What must go on waiting
   * stays a record from `most` held bytes on: a hundred bytes of delta can be a megabyte of frame.
   */
  release(
    most: number,
    ready: (item: Held<S>) => Buffer | undefined | null,
    deliver: (item: Held<S>, payload: Buffer) => void,
  ): void {
    const kept: Held<S>[] = [];
    const blocked = new DomainSet();
    const leaving: { item: Held<S>; payload: Buffer }[] = [];
    for (const item of this.#items) {
      const waits = blocked.conflicts(item.tag);
      // A chained record is rebuilt in its turn even where it may not leave yet.
      const payload = item.payload ?? (waits && this.#bytes >= most ? undefined : ready(item));
      if (payload === null) {
        this.#leave(item);
        continue;
      }
      if (payload !== undefined && item.payload === undefined) this.fill(item, payload);
      if (payload !== undefined && !waits) {
        leaving.push({ item, payload });
        continue;
      }
      kept.push(item);
      blocked.add(item.tag);
    }
    this.#items = kept;
    for (const { item } of leaving) this.#leave(item);
    for (const { item, payload } of leaving) deliver(item, payload);
  }

  #leave(item: Held<S>): void {
    this.#tags.delete(item.tag);
    this.#bytes -= bytesOf(item);
  }
}
