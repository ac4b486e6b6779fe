/** What the sending side remembers of a stream, and how often it repairs one. */
import type { FrameName } from "../socketio/dialect.js";
import { type DomainTag, domainTag } from "./domain.js";
import type { StreamEntry } from "./streams.js";

/** What the encoder keeps for a channel. Raising `generation` starts all of its streams anew. */
export interface ChannelStreams {
  generation: number;
}

export interface SenderStream extends StreamEntry {
  readonly key: number;
  readonly channel: ChannelStreams;
  readonly instance: number;
  readonly generation: number;
  readonly chain: boolean;
  readonly tag: DomainTag;
  readonly mark: number;
  /** Sequence of the newest frame sent, the frame, and its number among all that were sent. */
  seq: number;
  newest: Buffer;
  sentAs: number;
  base: Buffer;
  baseSeq: number;
  /** The pinned base before this one: deltas against it may still be held somewhere. */
  previous: Buffer | undefined;
  previousSeq: number;
  /** The smallest delta seen since the base was pinned, bytes. */
  leanest: number;
  readonly repairs: RepairPace;
}

/** What must be known of a frame to encode it; taken from the dialect when the frame was read. */
export interface FrameFacts {
  /** 0: no stream, the frame goes raw. */
  readonly stream: number;
  readonly cumulative: boolean;
  readonly tag: DomainTag;
  /** Of the one user's room that it is for (mark.ts); 0: it may concern everybody. */
  readonly mark: number;
}

/** @param mark of the one room that the frame is for */
export function factsOf(name: FrameName, mark = 0): FrameFacts {
  // Frames of one message with and without the cumulative field are two streams: one chains, the other is pinned.
  const stream = name.cumulative ? name.stream : Math.max(1, name.stream - 1);
  return {
    stream: name.barrier || name.stream === 0 ? 0 : stream,
    cumulative: name.cumulative,
    tag: domainTag(name.emitter, name.barrier ? 0 : name.chat),
    mark,
  };
}

/** Between a stream's first repair and its second, milliseconds; each further one waits twice as long as the one before it. */
const REPAIR_MIN_MS = 100;
const REPAIR_MAX_MS = 400;
/** Who asks for what was sent this short a time ago has not read it yet: what a connection loses, a hello names. */
const UNDERWAY_MS = 1_000;

/**
 * How often a stream is repaired. One repair serves all who have asked until it goes out. The first goes at once; when
 * many pods come back within a second, each in its own moment, the next ones wait and serve several.
 */
export class RepairPace {
  #sentAt = Number.NEGATIVE_INFINITY;
  #waitMs = REPAIR_MIN_MS;
  /** Of the frame that was sent again last. */
  #seq = 0;

  /** True where the frame `seq`, or a newer one of a chain, was sent again a moment ago. */
  underway(seq: number, now: number): boolean {
    return seq <= this.#seq && now - this.#sentAt < UNDERWAY_MS;
  }

  /** When the next repair may go out. */
  due(now: number): number {
    return Math.max(now, this.#sentAt + this.#waitMs);
  }

  sent(seq: number, now: number): void {
    this.#seq = seq;
    const quiet = now - this.#sentAt > 2 * REPAIR_MAX_MS;
    this.#waitMs = quiet ? REPAIR_MIN_MS : Math.min(REPAIR_MAX_MS, this.#waitMs * 2);
    this.#sentAt = now;
  }
}
