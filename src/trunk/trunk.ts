/**
 * The sidecar's own two connections, put together: what is published leaves on one, what the pod hears comes on the
 * other, and between them stand encoder, local delivery and rebuilder.
 */
import { Broker } from "../broker/broker.js";
import type { RespLimits } from "../core/limits.js";
import type { Clock, Log, Meter } from "../core/ports.js";
import type { Dialer } from "../discovery/dialer.js";
import { MessageType, typeOf } from "../frame/message.js";
import { Encoder } from "../plane/encode.js";
import type { BatchLimits } from "../plane/gather.js";
import { Reassembler, type ReassemblyLimits } from "../plane/reassembly.js";
import { Rebuilder } from "../plane/rebuild.js";
import type { DeliveredKind, RebuildLimits, RebuildSink } from "../plane/rebuild-sink.js";
import type { StreamLimits } from "../plane/streams.js";
import type { Hearing } from "./hearing.js";
import { Publisher } from "./publisher.js";
import type { QueueLimits } from "./queue.js";
import { LocalRooms, type RoomOptions } from "./rooms.js";
import { Subscriber, type Upstreamed } from "./subscriber.js";
import type { TransferLimits } from "./transfers.js";

export interface TrunkOptions {
  epoch: number;
  uniform: boolean;
  /** One worker is all that publishes in this pod. */
  oneEmitter: boolean;
  identity: { username: string | undefined; password: string | undefined; db: number };
  resp: RespLimits;
  streams: StreamLimits;
  rebuild: RebuildLimits;
  batch: BatchLimits;
  queue: QueueLimits;
  large: TransferLimits;
  reassembly: ReassemblyLimits;
  rooms: RoomOptions;
  windowMs: number;
  canaryMs: number;
  canaryTimeoutMs: number;
}

/** Holds, questions and queue waits are looked after this often. */
const TICK_MS = 50;
const SWEEP_MS = 1_000;
/** Users go after a day, and there may be a hundred thousand. */
const ROOM_SWEEP_MS = 60_000;
const PING_MS = 5_000;

export class Trunk {
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  readonly broker: Broker<Upstreamed>;
  readonly rooms: LocalRooms;
  readonly #rebuilder: Rebuilder;
  readonly #reassembler: Reassembler;
  readonly #encoder: Encoder;
  readonly #clock: Clock;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(options: TrunkOptions, dialer: Dialer, clock: Clock, log: Log, meter: Meter) {
    this.#clock = clock;
    const evictions = (side: string) => ({
      idle: meter.counter("keyframe_stream_evictions_total", { side, reason: "idle" }),
      count: meter.counter("keyframe_stream_evictions_total", { side, reason: "count" }),
      bytes: meter.counter("keyframe_stream_evictions_total", { side, reason: "bytes" }),
    });
    const forgotten = evictions("sender");
    this.#encoder = new Encoder(options.streams, (reason) => forgotten[reason].inc());

    this.#rebuilder = new Rebuilder(
      options.epoch,
      options.rebuild,
      clock,
      this.#sink(log, meter, evictions("receiver")),
    );
    this.#reassembler = this.#reassembly(options, clock, meter);
    const link = (name: string) => ({
      name,
      ...options.identity,
      limits: options.resp,
      pingMs: PING_MS,
      reconnects: meter.counter("keyframe_upstream_reconnects_total", { connection: name }),
    });
    const received = meter.counter("keyframe_wire_bytes_total", { direction: "received" });
    this.subscriber = new Subscriber(
      options.epoch,
      link("subscriber"),
      dialer,
      {
        settled: (subscription) => {
          if (subscription.kind === "room") this.rooms.settled(subscription);
          else this.broker.settled(subscription);
        },
        raw: (channel, payload, pattern, own) => {
          received.inc(payload.length);
          if (!own) this.#rebuilder.raw(channel, payload, pattern ?? "exact");
        },
        side: (channel, message) => {
          received.inc(message.length);
          if (typeOf(message) === MessageType.Chunk) this.#reassembler.message(channel, message);
          else this.#rebuilder.message(channel, message);
        },
        inbox: (message) => this.#inbox(message),
        down: () => this.#rebuilder.deaf(),
        resubscribed: () => this.publisher.control.hello(this.#rebuilder.hello()),
      },
      clock,
      log,
      meter,
    );
    this.broker = new Broker<Upstreamed>(this.subscriber, meter);
    this.rooms = new LocalRooms(options.rooms, this.subscriber, log, meter);
    this.publisher = new Publisher(
      {
        epoch: options.epoch,
        uniform: options.uniform,
        oneEmitter: options.oneEmitter,
        batch: options.batch,
        queue: options.queue,
        large: options.large,
        windowMs: options.windowMs,
        askMs: options.rebuild.askMs,
        canaryMs: options.canaryMs,
        canaryTimeoutMs: options.canaryTimeoutMs,
        link: link("publisher"),
      },
      dialer,
      this.#encoder,
      this.#hearing(),
      (channel, tag, payload) => this.#rebuilder.own(channel, tag, payload),
      clock,
      log,
      meter,
    );
    this.#gauges(meter);
  }

  start(): void {
    this.rooms.load();
    this.publisher.link.start();
    this.subscriber.link.start();
    this.#timers.push(
      setInterval(() => {
        this.#rebuilder.tick();
        this.#reassembler.tick();
        this.publisher.tick();
      }, TICK_MS),
      setInterval(() => {
        this.#rebuilder.sweep();
        this.#encoder.sweep(this.#clock.now());
      }, SWEEP_MS),
      setInterval(() => this.rooms.sweep(), ROOM_SWEEP_MS),
    );
  }

  /** What keeps the pod from being ready; empty when nothing does. */
  troubles(): string[] {
    const troubles: string[] = [];
    for (const { link, name } of [
      { link: this.publisher.link, name: "publisher" },
      { link: this.subscriber.link, name: "subscriber" },
    ]) {
      if (link.state !== "up") troubles.push(`${name}: ${link.trouble}`);
    }
    if (troubles.length === 0 && this.publisher.canary.trouble !== "") troubles.push(this.publisher.canary.trouble);
    const pending = this.subscriber.pending();
    if (pending > 0) troubles.push(`${pending} subscriptions are not held upstream`);
    return troubles;
  }

  /** Sends what is queued; resolves when the server has answered it, or after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.publisher.whenFlushed(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.publisher.stop();
    this.subscriber.stop();
  }

  /** Our inbox hears questions from receivers, and from senders that an instance we asked for is gone. */
  #inbox(message: Buffer): void {
    if (typeOf(message) === MessageType.Frames) this.#rebuilder.message(Buffer.alloc(0), message);
    else this.publisher.control.inbox(message);
  }

  #hearing(): Hearing {
    const { subscriber, rooms } = this;
    return {
      get connection() {
        return subscriber.connection;
      },
      get inbox() {
        return subscriber.inbox;
      },
      get hopeful() {
        return subscriber.hopeful;
      },
      wants: (channel) => subscriber.wants(channel),
      holds: (channel) => subscriber.holds(channel),
      inRoom: (presence) => subscriber.inRoom(presence),
      needs: (mark) => rooms.needs(mark),
      reset: (reason) => subscriber.link.reset(reason),
      expectOwn: (raw) => subscriber.expectOwn(raw),
    };
  }

  #sink(log: Log, meter: Meter, evicted: Record<"idle" | "count" | "bytes", { inc(by?: number): void }>): RebuildSink {
    const delivered = (kind: DeliveredKind) => meter.counter("keyframe_frames_total", { direction: "out", kind });
    const frames = {
      keyframe: delivered("keyframe"),
      delta: delivered("delta"),
      raw: delivered("raw"),
      local: delivered("local"),
    };
    const repeats = meter.counter("keyframe_repeats_dropped_total");
    const repairs = meter.counter("keyframe_repairs_total", { direction: "received" });
    const skipped = meter.counter("keyframe_skipped_frames_total");
    return {
      deliver: (channel, payload, kind, route) => {
        frames[kind].inc();
        this.broker.deliver(channel, payload, route);
      },
      ask: (epoch, connection, instance, seq) => this.publisher.control.ask(epoch, connection, instance, seq),
      resync: (reason) => meter.counter("keyframe_resyncs_total", { reason }).inc(),
      undelivered: (reason, count) => meter.counter("keyframe_undelivered_frames_total", { reason }).inc(count),
      repeat: () => repeats.inc(),
      needs: (mark) => this.rooms.needs(mark),
      skipped: () => skipped.inc(),
      made: (instance, seq) => this.#encoder.made(instance, seq),
      impostor: () => {
        log.error("epoch-collision", { consequence: "the process ends; started again, it draws another epoch" });
        // Not from here: the connection would take it for an unreadable reply and dial again.
        setImmediate(() => {
          throw new Error("another sidecar sends under our epoch");
        });
      },
      repaired: () => repairs.inc(),
      evicted: (reason) => evicted[reason].inc(),
    };
  }

  #reassembly(options: TrunkOptions, clock: Clock, meter: Meter): Reassembler {
    const lost = (reason: string) => meter.counter("keyframe_undelivered_frames_total", { reason });
    const undelivered = {
      chunk_lost: lost("chunk_lost"),
      chunk_timeout: lost("chunk_timeout"),
      chunks_full: lost("chunks_full"),
    };
    const malformed = meter.counter("keyframe_resyncs_total", { reason: "malformed" });
    const full = meter.counter("keyframe_limit_hits_total", { limit: "largeBufferBytes" });
    const reassembler = new Reassembler(options.epoch, options.reassembly, clock, {
      credit: (...message) => this.publisher.control.credit(...message),
      own: (transfer, index) => this.publisher.transfers.credit(transfer, index),
      message: (channel, message) => this.#rebuilder.message(channel, message),
      waitsFor: (epoch, instance) => this.#rebuilder.waitsFor(epoch, instance),
      underway: (epoch, instance) => this.#rebuilder.underway(epoch, instance),
      undelivered: (reason, frames) => {
        undelivered[reason].inc(frames);
        if (reason === "chunks_full") full.inc();
      },
      malformed: () => malformed.inc(),
    });
    meter.gauge("keyframe_large_bytes", () => reassembler.bytes, { side: "receiver" });
    return reassembler;
  }

  #gauges(meter: Meter): void {
    const { publisher, subscriber } = this;
    meter.gauge("keyframe_streams", () => this.#encoder.streams, { side: "sender" });
    meter.gauge("keyframe_streams", () => this.#rebuilder.streams, { side: "receiver" });
    meter.gauge("keyframe_stream_bytes", () => this.#encoder.bytes, { side: "sender" });
    meter.gauge("keyframe_stream_bytes", () => this.#rebuilder.streamBytes, { side: "receiver" });
    meter.gauge("keyframe_held_frames", () => this.#rebuilder.heldFrames);
    meter.gauge("keyframe_held_bytes", () => this.#rebuilder.heldBytes);
    meter.gauge("keyframe_queue_frames", () => publisher.queue.length);
    meter.gauge("keyframe_queue_bytes", () => publisher.queue.bytes);
    meter.gauge("keyframe_upstream_connected", () => Number(publisher.link.state === "up"), {
      connection: "publisher",
    });
    meter.gauge("keyframe_upstream_connected", () => Number(subscriber.link.state === "up"), {
      connection: "subscriber",
    });
  }
}
