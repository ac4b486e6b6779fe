/**
 * Makes the next batch of what waits: repairs that are due, then frames in order, each encoded or raw, as many as fit.
 *
 *   [queue] ─▶ encode ─▶ gather ─▶ messages of one batch
 */
import { encodeMessage, recordSize } from "../frame/record.js";
import { DomainSet } from "../plane/domain.js";
import type { Encoder } from "../plane/encode.js";
import { Batch, type BatchLimits } from "../plane/gather.js";
import type { Control } from "./control.js";
import type { Hearing } from "./hearing.js";
import type { LocalDelivery } from "./local.js";
import { type OutboundChannel, type OutboundFrame, OutboundRoom, silentIn } from "./outbound.js";
import type { OutboundQueue } from "./queue.js";
import type { RawLimit } from "./raw-limit.js";
import type { Transfers } from "./transfers.js";
import type { SentMessage } from "./verdicts.js";

const NO_BYTES: Buffer = Buffer.alloc(0);

export interface AssemblerOptions {
  epoch: number;
  uniform: boolean;
  batch: BatchLimits;
}

/** From one question after a room's audience to the next, milliseconds. */
const ASK_MS = 1_000;
/** So many frames may wait for a large one; what is behind them waits as well. */
const MOST_KEPT = 4096;

/** "full": nothing more fits; "wait": its turn comes after a large frame; "opening": it is one, and others wait for it. */
type Placed = "taken" | "full" | "wait" | "opening";

export class Assembler {
  readonly #options: AssemblerOptions;
  readonly #queue: OutboundQueue;
  readonly #control: Control;
  readonly #encoder: Encoder;
  readonly #local: LocalDelivery;
  readonly #hearing: Hearing;
  readonly #transfers: Transfers;
  readonly #rawLimit: RawLimit;
  /** Of the large frame that the batch begins. */
  #opening: Buffer | undefined;

  constructor(
    options: AssemblerOptions,
    queue: OutboundQueue,
    control: Control,
    encoder: Encoder,
    local: LocalDelivery,
    hearing: Hearing,
    transfers: Transfers,
    rawLimit: RawLimit,
  ) {
    this.#options = options;
    this.#queue = queue;
    this.#control = control;
    this.#encoder = encoder;
    this.#local = local;
    this.#hearing = hearing;
    this.#transfers = transfers;
    this.#rawLimit = rawLimit;
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
    for (const { channel, record, tag } of this.#control.takeDue(limits.frames >> 1, limits.bytes >> 1)) {
      const size = recordSize(record);
      const repair = { channel, room: undefined, frames: [], word: NO_BYTES, own: false };
      if (this.#transfers.isLarge(size)) {
        sent.push({ ...repair, kind: "opening", payload: this.#transfers.open(channel, record, undefined, tag) });
        continue;
      }
      sent.push({ ...repair, kind: "side", payload: encodeMessage(epoch, connection, [record]) });
      repairBytes += size;
    }
    const batch = new Batch<OutboundChannel, OutboundFrame>({
      frames: Math.max(1, limits.frames - sent.length),
      bytes: Math.max(limits.bytes >> 1, limits.bytes - repairBytes),
    });
    let taken = 0;
    let kept: OutboundFrame[] | undefined;
    // Domains that have to wait: undefined, as nearly always, where no large frame is on its way.
    let waiting = this.#transfers.waiting();
    for (const frame of this.#queue.frames()) {
      if (!frame.replaced) {
        const conflicts = waiting?.conflicts(frame.tag) ?? false;
        const placed = conflicts ? "wait" : this.#place(frame, batch, scriptDenied, now);
        if (placed === "full" || (kept?.length ?? 0) >= MOST_KEPT) break;
        if (placed !== "taken") {
          waiting ??= new DomainSet();
          waiting.add(frame.tag);
        }
        if (placed === "wait") {
          kept ??= [];
          kept.push(frame);
        }
      }
      taken++;
    }
    this.#queue.take(taken, kept);
    for (const { channel, kind, frames, silentIn: silent } of batch.messages) {
      let word = NO_BYTES;
      for (const frame of frames) word = this.#local.leaving(frame, kind);
      const payload = this.#payloadOf(kind, frames);
      const room = silent instanceof OutboundRoom ? silent : undefined;
      const own = room === undefined ? this.#hearing.holds(channel.name) : this.#hearing.inRoom(room.presence);
      sent.push({ channel, room, kind, frames, payload, word, own });
      if (kind === "side" && !scriptDenied) this.#askAfter(frames, sent, now);
    }
    return { sent, frames: batch.frames };
  }

  /** Whether anybody elsewhere is in the rooms of these frames is asked in the same batch, now and then. */
  #askAfter(frames: readonly OutboundFrame[], sent: SentMessage[], now: number): void {
    for (const { channel, room } of frames) {
      if (room === undefined || now - room.askedAt < ASK_MS) continue;
      room.askedAt = now;
      const own = this.#hearing.inRoom(room.presence);
      sent.push({ channel, room, kind: "count", frames: [], payload: NO_BYTES, word: NO_BYTES, own });
    }
  }

  #payloadOf(kind: SentMessage["kind"], frames: readonly OutboundFrame[]): Buffer {
    if (kind === "silent") return NO_BYTES;
    if (kind === "raw") return frames[0]!.payload;
    if (kind === "opening") return this.#opening!;
    const records = frames.map((frame) => frame.encoded!.record);
    return encodeMessage(this.#options.epoch, this.#hearing.connection, records);
  }

  /** Puts one frame into the batch, if it fits and nothing stands against it. */
  #place(
    frame: OutboundFrame,
    batch: Batch<OutboundChannel, OutboundFrame>,
    scriptDenied: boolean,
    now: number,
  ): Placed {
    const { channel, room, payload } = frame;
    const silent = silentIn(frame);
    // What has been refused or encoded once goes the way it was meant to go.
    if (silent !== undefined && !scriptDenied && frame.encoded === undefined && !frame.raw) {
      if (!batch.hasRoom(0)) return "full";
      batch.addSilent(channel, frame, silent);
      return "taken";
    }
    // A frame without a stream has nothing to be coded against: it goes as it is, where it always went, unless it is large.
    if (!frame.doubtful && !frame.raw) {
      // Without script nobody can be counted, and without an inbox nobody could ask us for a base.
      const uncounted = scriptDenied && !(this.#options.uniform && this.#hearing.hopeful);
      const unproven = channel.mode === "raw" || uncounted;
      const plain = frame.stream === 0 && !this.#transfers.isLarge(payload.length);
      frame.raw = plain || channel.sideDenied || unproven;
    }
    if (frame.raw) {
      if (this.#rawLimit.refuses(frame)) {
        this.#local.ended(frame);
        return "taken";
      }
      if (!batch.hasRoom(payload.length)) return "full";
      batch.addRaw(channel, frame, payload.length);
      return "taken";
    }
    if (frame.encoded === undefined) {
      if (!batch.hasRoom(0)) return "full";
      frame.encoded = this.#encoder.encode(room ?? channel, payload, frame, now);
    }
    const { bytes, record } = frame.encoded;
    if (this.#transfers.isLarge(bytes)) {
      if (this.#transfers.busy) return "wait";
      if (!batch.hasRoom(0)) return "full";
      this.#opening = this.#transfers.open(channel, record, frame, frame.tag);
      batch.addOpening(channel, frame, this.#opening.length);
      return "opening";
    }
    if (!batch.hasRoom(bytes)) return "full";
    batch.addSide(channel, frame, bytes);
    return "taken";
  }
}
