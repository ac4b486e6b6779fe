/**
 * The channels that frames are published to, and the frames that wait for the trunk.
 */
import { BufferMap } from "../core/buffer-map.js";
import type { Encoded } from "../plane/encode.js";
import type { Gathered } from "../plane/gather.js";
import type { ChannelStreams, FrameFacts } from "../plane/sender.js";

/**
 * - "unknown": nothing published yet on this trunk; the first frame's reply waits for the server's verdict
 * - "side": every subscriber can rebuild
 * - "raw": somebody cannot; each raw frame asks again whether that has changed
 * - "silent": nobody but this pod listens: nothing is published, the server is only asked whether that has changed
 * - "denied": the server refuses us this channel; the apps publish there themselves
 */
export type ChannelMode = "unknown" | "side" | "raw" | "silent" | "denied";

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
  /** When somebody else was last known to listen. */
  audienceAt = Number.NEGATIVE_INFINITY;

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
  /**
   * Whether apps of this pod have heard it: "heard"; "waits" for the server's word; "back": they hear it as it comes back
   * from the server.
   */
  here: "heard" | "waits" | "back";
  /** Its own emitter would drop it: see LocalDelivery. */
  readonly droppable: boolean;
  /** A newer frame of its stream took its place. */
  replaced: boolean;
  readonly done: boolean;
  /** The PUBLISH is unanswered still. */
  settle: ((outcome: PublishOutcome) => void) | undefined;
}

/**
 * A frame that has just been published.
 * @param payload memory of its own, never written again
 * @param done a final frame, or one that carries more than the growing field: never replaced
 * @param droppable its own emitter would drop it
 * @param at Clock milliseconds
 */
export function outboundFrame(
  channel: OutboundChannel,
  payload: Buffer,
  facts: FrameFacts,
  done: boolean,
  droppable: boolean,
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
    here: "back",
    droppable,
    replaced: false,
    settle: undefined,
  };
}
