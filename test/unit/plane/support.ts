/** A sender and receivers of the frame plane without sockets: what one encodes the others rebuild, message by message. */
import type { Clock } from "../../../src/core/ports.js";
import { encodeMessage, type WireRecord } from "../../../src/frame/record.js";
import { ANY_DOMAIN } from "../../../src/plane/domain.js";
import { type Encoded, Encoder } from "../../../src/plane/encode.js";
import { Rebuilder } from "../../../src/plane/rebuild.js";
import type { RebuildLimits } from "../../../src/plane/rebuild-sink.js";
import { type ChannelStreams, factsOf } from "../../../src/plane/sender.js";
import { nameFrame, newFrameName } from "../../../src/socketio/dialect.js";

export class ManualClock implements Clock {
  ms = 1_000;
  now(): number {
    return this.ms;
  }
}

export const limits: RebuildLimits = {
  count: 10_000,
  bytes: 64 * 1024 * 1024,
  idleMs: 120_000,
  holdMs: 1_000,
  holdBytes: 16 * 1024 * 1024,
  maxPayloadBytes: 64 * 1024 * 1024,
  askMs: 50,
};

export interface SentFrame {
  channel: Buffer;
  /** The side message; undefined where the frame goes raw. */
  message: Buffer | undefined;
  encoded: Encoded | undefined;
  payload: Buffer;
}

export class TestSender {
  readonly encoder: Encoder;
  readonly evictions: string[] = [];
  readonly #channels = new Map<string, ChannelStreams>();
  readonly #asked = new Map<number, { seq: number; dueAt: number }>();

  constructor(
    readonly epoch: number,
    readonly clock: Clock,
    streams = { count: 10_000, bytes: 64 * 1024 * 1024, idleMs: 120_000 },
  ) {
    this.encoder = new Encoder(streams, (reason) => this.evictions.push(reason));
  }

  channel(name: Buffer): ChannelStreams {
    const key = name.toString("latin1");
    let streams = this.#channels.get(key);
    if (streams === undefined) {
      streams = { generation: 0 };
      this.#channels.set(key, streams);
    }
    return streams;
  }

  send(channel: Buffer, payload: Buffer): SentFrame {
    const name = newFrameName();
    const facts = nameFrame(channel, payload, name)
      ? factsOf(name)
      : { stream: 0, cumulative: false, tag: ANY_DOMAIN, mark: 0 };
    const encoded =
      facts.stream === 0
        ? undefined
        : this.encoder.encode(this.channel(channel), Buffer.from(payload), facts, this.clock.now());
    return { channel, payload, encoded, message: encoded && this.message(encoded.record) };
  }

  message(...records: WireRecord[]): Buffer {
    return encodeMessage(this.epoch, 1, records);
  }

  /** Answers questions as the trunk does: each once, when its stream may be repaired again. */
  answers(asked: readonly { instance: number; seq: number }[]): { channel: Buffer; message: Buffer }[] {
    const now = this.clock.now();
    for (const { instance, seq } of asked) {
      const seqs = this.#asked.get(instance);
      const dueAt = this.encoder.repairDue(instance, seq, now);
      if (dueAt === undefined) continue;
      if (seqs === undefined) this.#asked.set(instance, { seq, dueAt });
      else seqs.seq = Math.min(seqs.seq, seq);
    }
    const messages: { channel: Buffer; message: Buffer }[] = [];
    for (const [instance, { seq, dueAt }] of this.#asked) {
      if (dueAt > now) continue;
      this.#asked.delete(instance);
      const repair = this.encoder.repair(instance, seq, now);
      messages.push({
        channel: Buffer.from(this.nameOf(repair?.channel), "latin1"),
        message: this.message(repair?.record ?? this.encoder.gone(instance, seq)),
      });
    }
    return messages;
  }

  nameOf(channel: ChannelStreams | undefined): string {
    for (const [name, streams] of this.#channels) if (streams === channel) return name;
    return "";
  }

  /** The side message that answers a question. */
  repair(instance: number, seq: number): Buffer {
    const repair = this.encoder.repair(instance, seq, this.clock.now());
    return this.message(repair === undefined ? this.encoder.gone(instance, seq) : repair.record);
  }
}

export class TestReceiver {
  readonly delivered: { channel: string; payload: Buffer; kind: string }[] = [];
  readonly asked: { epoch: number; instance: number; seq: number }[] = [];
  readonly resyncs: string[] = [];
  readonly undelivered = new Map<string, number>();
  repeats = 0;
  impostors = 0;
  /** The newest record that this sidecar's own encoder is said to have made. */
  own = { instance: 0, seq: 0 };
  readonly rebuilder: Rebuilder;

  constructor(clock: Clock, epoch = 0xfeed, changed: Partial<RebuildLimits> = {}) {
    this.rebuilder = new Rebuilder(epoch, { ...limits, ...changed }, clock, {
      deliver: (channel, payload, kind) =>
        this.delivered.push({ channel: channel.toString("latin1"), payload: Buffer.from(payload), kind }),
      ask: (from, _connection, instance, seq) => this.asked.push({ epoch: from, instance, seq }),
      resync: (reason) => this.resyncs.push(reason),
      undelivered: (reason, frames) => this.undelivered.set(reason, (this.undelivered.get(reason) ?? 0) + frames),
      repeat: () => this.repeats++,
      needs: () => true,
      skipped: () => {},
      made: (instance, seq) => instance < this.own.instance || (instance === this.own.instance && seq <= this.own.seq),
      impostor: () => this.impostors++,
      repaired: () => {},
      evicted: () => {},
    });
  }

  receive(frame: SentFrame): void {
    if (frame.message === undefined) this.rebuilder.raw(frame.channel, frame.payload, "exact");
    else this.rebuilder.message(frame.channel, frame.message);
  }
}
