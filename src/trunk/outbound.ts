/**
 * The channels that frames are published to, and the frames that wait for the trunk.
 */
import { BufferMap } from "../core/buffer-map.js";
import type { Sent } from "../plane/echo.js";
import type { Encoded } from "../plane/encode.js";
import type { Gathered } from "../plane/gather.js";
import type { ChannelStreams, FrameFacts } from "../plane/sender.js";

/**
 * - "unknown": nothing published yet on this trunk; the first frame's reply waits for the server's verdict
 * - "side": every subscriber can rebuild
 * - "raw": somebody cannot; each raw frame asks again whether that has changed
 * - "denied": the server refuses us this channel; the apps publish there themselves
 */
export type ChannelMode = "unknown" | "side" | "raw" | "denied";

export class OutboundChannel implements ChannelStreams {
  generation = 0;
  mode: ChannelMode = "unknown";
  /** Subscribers at the last publish: what a PUBLISH that is answered at once reports. */
  listeners = 0;
  /** The side channel is refused by ACL: raw for good, without asking again. */
  sideDenied = false;
  usedAt = 0;
  /** When the script last compared its subscribers. */
  comparedAt = Number.NEGATIVE_INFINITY;

  constructor(readonly name: Buffer) {}
}

/** Room channels come and go by the thousand; forgetting one costs a keyframe per stream and one waited-for reply. */
const CHANNELS = 16_384;

export class OutboundChannels {
  readonly #channels = new BufferMap<OutboundChannel>();

  get(name: Buffer, now: number): OutboundChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      if (this.#channels.size >= CHANNELS) this.#dropOldest();
      channel = new OutboundChannel(Buffer.from(name));
      this.#channels.set(channel.name, channel);
    }
    channel.usedAt = now;
    return channel;
  }

  values(): IterableIterator<OutboundChannel> {
    return this.#channels.values();
  }

  #dropOldest(): void {
    const byAge = [...this.#channels.values()].sort((a, b) => a.usedAt - b.usedAt);
    for (const channel of byAge.slice(0, CHANNELS >> 3)) {
      if (channel.mode !== "denied") this.#channels.delete(channel.name);
    }
  }
}

/** What became of a PUBLISH. */
export type PublishOutcome =
  /** Delivered; `listeners` as the server counts. */
  | { kind: "sent"; listeners: number }
  /** The server refuses this channel: nothing was published, the app must ask itself. */
  | { kind: "denied" }
  /** Not delivered and never will be. */
  | { kind: "failed"; error: string };

/** One frame in the queue. */
export interface OutboundFrame extends Gathered, FrameFacts {
  readonly channel: OutboundChannel;
  readonly payload: Buffer;
  /** When the PUBLISH was read, Clock milliseconds. */
  readonly at: number;
  /** Its place in the order of all frames. */
  readonly serial: number;
  /** Set once it has been encoded; a frame that is sent again keeps its record and sequence. */
  encoded: Encoded | undefined;
  /** It goes on the app's own channel. */
  raw: boolean;
  /** Its batch was unanswered when the connection broke: side channel only, never raw. */
  doubtful: boolean;
  /** Our own hearing of it, once it has been sent. */
  echo: Sent | undefined;
  /** A newer frame of its stream took its place. */
  replaced: boolean;
  readonly done: boolean;
  /** The PUBLISH is unanswered still. */
  settle: ((outcome: PublishOutcome) => void) | undefined;
}

/** A frame that has just been published. */
export function outboundFrame(
  channel: OutboundChannel,
  payload: Buffer,
  facts: FrameFacts,
  done: boolean,
  at: number,
  serial: number,
): OutboundFrame {
  return {
    channel,
    payload,
    stream: facts.stream,
    cumulative: facts.cumulative,
    tag: facts.tag,
    done,
    at,
    serial,
    encoded: undefined,
    raw: false,
    doubtful: false,
    echo: undefined,
    replaced: false,
    settle: undefined,
  };
}
