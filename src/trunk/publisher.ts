/**
 * The trunk's sending half: takes frames out of the queue in batches, one batch in flight, each one call of the
 * compare-and-publish script.
 *
 *   session ─▶ [queue] ─▶ encode ─▶ gather ─▶ EVALSHA ─▶ upstream
 */

import type { Clock, Log, Meter } from "../core/ports.js";
import type { Dialer } from "../discovery/dialer.js";
import { encodeMessage } from "../frame/record.js";
import type { EchoQueue } from "../plane/echo.js";
import type { Encoder, FrameFacts } from "../plane/encode.js";
import { Batch, type BatchLimits } from "../plane/gather.js";
import { encodeCommand } from "../resp/encoder.js";
import { type Reply, ReplyError } from "../resp/reply-decoder.js";
import { sideChannel } from "../socketio/channels.js";
import { Control } from "./control.js";
import { type FlushMetrics, flushMetrics } from "./flush-metrics.js";
import { Link, type LinkOptions } from "./link.js";
import { type OutboundChannel, OutboundChannels, type OutboundFrame } from "./outbound.js";
import { OutboundQueue, type QueueLimits, settleFrame } from "./queue.js";
import { PUBLISH_SCRIPT, PUBLISH_SCRIPT_SHA } from "./script.js";
import { needsComparison, type SentMessage, statusOf, Verdicts } from "./verdicts.js";
import { FlushWindow } from "./window.js";

export interface PublisherOptions {
  epoch: number;
  uniform: boolean;
  batch: BatchLimits;
  queue: QueueLimits;
  windowMs: number;
  askMs: number;
  link: LinkOptions;
}

/** What the sending half must know of the receiving half. */
export interface Hearing {
  /** The receiving connection's counter: the number of our inbox. */
  readonly connection: number;
  /** True while what is published to the channel comes back to us. */
  hears(channel: Buffer): boolean;
}

export class Publisher {
  readonly link: Link;
  readonly queue: OutboundQueue;
  readonly channels = new OutboundChannels();
  readonly control: Control;
  readonly #options: PublisherOptions;
  readonly #encoder: Encoder;
  readonly #echo: EchoQueue;
  readonly #hearing: Hearing;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #window: FlushWindow;
  readonly #verdicts: Verdicts;
  readonly #metrics: FlushMetrics;
  #sent: SentMessage[] | undefined;
  #sentAt = 0;
  /** What each reply to come answers, oldest first: the batch's script, one PUBLISH of a batch without script, or neither. */
  #expected: ("script" | "part" | "control")[] = [];
  #collected: Reply[] = [];
  #scriptDenied = false;
  #timer: NodeJS.Timeout | undefined;
  #soon = false;
  #downSince: number;

  constructor(
    options: PublisherOptions,
    dialer: Dialer,
    encoder: Encoder,
    echo: EchoQueue,
    hearing: Hearing,
    clock: Clock,
    log: Log,
    meter: Meter,
  ) {
    this.#options = options;
    this.#encoder = encoder;
    this.#echo = echo;
    this.#hearing = hearing;
    this.#clock = clock;
    this.#log = log;
    this.#downSince = clock.now();
    this.#window = new FlushWindow(options.windowMs);
    this.queue = new OutboundQueue(options.queue);
    this.#verdicts = new Verdicts(echo, log, meter);
    this.#metrics = flushMetrics(meter);
    this.control = new Control(options.epoch, options.askMs, encoder, hearing, clock, meter, {
      send: (inbox, message) => this.#sendControl(inbox, message),
      repairsWait: () => this.#schedule(),
    });
    this.link = new Link(
      options.link,
      dialer,
      { up: () => this.#up(), down: (reason) => this.#down(reason), reply: (reply) => this.#reply(reply) },
      log,
    );
  }

  /** True where a PUBLISH to this channel is answered only once the server has spoken. */
  mustWait(channel: OutboundChannel): boolean {
    return channel.mode === "unknown" || !this.queue.roomy;
  }

  /** Why a PUBLISH cannot even be queued, or undefined. */
  refusal(): string | undefined {
    if (this.queue.full) return "keyframe: the publish queue is full (KEYFRAME_QUEUE_BYTES)";
    const away = this.link.state === "up" ? 0 : this.#clock.now() - this.#downSince;
    if (away > this.queue.limits.waitMs)
      return `keyframe: upstream unavailable for ${Math.round(away / 1000)} s (${this.link.trouble})`;
    return undefined;
  }

  /**
   * Queues one frame. `payload` must be memory of its own and is never written again.
   * @returns the frame; set its `settle` where the PUBLISH is to be answered by the outcome
   */
  publish(channel: OutboundChannel, payload: Buffer, facts: FrameFacts, done: boolean, at: number): OutboundFrame {
    const frame: OutboundFrame = {
      channel,
      payload,
      stream: facts.stream,
      cumulative: facts.cumulative,
      tag: facts.tag,
      done,
      at,
      serial: this.queue.nextSerial(),
      encoded: undefined,
      raw: false,
      doubtful: false,
      echo: undefined,
      replaced: false,
      settle: undefined,
    };
    // Only under pressure is a frame replaced by a newer one: else every frame that an app published arrives.
    const pressed = this.link.state !== "up" || !this.queue.roomy;
    const older = this.queue.add(frame, pressed);
    if (older !== undefined) {
      this.#verdicts.lost("superseded", 1);
      settleFrame(older, { kind: "sent", listeners: older.channel.listeners });
    }
    this.#window.arrived(at);
    this.#schedule();
    return frame;
  }

  /** Call every 50 ms or so: overdue questions, frames that have waited too long. */
  tick(): void {
    if (this.link.state === "up") this.control.sendQuestions();
    const now = this.#clock.now();
    this.queue.expire(now, (frame) => {
      const seconds = Math.round((now - frame.at) / 1000);
      const error = `keyframe: not sent within ${seconds} s, upstream unavailable (${this.link.trouble})`;
      if (!settleFrame(frame, { kind: "failed", error })) this.#verdicts.lost("queue_timeout", 1);
    });
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.link.stop();
  }

  #up(): void {
    this.#scriptDenied = false;
    this.#expected = [];
    this.#schedule();
  }

  #down(reason: string): void {
    this.#downSince = this.#clock.now();
    this.#expected = [];
    this.#collected = [];
    const sent = this.#sent;
    this.#sent = undefined;
    if (sent !== undefined) this.queue.settle(this.#verdicts.unanswered(sent, reason));
  }

  #schedule(): void {
    if (this.#sent !== undefined || this.#soon || this.link.state !== "up") return;
    if (this.queue.length === 0 && this.control.repairs.length === 0) return;
    const wait = this.#window.width() - (this.#clock.now() - this.#sentAt);
    if (wait >= 1 && this.queue.length < this.#options.batch.frames && this.queue.bytes < this.#options.batch.bytes) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#flush();
      }, wait);
      return;
    }
    // At the end of this turn of the loop, so that frames read in the same turn leave together.
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.#flush();
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sent !== undefined || this.link.state !== "up") return;
    const now = this.#clock.now();
    const { epoch, batch: limits } = this.#options;
    const batch = new Batch<OutboundChannel, OutboundFrame>(limits);
    let taken = 0;
    for (const frame of this.queue.frames()) {
      if (!frame.replaced && !this.#place(frame, batch, now)) break;
      taken++;
    }
    this.queue.take(taken);
    const sent: SentMessage[] = [];
    const connection = this.#hearing.connection;
    // Repairs first: they repeat what was sent before this batch.
    for (const { channel, record } of this.control.repairs.splice(0, limits.frames)) {
      sent.push({ channel, kind: "side", frames: [], payload: encodeMessage(epoch, connection, [record]) });
    }
    for (const { channel, kind, frames } of batch.messages) {
      const records = () => frames.map((frame) => frame.encoded!.record);
      const payload = kind === "raw" ? frames[0]!.payload : encodeMessage(epoch, connection, records());
      sent.push({ channel, kind, frames, payload });
    }
    if (sent.length === 0) {
      this.queue.settle([]);
      return;
    }
    this.#send(sent, batch.frames, now);
  }

  /** Puts one frame into the batch; false where it is full. */
  #place(frame: OutboundFrame, batch: Batch<OutboundChannel, OutboundFrame>, now: number): boolean {
    const channel = frame.channel;
    // A frame without a stream has nothing to be coded against: it goes as it is, where it always went.
    if (!frame.doubtful && !frame.raw) {
      const unproven = channel.mode === "raw" || (this.#scriptDenied && !this.#options.uniform);
      frame.raw = frame.stream === 0 || channel.sideDenied || unproven;
    }
    if (!frame.raw && frame.encoded === undefined) {
      if (!batch.hasRoom(0)) return false;
      frame.encoded = this.#encoder.encode(channel, frame.payload, frame, now);
    }
    const bytes = frame.raw ? frame.payload.length : frame.encoded!.bytes;
    if (!batch.hasRoom(bytes)) return false;
    if (frame.raw) batch.addRaw(channel, frame, bytes);
    else batch.addSide(channel, frame, bytes);
    return true;
  }

  #send(sent: SentMessage[], frames: number, now: number): void {
    this.#sent = sent;
    this.#sentAt = now;
    let bytes = 0;
    for (const message of sent) {
      bytes += message.payload.length;
      if (message.kind === "side") this.#expectEcho(message);
    }
    this.#metrics.frames.observe(frames);
    this.#metrics.bytes.observe(bytes);
    for (const { frames: batched } of sent)
      for (const frame of batched) this.#metrics.latency.observe((now - frame.at) / 1000);
    this.#write(PUBLISH_SCRIPT_SHA, "EVALSHA");
  }

  #expectEcho(message: SentMessage): void {
    for (const frame of message.frames) {
      // A frame that is sent again keeps its place; one that has come back already is not waited for twice.
      if (frame.echo !== undefined && (frame.echo.heard || frame.echo.payload !== undefined)) continue;
      const { instance, seq, crc } = frame.encoded!;
      frame.echo = this.#echo.add(instance, seq, frame.payload, crc);
    }
  }

  #write(script: string, command: "EVAL" | "EVALSHA"): void {
    const sent = this.#sent!;
    if (this.#scriptDenied || !needsComparison(sent, this.#clock.now())) {
      const parts: Buffer[] = [];
      for (const { channel, kind, payload } of sent) {
        this.#expected.push("part");
        parts.push(...encodeCommand(["PUBLISH", kind === "raw" ? channel.name : sideChannel(channel.name), payload]));
      }
      this.link.write(parts);
      return;
    }
    const args: (Buffer | string)[] = [command, script, "0", this.#options.uniform ? "1" : "0"];
    for (const { channel, kind, payload } of sent) args.push(channel.name, kind === "raw" ? "r" : "s", payload);
    this.#expected.push("script");
    this.link.write(encodeCommand(args));
  }

  #reply(reply: Reply): void {
    // The link's own PING is the only command that is answered by a simple string.
    if (typeof reply === "string") return;
    const expected = this.#expected.shift();
    const sent = this.#sent;
    if (sent === undefined || expected === undefined || expected === "control") return;
    if (expected === "part") {
      this.#collected.push(statusOf(sent[this.#collected.length]!, reply));
      if (this.#collected.length === sent.length) this.#answered(sent, this.#collected);
    } else if (Array.isArray(reply)) {
      this.#answered(sent, reply);
    } else if (reply instanceof ReplyError) {
      this.#failed(sent, reply.message);
    }
  }

  #answered(sent: SentMessage[], statuses: readonly Reply[]): void {
    this.#sent = undefined;
    this.#collected = [];
    const again = this.#verdicts.settle(sent, statuses, this.#clock.now());
    for (const { channel, frames } of sent) {
      if (this.#hearing.hears(channel.name)) continue;
      for (const frame of frames) if (frame.echo !== undefined) this.#echo.forget(frame.echo);
    }
    this.queue.settle(again);
    this.#schedule();
  }

  /** The script itself was refused: nothing of the batch has been published. */
  #failed(sent: SentMessage[], message: string): void {
    if (message.startsWith("NOSCRIPT")) {
      this.#write(PUBLISH_SCRIPT, "EVAL");
      return;
    }
    this.#sent = undefined;
    const frames = sent.flatMap((one) => one.frames);
    if (/^(LOADING|MASTERDOWN|READONLY|BUSY|TRYAGAIN|CLUSTERDOWN)/.test(message)) {
      this.queue.settle(frames);
      this.link.reset(message);
      return;
    }
    this.#scriptDenied = true;
    this.#log.warn("script-denied", {
      consequence: "no comparison of subscribers until the next connection",
      error: message,
    });
    this.#verdicts.scriptDenied(sent);
    this.queue.settle(frames);
    this.#schedule();
  }

  #sendControl(inbox: Buffer, message: Buffer): void {
    if (this.link.state !== "up") return;
    this.#expected.push("control");
    this.link.write(encodeCommand(["PUBLISH", inbox, message]));
  }
}
