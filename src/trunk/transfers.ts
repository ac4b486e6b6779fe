/**
 * The sending side of large frames: one at a time, in chunks on the side channel, no further ahead of its readers than the
 * window allows. All other domains go on in batches between the chunks.
 *
 *   assembler ─▶ opening, through the script ─▶ chunks, as plain PUBLISHes ─▶ credit of all who read them
 *
 * Only the opening is compared: it is the moment at which the frame is published. What follows in its order domain waits
 * until the last chunk has been written.
 */
import type { Clock, Counter, Histogram, Log, Meter } from "../core/ports.js";
import { ChunkForm, encodeChunk, type PackedChunk, plainChunk } from "../frame/chunk.js";
import { encodeMessage, type WireRecord } from "../frame/record.js";
import { CreditWindow } from "../plane/credit.js";
import { DomainSet, type DomainTag } from "../plane/domain.js";
import { type Reply, ReplyError } from "../resp/reply-decoder.js";
import { sideChannel } from "../socketio/channels.js";
import { Cutter } from "./cutter.js";
import type { OutboundChannel, OutboundFrame } from "./outbound.js";

export interface TransferLimits {
  /** A message of more than this many bytes travels in chunks. */
  bytes: number;
  /** Most bytes that are under way to somebody. */
  windowBytes: number;
  /** Readers that have said nothing for this long are not waited for any more, milliseconds. */
  waitMs: number;
  /** Largest frame on a channel of the apps', bytes. */
  rawBytes: number;
}

export interface TransferOwner {
  readonly epoch: number;
  /** The number of our inbox, and whether it is subscribed: without it no credit can be heard. */
  readonly hearing: { readonly connection: number; readonly inbox: Buffer | undefined };
  publish(channel: Buffer, message: Buffer, answered: (reply: Reply) => void): void;
  /** The server has published all of the frame, or nobody was there to hear it. */
  published(): void;
  /** Our own inbox has been away for too long: nobody can say how far they are. */
  unheard(): void;
  /** It will not be delivered. */
  broken(): void;
  /** What has waited for it may go on. */
  wake(): void;
}

interface Transfer {
  readonly id: number;
  readonly channel: OutboundChannel;
  readonly side: Buffer;
  /** Undefined for a base that is sent again. */
  readonly frame: OutboundFrame | undefined;
  /** The message of frames without its body. */
  readonly prefix: Buffer;
  readonly bytes: number;
  readonly chunks: Cutter;
  /** What waits for it; undefined: nothing does. */
  readonly tag: DomainTag | undefined;
  readonly at: number;
  readonly window: CreditWindow;
  /** Of the newest message, and of the last that holds a part of the body; -1 before that. */
  index: number;
  last: number;
  state: "opening" | "sending" | "written" | "published";
}

/** A window is this many chunks. */
const CHUNKS = 4;
/** Credit that has not come by then is asked for with an empty chunk, milliseconds. */
const PROBE_MS = 500;

export class Transfers {
  readonly #limits: TransferLimits;
  readonly #owner: TransferOwner;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #outcomes: Record<"sent" | "unheard" | "interrupted", Counter>;
  readonly #seconds: Histogram;
  readonly #silent: Counter;
  readonly #wire: Counter;
  readonly #chunkBytes: number;
  readonly #silentOn = new WeakMap<OutboundChannel, number>();
  #current: Transfer | undefined;
  #transfers = 0;
  /** Since when no credit can be heard. */
  #unheardSince: number | undefined;
  /** When the last one ended, Clock milliseconds: what has waited for it is not late before. */
  endedAt = Number.NEGATIVE_INFINITY;

  constructor(limits: TransferLimits, owner: TransferOwner, clock: Clock, log: Log, meter: Meter) {
    this.#limits = limits;
    this.#owner = owner;
    this.#clock = clock;
    this.#log = log;
    this.#chunkBytes = Math.ceil(limits.windowBytes / CHUNKS);
    const outcome = (name: string) => meter.counter("keyframe_large_frames_total", { outcome: name });
    this.#outcomes = { sent: outcome("sent"), unheard: outcome("unheard"), interrupted: outcome("interrupted") };
    this.#seconds = meter.histogram("keyframe_large_frame_seconds");
    this.#silent = meter.counter("keyframe_large_silent_readers_total");
    this.#wire = meter.counter("keyframe_wire_bytes_total", { direction: "sent" });
    meter.gauge("keyframe_large_bytes", () => this.#current?.bytes ?? 0, { side: "sender" });
  }

  /** True where a record has to travel in chunks. */
  isLarge(bytes: number): boolean {
    return bytes > this.#limits.bytes;
  }

  get busy(): boolean {
    return this.#current !== undefined;
  }

  /** The frame that is on its way, until all of it has been published. */
  get frame(): OutboundFrame | undefined {
    return this.#current?.state === "published" ? undefined : this.#current?.frame;
  }

  /** The domains that wait for what is on its way; undefined: none do. */
  waiting(): DomainSet | undefined {
    if (this.#current === undefined) return undefined;
    const { state, tag } = this.#current;
    if (tag === undefined || state === "written" || state === "published") return undefined;
    const tags = new DomainSet();
    tags.add(tag);
    return tags;
  }

  /** True where a repair of that many bytes must wait: for the one that is on its way, or behind it. */
  defers(bytes: number): boolean {
    const current = this.#current;
    if (current === undefined) return false;
    return this.isLarge(bytes) || (current.frame === undefined && current.tag !== undefined);
  }

  /**
   * Takes a record that is to travel in chunks. Only while not busy.
   * @param frame undefined for a base that is sent again
   * @param tag what must wait for it
   * @returns the opening, to be published through the script; its verdict goes to opened() or refused()
   */
  open(
    channel: OutboundChannel,
    record: WireRecord,
    frame: OutboundFrame | undefined,
    tag: DomainTag | undefined,
  ): Buffer {
    const { epoch, hearing } = this.#owner;
    const now = this.#clock.now();
    const transfer: Transfer = {
      id: ++this.#transfers,
      channel,
      side: sideChannel(channel.name),
      frame,
      prefix: encodeMessage(epoch, hearing.connection, [{ ...record, body: Buffer.alloc(0) }]),
      bytes: record.body.length,
      chunks: new Cutter(record.body, this.#chunkBytes, () => this.#current === transfer && this.#pump(transfer)),
      tag,
      at: now,
      window: new CreditWindow(this.#silentOn.get(channel)),
      index: 0,
      last: -1,
      state: "opening",
    };
    this.#current = transfer;
    const opening = { form: ChunkForm.Opening, length: record.body.length, rest: transfer.prefix };
    return encodeChunk(epoch, hearing.connection, transfer.id, 0, opening);
  }

  /** The opening has been published. */
  opened(): void {
    const transfer = this.#current;
    if (transfer?.state !== "opening") return;
    transfer.state = "sending";
    this.#pump(transfer);
  }

  /** The opening has been refused, or lost with its batch. */
  refused(): void {
    if (this.#current?.state === "opening") this.#current = undefined;
  }

  /**
   * The connection is gone, or credit cannot be heard.
   * @returns the frame that must be sent again, with word whether it may have been delivered
   */
  lost(): { frame: OutboundFrame; doubtful: boolean } | undefined {
    const transfer = this.#current;
    this.#current = undefined;
    this.#unheardSince = undefined;
    this.endedAt = this.#clock.now();
    if (transfer === undefined || transfer.state === "opening") return undefined;
    const { frame, state } = transfer;
    this.#outcomes[state === "published" ? "sent" : "interrupted"].inc();
    return frame && state !== "published" ? { frame, doubtful: state === "written" } : undefined;
  }

  /** Somebody has read a message of a transfer. */
  credit(id: number, index: number): void {
    const transfer = this.#current;
    if (transfer?.id !== id) return;
    transfer.window.confirmed(index);
    this.#goOn(transfer);
  }

  /** Call it every 50 ms or so: asks for credit that is late, and gives up those who stay silent. */
  tick(): void {
    const transfer = this.#current;
    if (transfer === undefined || transfer.state === "opening" || transfer.window.empty) return;
    const { window } = transfer;
    const now = this.#clock.now();
    if (this.#owner.hearing.inbox === undefined) {
      window.restart(now);
      this.#unheardSince ??= now;
      if (now - this.#unheardSince >= this.#limits.waitMs) this.#owner.unheard();
      return;
    }
    this.#unheardSince = undefined;
    if (now - window.waitingSince >= this.#limits.waitMs) {
      const silent = window.giveUp(now - PROBE_MS);
      if (silent > 0) {
        this.#silent.inc(silent);
        const consequence = "the frame goes on without them";
        this.#log.warn("large-frame-readers-silent", {
          channel: transfer.channel.name.toString(),
          silent,
          consequence,
        });
      }
      this.#goOn(transfer);
    } else if (now - window.waitingSince >= PROBE_MS && now - window.lastAt >= PROBE_MS) {
      this.#publish(transfer, plainChunk(Buffer.alloc(0)));
    }
  }

  /** Publishes what is ready and fits into the window. */
  #pump(transfer: Transfer): void {
    if (transfer.state !== "sending") return;
    const { chunks, window } = transfer;
    for (let chunk = chunks.next; chunk !== undefined; chunk = chunks.next) {
      if (!window.empty && window.bytes + chunk.rest.length > this.#limits.windowBytes) return;
      chunks.take();
      this.#publish(transfer, chunk);
    }
    if (!chunks.done) return;
    this.#written(transfer);
    this.#owner.wake();
  }

  #publish(transfer: Transfer, chunk: PackedChunk): void {
    const { epoch, hearing } = this.#owner;
    const index = ++transfer.index;
    const message = encodeChunk(epoch, hearing.connection, transfer.id, index, chunk);
    transfer.window.sent(index, message.length, this.#clock.now());
    this.#wire.inc(message.length);
    this.#owner.publish(transfer.side, message, (reply) => {
      if (this.#current === transfer) this.#answered(transfer, index, reply);
    });
  }

  #written(transfer: Transfer): void {
    transfer.state = "written";
    transfer.last = transfer.index;
  }

  #answered(transfer: Transfer, index: number, reply: Reply): void {
    const { window } = transfer;
    if (reply instanceof ReplyError) {
      this.#refuse(transfer, reply.message);
      return;
    }
    window.answered(index, Number(reply));
    if (transfer.state === "published") {
      this.#goOn(transfer);
    } else if (reply === 0) {
      // Nobody is there: the rest would be for nobody.
      if (transfer.state === "sending") this.#written(transfer);
      this.#published(transfer);
      this.#end(transfer, "unheard");
    } else {
      if (index === transfer.last) this.#published(transfer);
      this.#goOn(transfer);
    }
  }

  #published(transfer: Transfer): void {
    transfer.state = "published";
    if (transfer.frame !== undefined) this.#owner.published();
  }

  #refuse(transfer: Transfer, error: string): void {
    const { channel, frame, state } = transfer;
    this.#log.warn("large-frame-refused", { channel: channel.name.toString(), error });
    if (frame !== undefined && state !== "published") this.#owner.broken();
    this.#end(transfer, "interrupted");
  }

  #goOn(transfer: Transfer): void {
    if (transfer.state !== "published") {
      this.#pump(transfer);
      return;
    }
    if (transfer.window.empty) this.#end(transfer, "sent");
  }

  #end(transfer: Transfer, outcome: "sent" | "unheard" | "interrupted"): void {
    this.#current = undefined;
    this.endedAt = this.#clock.now();
    this.#silentOn.set(transfer.channel, transfer.window.silent);
    this.#outcomes[outcome].inc();
    this.#seconds.observe((this.endedAt - transfer.at) / 1000);
    this.#owner.wake();
  }
}
