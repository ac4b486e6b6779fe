/**
 * The channels that frames are published to, and the frames that wait for the trunk.
 */
import { BufferMap } from "../core/buffer-map.js";
import type { Encoded } from "../plane/encode.js";
import type { Gathered } from "../plane/gather.js";
import { markOf } from "../plane/mark.js";
import type { ChannelStreams, FrameFacts } from "../plane/sender.js";
import { presenceChannel } from "../socketio/channels.js";

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
  /** Rooms of single users, on a channel that everybody hears. */
  readonly rooms = new Recent<OutboundRoom>();

  readonly #heads = new Map<string, Buffer>();

  constructor(readonly name: Buffer) {}

  /** The channel's name behind a letter, as the script takes it (script.ts). */
  head(letter: string): Buffer {
    let head = this.#heads.get(letter);
    if (head === undefined) {
      head = Buffer.concat([Buffer.from(letter), this.name]);
      this.#heads.set(letter, head);
    }
    return head;
  }

  room(name: Buffer, now: number): OutboundRoom {
    const room = this.rooms.get(name) ?? new OutboundRoom(this, Buffer.from(name));
    this.rooms.use(room, now);
    return room;
  }
}

/** One user's room on a shared channel. Its frames travel with the channel's others, unless nobody elsewhere is in it. */
export class OutboundRoom implements ChannelStreams {
  readonly presence: Buffer;
  readonly mark: number;
  usedAt = 0;
  /** When the server was last asked who is there. */
  askedAt = Number.NEGATIVE_INFINITY;
  /** When somebody else was last known to be there. */
  audienceAt = Number.NEGATIVE_INFINITY;
  /** Nobody but this pod is in it: nothing is published, the server is only asked whether that has changed. */
  silent = false;
  #silences = 0;

  constructor(
    readonly channel: OutboundChannel,
    readonly name: Buffer,
  ) {
    this.presence = presenceChannel(name);
    this.mark = markOf(name);
  }

  /** What is sent after a silence begins anew. */
  get generation(): number {
    return this.channel.generation + this.#silences;
  }

  fallSilent(): void {
    this.silent = true;
    this.#silences++;
  }
}

/** Streams of a room are sent on the channel that it belongs to. */
export function channelOf(streams: ChannelStreams): OutboundChannel {
  return streams instanceof OutboundRoom ? streams.channel : (streams as OutboundChannel);
}

/** Rooms come and go by the thousand; forgetting one costs a keyframe per stream and one waited-for reply. */
const MOST = 16_384;

interface Used {
  readonly name: Buffer;
  usedAt: number;
  readonly mode?: ChannelMode;
}

/** What was used most recently, by name. */
class Recent<T extends Used> {
  readonly #items = new BufferMap<T>();

  get(name: Buffer): T | undefined {
    return this.#items.get(name);
  }

  use(item: T, now: number): void {
    item.usedAt = now;
    if (this.#items.get(item.name) !== undefined) return;
    if (this.#items.size >= MOST) this.#dropOldest();
    this.#items.set(item.name, item);
  }

  values(): IterableIterator<T> {
    return this.#items.values();
  }

  #dropOldest(): void {
    const byAge = [...this.#items.values()].sort((a, b) => a.usedAt - b.usedAt);
    for (const item of byAge.slice(0, MOST >> 3)) if (item.mode !== "denied") this.#items.delete(item.name);
  }
}

export class OutboundChannels {
  readonly #channels = new Recent<OutboundChannel>();

  get(name: Buffer, now: number): OutboundChannel {
    const channel = this.#channels.get(name) ?? new OutboundChannel(Buffer.from(name));
    this.#channels.use(channel, now);
    return channel;
  }

  values(): IterableIterator<OutboundChannel> {
    return this.#channels.values();
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
  /** The one room that it is for, on a channel that everybody hears. */
  readonly room: OutboundRoom | undefined;
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

/** What nobody elsewhere listens to, as far as is known: the frame's channel, or its room; undefined: somebody does. */
export function silentIn({ channel, room }: OutboundFrame): OutboundChannel | OutboundRoom | undefined {
  if (channel.mode === "silent") return channel;
  return channel.mode === "side" && room?.silent ? room : undefined;
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
  room: OutboundRoom | undefined,
  payload: Buffer,
  facts: FrameFacts,
  done: boolean,
  droppable: boolean,
  at: number,
  serial: number,
): OutboundFrame {
  return {
    channel,
    room,
    payload,
    mark: facts.mark,
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
