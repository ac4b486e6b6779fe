/**
 * Sidecars and a faulty network between them, without sockets: frames through encoder, batch, messages and rebuilder, on
 * a clock that only the test moves. It keeps what was published and what each pod delivered, for the checker beside it.
 */
import { encodeMessage } from "../../../src/frame/record.js";
import { ANY_DOMAIN, type DomainTag } from "../../../src/plane/domain.js";
import { Encoder } from "../../../src/plane/encode.js";
import { Batch } from "../../../src/plane/gather.js";
import { Rebuilder } from "../../../src/plane/rebuild.js";
import type { RebuildLimits } from "../../../src/plane/rebuild-sink.js";
import { type ChannelStreams, type FrameFacts, factsOf } from "../../../src/plane/sender.js";
import type { StreamLimits } from "../../../src/plane/streams.js";
import { nameFrame, newFrameName } from "../../../src/socketio/dialect.js";
import { ManualClock, limits as roomy } from "./support.js";
import { idOf, type TaggedFrame } from "./traffic.js";

interface Channel extends ChannelStreams {
  readonly name: string;
}

interface Outgoing {
  readonly tag: DomainTag;
  readonly frame: TaggedFrame;
  readonly encoded: ReturnType<Encoder["encode"]> | undefined;
}

/** What the server sends to each pod. `repair` messages and `raw` ones are never repeated. */
export interface Wire {
  readonly channel: string;
  readonly bytes: Buffer;
  readonly kind: "side" | "raw" | "repair";
  readonly from: number;
}

/** One sidecar: what it sends, and what its apps hear. */
export class Pod {
  readonly encoder: Encoder;
  readonly channels = new Map<string, Channel>();
  /** Everything that its apps published, in order. */
  readonly published: TaggedFrame[] = [];
  /** What its apps heard, as ids of frames: one list for each life of the receiving side. */
  readonly lives: number[][] = [];
  readonly counts = new Map<string, number>();
  readonly asked: { epoch: number; instance: number; seq: number }[] = [];
  impostors = 0;
  rebuilder!: Rebuilder;
  mostHeldBytes = 0;

  constructor(
    readonly epoch: number,
    readonly clock: ManualClock,
    streams: StreamLimits,
    readonly limits: RebuildLimits,
  ) {
    this.encoder = new Encoder(streams, () => {});
    this.restart();
  }

  get delivered(): number[] {
    return this.lives.at(-1)!;
  }

  /** The receiving side forgets everything: a late join. */
  restart(): void {
    const life: number[] = [];
    const count = (what: string, by = 1) => this.counts.set(what, (this.counts.get(what) ?? 0) + by);
    this.lives.push(life);
    this.asked.length = 0;
    this.rebuilder = new Rebuilder(this.epoch, this.limits, this.clock, {
      deliver: (channel, payload) => life.push(idOf(channel.toString("latin1"), payload)),
      ask: (epoch, _connection, instance, seq) => this.asked.push({ epoch, instance, seq }),
      resync: (reason) => count(`resync ${reason}`),
      undelivered: (reason, frames) => count(`undelivered ${reason}`, frames),
      repeat: () => count("repeat"),
      needs: () => true,
      skipped: () => {},
      made: (instance, seq) => this.encoder.made(instance, seq),
      impostor: () => this.impostors++,
      repaired: () => count("repaired"),
      evicted: () => count("evicted"),
    });
  }

  channel(name: string): Channel {
    let channel = this.channels.get(name);
    if (channel === undefined) {
      channel = { name, generation: 0 };
      this.channels.set(name, channel);
    }
    return channel;
  }

  /** Publishes frames as one batch. `raw`: the server has refused the side channels. */
  flush(frames: readonly TaggedFrame[], raw: boolean): Wire[] {
    const batch = new Batch<Channel, Outgoing>({ frames: 64, bytes: 1 << 20 });
    const name = newFrameName();
    for (const frame of frames) {
      this.published.push(frame);
      const channel = this.channel(frame.channel);
      const bytes = Buffer.from(frame.channel, "latin1");
      const facts: FrameFacts = nameFrame(bytes, frame.payload, name)
        ? factsOf(name)
        : { stream: 0, cumulative: false, tag: ANY_DOMAIN, mark: 0 };
      this.rebuilder.own(bytes, facts.tag, frame.payload);
      if (raw || facts.stream === 0) {
        if (raw) channel.generation++;
        batch.addRaw(channel, { tag: facts.tag, frame, encoded: undefined }, frame.payload.length);
        continue;
      }
      const encoded = this.encoder.encode(channel, Buffer.from(frame.payload), facts, this.clock.now());
      batch.addSide(channel, { tag: facts.tag, frame, encoded }, encoded.bytes);
    }
    const wires: Wire[] = [];
    for (const { channel, kind, frames: out } of batch.messages) {
      if (kind === "raw") {
        wires.push({ channel: channel.name, bytes: out[0]!.frame.payload, kind: "raw", from: this.epoch });
        continue;
      }
      const records = out.map(({ encoded }) => encoded!.record);
      const bytes2 = encodeMessage(this.epoch, 1, records);
      wires.push({ channel: channel.name, bytes: bytes2, kind: "side", from: this.epoch });
    }
    return wires;
  }

  hear(wire: Wire): void {
    const channel = Buffer.from(wire.channel, "latin1");
    // A raw frame of its own has been announced to it.
    if (wire.kind === "raw" && wire.from === this.epoch) return;
    if (wire.kind === "raw") this.rebuilder.raw(channel, wire.bytes, "exact");
    else this.rebuilder.message(channel, wire.bytes);
    this.mostHeldBytes = Math.max(this.mostHeldBytes, this.rebuilder.heldBytes);
  }
}

export interface NetworkOptions {
  /** Streams that a sender keeps. */
  senderStreams?: number;
  /** Streams that a receiver keeps, and bytes of their bases. */
  receiverStreams?: number;
  receiverBytes?: number;
  holdBytes?: number;
}

export class Network {
  readonly clock = new ManualClock();
  readonly pods: Pod[];

  constructor(pods: number, options: NetworkOptions = {}) {
    const streams = { count: options.senderStreams ?? 10_000, bytes: 1 << 26, idleMs: 120_000 };
    const limits = {
      ...roomy,
      count: options.receiverStreams ?? 10_000,
      bytes: options.receiverBytes ?? roomy.bytes,
      holdBytes: options.holdBytes ?? roomy.holdBytes,
    };
    this.pods = Array.from({ length: pods }, (_, i) => new Pod(i + 1, this.clock, streams, limits));
  }

  /** The repairs that a pod's questions bring, in the order of asking; forgets the questions. */
  answers(pod: Pod): { wire: Wire; to: Pod | undefined }[] {
    const answers: { wire: Wire; to: Pod | undefined }[] = [];
    for (const { epoch, instance, seq } of pod.asked.splice(0)) {
      const sender = this.pods.find((one) => one.epoch === epoch);
      const now = this.clock.now();
      if (sender === undefined) continue;
      const due = sender.encoder.repairDue(instance, seq, now);
      if (due === undefined || due > now) continue;
      const repair = sender.encoder.repair(instance, seq, now);
      const bytes = encodeMessage(epoch, 1, [repair?.record ?? sender.encoder.gone(instance, seq)]);
      const channel = (repair?.channel as Channel | undefined)?.name;
      const wire: Wire = { channel: channel ?? "", bytes, kind: "repair", from: epoch };
      // A word that an instance is gone goes to the asker's inbox, a repair to all that listen.
      answers.push({ wire, to: channel === undefined ? pod : undefined });
    }
    return answers;
  }

  send(wire: Wire, to?: Pod): void {
    for (const pod of to === undefined ? this.pods : [to]) pod.hear(wire);
  }

  /** Time passes, in the steps of the trunk's timer. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.clock.ms += Math.min(left, 50);
      for (const pod of this.pods) pod.rebuilder.tick();
    }
  }
}
