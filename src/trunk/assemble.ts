/**
 * Makes the next batch of what waits: repairs that are due, then frames in order, each encoded or raw, as many as fit.
 *
 *   [queue] ─▶ encode ─▶ gather ─▶ messages of one batch
 */
import { encodeMessage, recordSize } from "../frame/record.js";
import type { Encoder } from "../plane/encode.js";
import { Batch, type BatchLimits } from "../plane/gather.js";
import type { Control } from "./control.js";
import type { Hearing } from "./hearing.js";
import type { LocalDelivery } from "./local.js";
import type { OutboundChannel, OutboundFrame } from "./outbound.js";
import type { OutboundQueue } from "./queue.js";
import type { SentMessage } from "./verdicts.js";

const NO_BYTES: Buffer = Buffer.alloc(0);

export interface AssemblerOptions {
  epoch: number;
  uniform: boolean;
  batch: BatchLimits;
}

export class Assembler {
  readonly #options: AssemblerOptions;
  readonly #queue: OutboundQueue;
  readonly #control: Control;
  readonly #encoder: Encoder;
  readonly #local: LocalDelivery;
  readonly #hearing: Hearing;

  constructor(
    options: AssemblerOptions,
    queue: OutboundQueue,
    control: Control,
    encoder: Encoder,
    local: LocalDelivery,
    hearing: Hearing,
  ) {
    this.#options = options;
    this.#queue = queue;
    this.#control = control;
    this.#encoder = encoder;
    this.#local = local;
    this.#hearing = hearing;
  }

  /**
   * Takes from the queue what goes into the next batch; nothing, where nothing is due.
   * @param scriptDenied subscribers cannot be compared
   * @returns the batch's messages, and how many frames they hold
   */
  next(scriptDenied: boolean, now: number): { sent: SentMessage[]; frames: number } {
    const { epoch, batch: limits } = this.#options;
    const { connection } = this.#hearing;
    const sent: SentMessage[] = [];
    // Repairs first: they repeat what was sent before this batch. Half of it is for frames.
    let repairBytes = 0;
    for (const { channel, record } of this.#control.takeDue(limits.frames >> 1, limits.bytes >> 1)) {
      const payload = encodeMessage(epoch, connection, [record]);
      sent.push({ channel, kind: "side", frames: [], payload, word: NO_BYTES, own: false });
      repairBytes += recordSize(record);
    }
    const batch = new Batch<OutboundChannel, OutboundFrame>({
      frames: Math.max(1, limits.frames - sent.length),
      bytes: Math.max(limits.bytes >> 1, limits.bytes - repairBytes),
    });
    let taken = 0;
    for (const frame of this.#queue.frames()) {
      if (!frame.replaced && !this.#place(frame, batch, scriptDenied, now)) break;
      taken++;
    }
    this.#queue.take(taken);
    for (const { channel, kind, frames } of batch.messages) {
      let word = NO_BYTES;
      for (const frame of frames) word = this.#local.leaving(frame, kind);
      const payload = this.#payloadOf(kind, frames);
      sent.push({ channel, kind, frames, payload, word, own: this.#hearing.holds(channel.name) });
    }
    return { sent, frames: batch.frames };
  }

  #payloadOf(kind: SentMessage["kind"], frames: readonly OutboundFrame[]): Buffer {
    if (kind === "silent") return NO_BYTES;
    if (kind === "raw") return frames[0]!.payload;
    const records = frames.map((frame) => frame.encoded!.record);
    return encodeMessage(this.#options.epoch, this.#hearing.connection, records);
  }

  /** Puts one frame into the batch; false where it is full. */
  #place(
    frame: OutboundFrame,
    batch: Batch<OutboundChannel, OutboundFrame>,
    scriptDenied: boolean,
    now: number,
  ): boolean {
    const channel = frame.channel;
    // What has been refused or encoded once goes the way it was meant to go.
    if (channel.mode === "silent" && !scriptDenied && frame.encoded === undefined && !frame.raw) {
      if (!batch.hasRoom(0)) return false;
      batch.addSilent(channel, frame);
      return true;
    }
    // A frame without a stream has nothing to be coded against: it goes as it is, where it always went.
    if (!frame.doubtful && !frame.raw) {
      // Without script nobody can be counted, and without an inbox nobody could ask us for a base.
      const uncounted = scriptDenied && !(this.#options.uniform && this.#hearing.hopeful);
      const unproven = channel.mode === "raw" || uncounted;
      frame.raw = frame.stream === 0 || channel.sideDenied || unproven;
    }
    if (!frame.raw && frame.encoded === undefined) {
      if (!batch.hasRoom(0)) return false;
      frame.encoded = this.#encoder.encode(channel, frame.payload, frame, now);
    }
    const bytes = frame.raw ? frame.payload.length : frame.encoded!.bytes;
    if (!batch.hasRoom(bytes)) return false;
    if (frame.raw) {
      batch.addRaw(channel, frame, bytes);
    } else {
      batch.addSide(channel, frame, bytes);
    }
    return true;
  }
}
