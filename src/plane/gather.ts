/**
 * Groups queued frames into the messages of one batch, as far as the order of each domain allows.
 *
 * Frames for one side channel travel as one message. A frame may join the open message of its channel only if no later
 * message of the batch holds a frame whose domain conflicts with its own: else it would overtake that frame. Frames
 * that go raw are messages of their own.
 */
import { conflicts, type DomainTag } from "./domain.js";

/** What gathering must know of a frame; `bytes` is what it adds to its message. */
export interface Gathered {
  readonly tag: DomainTag;
}

export interface BatchMessage<C, F extends Gathered> {
  readonly channel: C;
  /**
   * "side": records on the side channel; "opening": on the side channel as well, the word that a large one begins; "raw":
   * one payload on the app's own channel; "silent": nothing is said, unless somebody listens by now.
   */
  readonly kind: "side" | "opening" | "raw" | "silent";
  readonly frames: F[];
  bytes: number;
  /** What nobody elsewhere listens to: the channel, or something within it. */
  readonly silentIn: object | undefined;
}

export interface BatchLimits {
  frames: number;
  bytes: number;
}

export class Batch<C, F extends Gathered> {
  readonly messages: BatchMessage<C, F>[] = [];
  readonly #limits: BatchLimits;
  #frames = 0;
  #bytes = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get frames(): number {
    return this.#frames;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True where a frame of that many bytes still fits. The first frame always fits, whatever its size. */
  hasRoom(bytes: number): boolean {
    if (this.#frames === 0) return true;
    return this.#frames < this.#limits.frames && this.#bytes + bytes <= this.#limits.bytes;
  }

  addSide(channel: C, frame: F, bytes: number): void {
    this.#add("side", channel, frame, bytes, undefined);
  }

  /** @param silentIn what nobody elsewhere listens to */
  addSilent(channel: C, frame: F, silentIn: object): void {
    this.#add("silent", channel, frame, 0, silentIn);
  }

  #add(kind: "side" | "silent", channel: C, frame: F, bytes: number, silentIn: object | undefined): void {
    this.#frames++;
    this.#bytes += bytes;
    const open = this.#openMessage(kind, channel, silentIn, frame.tag);
    if (open === undefined) {
      this.messages.push({ channel, kind, frames: [frame], bytes, silentIn });
    } else {
      open.frames.push(frame);
      open.bytes += bytes;
    }
  }

  addRaw(channel: C, frame: F, bytes: number): void {
    this.#addAlone(channel, "raw", frame, bytes);
  }

  /** @param bytes what the opening takes; the frame itself is not of this batch */
  addOpening(channel: C, frame: F, bytes: number): void {
    this.#addAlone(channel, "opening", frame, bytes);
  }

  #addAlone(channel: C, kind: "opening" | "raw", frame: F, bytes: number): void {
    this.#frames++;
    this.#bytes += bytes;
    this.messages.push({ channel, kind, frames: [frame], bytes, silentIn: undefined });
  }

  #openMessage(
    kind: "side" | "silent",
    channel: C,
    silentIn: object | undefined,
    tag: DomainTag,
  ): BatchMessage<C, F> | undefined {
    for (let i = this.messages.length - 1; i >= 0; i--) {
      const message = this.messages[i]!;
      if (message.kind === kind && message.channel === channel && message.silentIn === silentIn) return message;
      for (const frame of message.frames) if (conflicts(frame.tag, tag)) return undefined;
    }
    return undefined;
  }
}
