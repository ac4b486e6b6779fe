/**
 * Makes the next batch of what waits: repairs that are due, then frames in order, each encoded or raw, as many as fit.
 *
 *   [queue] ─▶ encode ─▶ gather ─▶ messages of one batch
 */
import { encodeMessage, recordSize } from "../frame/record.js";
import type { EchoQueue } from "../plane/echo.js";
import type { Encoder } from "../plane/encode.js";
import { Batch, type BatchLimits } from "../plane/gather.js";
import type { Control } from "./control.js";
import type { OutboundChannel, OutboundFrame } from "./outbound.js";
import type { OutboundQueue } from "./queue.js";
import type { SentMessage } from "./verdicts.js";

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
  readonly #echo: EchoQueue;
  readonly #hearing: { readonly connection: number };

  constructor(
    options: AssemblerOptions,
    queue: OutboundQueue,
    control: Control,
    encoder: Encoder,
    echo: EchoQueue,
    hearing: { readonly connection: number },
  ) {
    this.#options = options;
    this.#queue = queue;
    this.#control = control;
    this.#encoder = encoder;
    this.#echo = echo;
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
      sent.push({ channel, kind: "side", frames: [], payload: encodeMessage(epoch, connection, [record]) });
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
    this.#echo.nextBatch();
    for (const { channel, kind, frames } of batch.messages) {
      const raw = kind === "raw";
      const records = () => frames.map((frame) => frame.encoded!.record);
      sent.push({
        channel,
        kind,
        frames,
        payload: raw ? frames[0]!.payload : encodeMessage(epoch, connection, records()),
      });
      if (!raw) for (const frame of frames) this.#expectEcho(frame);
    }
    return { sent, frames: batch.frames };
  }

  /** Puts one frame into the batch; false where it is full. */
  #place(
    frame: OutboundFrame,
    batch: Batch<OutboundChannel, OutboundFrame>,
    scriptDenied: boolean,
    now: number,
  ): boolean {
    const channel = frame.channel;
    // A frame without a stream has nothing to be coded against: it goes as it is, where it always went.
    if (!frame.doubtful && !frame.raw) {
      const unproven = channel.mode === "raw" || (scriptDenied && !this.#options.uniform);
      frame.raw = frame.stream === 0 || channel.sideDenied || unproven;
      // Encoded for a batch that was refused before it got there: its record will not come back.
      if (frame.raw && frame.echo !== undefined) {
        this.#echo.forget(frame.echo);
        frame.echo = undefined;
      }
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

  #expectEcho(frame: OutboundFrame): void {
    // One that is sent again is not waited for twice, and not at all where it has come back already.
    if (frame.echo !== undefined && (frame.echo.heard || frame.echo.payload !== undefined)) {
      this.#echo.again(frame.echo);
      return;
    }
    const { instance, seq, crc } = frame.encoded!;
    frame.echo = this.#echo.add(frame.channel.name, frame.tag, instance, seq, frame.payload, crc);
  }
}
