/**
 * The trunk's sending half: takes frames out of the queue in batches, one batch in flight, each one call of the
 * compare-and-publish script.
 *
 *   session ─▶ [queue] ─▶ encode ─▶ gather ─▶ EVALSHA ─▶ upstream
 */

import type { Clock, Log, Meter } from "../core/ports.js";
import type { Dialer } from "../discovery/dialer.js";
import type { EchoQueue, Sent } from "../plane/echo.js";
import type { Encoder } from "../plane/encode.js";
import type { BatchLimits } from "../plane/gather.js";
import type { FrameFacts } from "../plane/sender.js";
import type { Reply } from "../resp/reply-decoder.js";
import { Assembler } from "./assemble.js";
import { Calls } from "./calls.js";
import { Canary, type CanaryFailure } from "./canary.js";
import { Control } from "./control.js";
import { type FlushMetrics, flushMetrics } from "./flush-metrics.js";
import { Link, type LinkOptions } from "./link.js";
import { type OutboundChannel, OutboundChannels, type OutboundFrame } from "./outbound.js";
import { OutboundQueue, type QueueLimits, settleFrame } from "./queue.js";
import { Refusal } from "./script.js";
import { needsComparison, type SentMessage, Verdicts } from "./verdicts.js";
import { FlushWindow } from "./window.js";

export interface PublisherOptions {
  epoch: number;
  uniform: boolean;
  batch: BatchLimits;
  queue: QueueLimits;
  windowMs: number;
  askMs: number;
  canaryMs: number;
  canaryTimeoutMs: number;
  link: LinkOptions;
}

/** How long frames wait for the subscriber to come back before they go raw, milliseconds. */
const UNHEARD_MS = 1_000;

/** What the sending half must know of the receiving half. */
export interface Hearing {
  /** The receiving connection's counter: the number of our inbox. */
  readonly connection: number;
  /** Our numbered inbox, while the server holds it for that connection. */
  readonly inbox: Buffer | undefined;
  /** False where waiting for the inbox is of no use. */
  readonly hopeful: boolean;
  /** Somebody in the pod listens to the channel, whether it is heard at this moment or not. */
  wants(channel: Buffer): boolean;
  /** True while what is published to the channel comes back to us. */
  hears(channel: Buffer): boolean;
  /** Gives the connection up and makes it anew. */
  reset(reason: string): void;
  /** A frame of our own that will not come back from the server: apps of this pod get it from here. */
  unheard(frame: Sent, payload: Buffer): void;
}

export class Publisher {
  readonly link: Link;
  readonly queue: OutboundQueue;
  readonly channels = new OutboundChannels();
  readonly control: Control;
  readonly canary: Canary;
  readonly #options: PublisherOptions;
  readonly #echo: EchoQueue;
  readonly #hearing: Hearing;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #window: FlushWindow;
  readonly #verdicts: Verdicts;
  readonly #metrics: FlushMetrics;
  readonly #calls: Calls;
  readonly #assembler: Assembler;
  #sentAt = 0;
  /** The inbox that the batch in flight named. */
  #inboxSent: Buffer | undefined;
  #scriptDenied = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  #soon = false;
  #downSince: number;
  /** Since when the inbox has been missing, or when it was last there. */
  #unheardSince: number;

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
    this.#echo = echo;
    this.#hearing = hearing;
    this.#clock = clock;
    this.#log = log;
    this.#downSince = clock.now();
    this.#unheardSince = this.#downSince;
    this.#window = new FlushWindow(options.windowMs);
    this.queue = new OutboundQueue(options.queue);
    this.#verdicts = new Verdicts(echo, log, meter);
    this.#metrics = flushMetrics(meter);
    this.control = new Control(options.epoch, options.askMs, encoder, hearing, clock, meter, {
      send: (inbox, message, heard) => {
        if (this.link.state !== "up") return;
        this.#calls.command(["PUBLISH", inbox, message], (reply) => heard?.(Number(reply) || 0));
      },
      wake: () => this.#schedule(),
      queued: (instance) => this.queue.frames().some((frame) => frame.encoded?.instance === instance),
      canary: (number) => this.canary.heard(number),
    });
    this.#assembler = new Assembler(options, this.queue, this.control, encoder, echo, hearing);
    this.#calls = new Calls({
      write: (parts) => this.link.write(parts),
      answered: (sent, statuses) => this.#answered(sent, statuses),
      failed: (sent, error) => this.#failed(sent, error),
    });
    const inbox = () => {
      const name = this.link.state === "up" ? hearing.inbox : undefined;
      return name && { name, connection: hearing.connection };
    };
    this.canary = new Canary(
      { epoch: options.epoch, intervalMs: options.canaryMs, timeoutMs: options.canaryTimeoutMs },
      {
        get inbox() {
          return inbox();
        },
        get hopeful() {
          return hearing.hopeful;
        },
        command: (words, answered) => this.#calls.command(words, answered),
        failed: (why) => this.#mistrust(why, dialer),
      },
      clock,
      log,
      meter,
    );
    this.link = new Link(
      options.link,
      dialer,
      { up: () => this.#up(), down: (reason) => this.#down(reason), reply: (reply) => this.#calls.reply(reply) },
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

  /** Call every 50 ms or so: overdue questions, canaries, frames that have waited too long. */
  tick(): void {
    if (this.link.state === "up") {
      this.control.sendDue();
      this.#schedule();
    }
    this.canary.tick();
    const now = this.#clock.now();
    this.queue.expire(now, (frame) => {
      if (frame.echo !== undefined) this.#echo.forget(frame.echo);
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
    this.#schedule();
  }

  #down(reason: string): void {
    this.#downSince = this.#clock.now();
    const sent = this.#calls.lost();
    if (sent !== undefined) this.queue.settle(this.#verdicts.unanswered(sent, reason));
  }

  #schedule(): void {
    if (this.#calls.busy || this.#soon || this.link.state !== "up") return;
    const now = this.#clock.now();
    const repairAt = this.control.nextDue() ?? Number.POSITIVE_INFINITY;
    if (this.queue.length === 0 && repairAt === Number.POSITIVE_INFINITY) return;
    if (!this.#heard(now)) return;
    const { frames, bytes } = this.#options.batch;
    let at = repairAt;
    if (this.queue.length >= frames || this.queue.bytes >= bytes) at = now;
    else if (this.queue.length > 0) at = Math.min(at, this.#sentAt + this.#window.width());
    if (at - now >= 1) {
      if (this.#timer !== undefined && this.#timerAt <= at) return;
      clearTimeout(this.#timer);
      this.#timerAt = at;
      this.#timer = setTimeout(() => this.#flush(), at - now);
      return;
    }
    // At the end of this turn of the loop, so that frames read in the same turn leave together.
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.#flush();
    });
  }

  /**
   * True where nothing is gained by waiting for our inbox: it is there, or it has been missing for too long. Without it all
   * frames go raw, and one that may have been delivered before must be given up.
   */
  #heard(now: number): boolean {
    if (this.#hearing.inbox !== undefined) {
      this.#unheardSince = now;
      return true;
    }
    return !this.#hearing.hopeful || now - this.#unheardSince > UNHEARD_MS;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#calls.busy || this.link.state !== "up") return;
    const now = this.#clock.now();
    const { sent, frames } = this.#assembler.next(this.#scriptDenied, now);
    if (sent.length > 0) {
      this.#send(sent, frames, now);
      return;
    }
    this.queue.settle([]);
    this.#schedule();
  }

  #send(sent: SentMessage[], frames: number, now: number): void {
    this.#sentAt = now;
    let bytes = 0;
    for (const message of sent) bytes += message.payload.length;
    this.#metrics.frames.observe(frames);
    this.#metrics.bytes.observe(bytes);
    for (const { frames: batched } of sent)
      for (const frame of batched) this.#metrics.latency.observe((now - frame.at) / 1000);
    const inbox = this.#hearing.inbox;
    this.#inboxSent = inbox;
    if (this.#scriptDenied || !needsComparison(sent, now)) this.#calls.publish(sent);
    else this.#calls.compare(sent, this.#options.uniform, inbox ?? "");
  }

  #answered(sent: SentMessage[], statuses: readonly Reply[]): void {
    const again = this.#verdicts.settle(sent, statuses, this.#clock.now());
    for (const [i, message] of sent.entries()) {
      // What was refused has not been published: it is sent again, or answered with an error.
      const status = statuses[i];
      const published = typeof status === "number" && status >= 0;
      if (published && !this.#hearing.hears(message.channel.name)) this.#deliverHere(message);
    }
    this.queue.settle(again);
    const inbox = this.#inboxSent;
    if (inbox !== undefined && inbox === this.#hearing.inbox && statuses.includes(Refusal.Unreachable))
      this.#hearing.reset("the server no longer holds its subscriptions");
    this.#schedule();
  }

  /** What was published will not come back: nobody here wants it, or those who do are deaf at this moment. */
  #deliverHere({ channel, kind, frames }: SentMessage): void {
    const wanted = this.#hearing.wants(channel.name);
    for (const { echo } of frames) {
      // A raw frame bears no number: if it came after all, nobody could tell that it is a repeat.
      if (kind === "raw" && wanted) this.#verdicts.lost("echo_lost", 1);
      const payload = echo?.payload;
      if (!echo?.published || payload === undefined) continue;
      this.#echo.forget(echo);
      echo.heard = true;
      if (wanted) this.#hearing.unheard(echo, payload);
    }
  }

  #failed(sent: SentMessage[], error: string): void {
    const frames = sent.flatMap((one) => one.frames);
    if (/^(LOADING|MASTERDOWN|READONLY|BUSY|TRYAGAIN|CLUSTERDOWN)/.test(error)) {
      this.queue.settle(frames);
      this.link.reset(error);
      return;
    }
    this.#scriptDenied = true;
    this.#log.warn("script-denied", {
      consequence: "no comparison of subscribers until the next connection",
      error,
    });
    this.#verdicts.scriptDenied(sent);
    this.queue.settle(frames);
    this.#schedule();
  }

  /** The two connections do not hear each other, or are not at the master: both are made anew, at the address of now. */
  #mistrust(why: CanaryFailure, dialer: Dialer): void {
    dialer.suspect(`canary ${why}`);
    this.#hearing.reset(`canary ${why}`);
    this.link.reset(`canary ${why}`);
  }
}
