/**
 * The receiving side of large frames: from chunks back to the message of frames that they are parts of.
 *
 *   trunk ─▶ reassembly ─▶ rebuild ─▶ broker ─▶ apps
 *
 * One message at a time from each sender. Whatever is heard of a transfer is confirmed to its sender, whether this pod can
 * use it or not: what paces the sender is that the server holds nothing back for us. A transfer that breaks is counted;
 * its stream heals as after any lost frame.
 */
import { FrameError } from "../core/errors.js";
import type { Clock } from "../core/ports.js";
import { ChunkForm, type ChunkMessage, decodeChunk, unpackChunk } from "../frame/chunk.js";
import { MessageReader, RecordKind } from "../frame/record.js";

export type BrokenReason = "chunk_lost" | "chunk_timeout" | "chunks_full";

export interface ReassemblySink {
  /** Tell the sender's inbox that this message of the transfer has been read. */
  credit(epoch: number, connection: number, transfer: number, index: number): void;
  /** A message of our own transfer has come back: this pod, too, has read it. */
  own(transfer: number, index: number): void;
  /** A whole message of frames, in memory of its own. */
  message(channel: Buffer, message: Buffer): void;
  /** True where a base that is sent again is of use here. */
  waitsFor(epoch: number, instance: number): boolean;
  /** More has come of a base that a stream waits for. */
  underway(epoch: number, instance: number): void;
  undelivered(reason: BrokenReason, frames: number): void;
  malformed(): void;
}

export interface ReassemblyLimits {
  /** Most bytes of messages that are not whole yet, over all senders. */
  bytes: number;
  /** A transfer that is silent for this long is given up, milliseconds. */
  waitMs: number;
  /** Largest payload, bytes. */
  maxPayloadBytes: number;
}

/** What a record may take beside its payload: its head, and the hunks of a delta. */
const OVERHEAD_BYTES = 8192;

interface Incoming {
  readonly transfer: number;
  readonly channel: Buffer;
  readonly instance: number;
  readonly seq: number;
  /** A base that is sent again: no frame is lost with it. */
  readonly repair: boolean;
  /** All of the message, filled from its beginning; undefined where this pod has no use for it. */
  buffer: Buffer | undefined;
  filled: number;
  /** Bytes of the body that are still to come. */
  left: number;
  next: number;
  deadline: number;
}

export class Reassembler {
  readonly #epoch: number;
  readonly #limits: ReassemblyLimits;
  readonly #clock: Clock;
  readonly #sink: ReassemblySink;
  readonly #incoming = new Map<number, Incoming>();
  readonly #reader = new MessageReader();
  #bytes = 0;

  /** @param epoch our own, whose chunks are only confirmed */
  constructor(epoch: number, limits: ReassemblyLimits, clock: Clock, sink: ReassemblySink) {
    this.#epoch = epoch;
    this.#limits = limits;
    this.#clock = clock;
    this.#sink = sink;
  }

  /** Memory of messages that are not whole yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A chunk from the side channel of `channel`. Never throws: what cannot be read is counted and dropped. */
  message(channel: Buffer, message: Buffer): void {
    try {
      const chunk = decodeChunk(message);
      const { epoch, connection, transfer, index } = chunk;
      if (epoch === this.#epoch) {
        this.#sink.own(transfer, index);
        return;
      }
      this.#sink.credit(epoch, connection, transfer, index);
      if (chunk.form === ChunkForm.Opening) this.#open(channel, chunk);
      else this.#take(channel, chunk);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#sink.malformed();
    }
  }

  /** Gives up transfers whose sender has fallen silent. Call it every 50 ms or so. */
  tick(): void {
    if (this.#incoming.size === 0) return;
    const now = this.#clock.now();
    for (const [epoch, incoming] of this.#incoming)
      if (incoming.deadline <= now) this.#break(epoch, incoming, "chunk_timeout");
  }

  #open(channel: Buffer, { epoch, transfer, length, rest }: ChunkMessage): void {
    const before = this.#incoming.get(epoch);
    // The same opening twice: a pod that listens in two ways hears everything twice.
    if (before !== undefined && transfer <= before.transfer) return;
    const { kind, instance, seq } = this.#first(epoch, rest);
    const repair = kind === RecordKind.Repair;
    if (before !== undefined) {
      // A sender begins anew where its connection broke; then nothing is lost yet.
      const again = before.instance === instance && before.seq === seq;
      this.#break(epoch, before, again ? undefined : "chunk_lost");
    }
    const wanted = !repair || this.#sink.waitsFor(epoch, instance);
    const size = rest.length + length;
    const fits = length <= this.#limits.maxPayloadBytes + OVERHEAD_BYTES && this.#bytes + size <= this.#limits.bytes;
    if (wanted && !fits && !repair) this.#sink.undelivered("chunks_full", 1);
    const buffer = wanted && fits ? Buffer.allocUnsafeSlow(size) : undefined;
    if (buffer !== undefined) {
      rest.copy(buffer);
      this.#bytes += size;
    }
    this.#incoming.set(epoch, {
      transfer,
      channel: Buffer.from(channel),
      instance,
      seq,
      repair,
      buffer,
      filled: rest.length,
      left: length,
      next: 1,
      deadline: this.#clock.now() + this.#limits.waitMs,
    });
  }

  /** The only record of a message whose body is to come. */
  #first(epoch: number, message: Buffer): { kind: RecordKind; instance: number; seq: number } {
    const reader = this.#reader;
    try {
      reader.open(message);
      if (reader.count !== 1 || reader.epoch !== epoch || !reader.next()) throw new FrameError("not one record");
      const { kind, instance, seq, bodyStart } = reader;
      if (kind === RecordKind.Gone || bodyStart !== message.length) throw new FrameError("a record without a body");
      return { kind, instance, seq };
    } finally {
      reader.close();
    }
  }

  #take(channel: Buffer, chunk: ChunkMessage): void {
    const { epoch, transfer, index, length } = chunk;
    const incoming = this.#incoming.get(epoch);
    // Of another transfer: this pod came in the middle, or has given it up.
    if (incoming === undefined || incoming.transfer !== transfer || index < incoming.next) return;
    const { buffer } = incoming;
    if (index > incoming.next || length > incoming.left || !incoming.channel.equals(channel)) {
      this.#break(epoch, incoming, "chunk_lost");
      return;
    }
    if (buffer !== undefined) {
      try {
        incoming.filled += unpackChunk(chunk).copy(buffer, incoming.filled);
      } catch (error) {
        this.#break(epoch, incoming, "chunk_lost");
        throw error;
      }
      if (incoming.repair) this.#sink.underway(epoch, incoming.instance);
    }
    incoming.next++;
    incoming.left -= length;
    incoming.deadline = this.#clock.now() + this.#limits.waitMs;
    if (incoming.left > 0) return;
    this.#forget(epoch, incoming);
    if (buffer !== undefined) this.#sink.message(incoming.channel, buffer);
  }

  /** What is left of it is of no use. Without a reason nothing is lost, or it has been counted. */
  #break(epoch: number, incoming: Incoming, reason: BrokenReason | undefined): void {
    this.#forget(epoch, incoming);
    if (reason !== undefined && incoming.buffer !== undefined && !incoming.repair) this.#sink.undelivered(reason, 1);
  }

  #forget(epoch: number, incoming: Incoming): void {
    this.#incoming.delete(epoch);
    if (incoming.buffer !== undefined) this.#bytes -= incoming.buffer.length;
  }
}
