/**
 * The trunk's sending half: takes frames out of the queue in batches, one batch in flight, each one call of the
 * compare-and-publish script.
 *
 *   session ─▶ [queue] ─▶ encode ─▶ gather ─▶ EVALSHA ─▶ upstream
 */

import type { Clock, Log, Meter } from "../core/ports.js";
import type { Dialer } from "../discovery/dialer.js";
import type { DomainTag } from "../plane/domain.js";
import type { Encoder } from "../plane/encode.js";
import type { BatchLimits } from "../plane/gather.js";
import type { Reply } from "../resp/reply-decoder.js";
import { Announced } from "./announced.js";
import { Assembler } from "./assemble.js";
import { Calls } from "./calls.js";
import { Canary } from "./canary.js";
import { Control } from "./control.js";
import { type FlushMetrics, flushMetrics } from "./flush-metrics.js";
import type { Hearing } from "./hearing.js";
import { LargeFrames } from "./large.js";
import { Link, type LinkOptions } from "./link.js";
import { LocalDelivery } from "./local.js";
import { type OutboundChannel, OutboundChannels, type OutboundFrame, silentIn } from "./outbound.js";
import { OutboundQueue, type QueueLimits } from "./queue.js";
import { RawLimit } from "./raw-limit.js";
import { Regather } from "./regather.js";
import { Refusal } from "./script.js";
import type { TransferLimits, Transfers } from "./transfers.js";
import { needsComparison, type SentMessage, Verdicts } from "./verdicts.js";
import { FlushWindow } from "./window.js";

export interface PublisherOptions {
  epoch: number;
  uniform: boolean;
  /** One worker is all that publishes here: see LocalDelivery. */
  oneEmitter: boolean;
  batch: BatchLimits;
  queue: QueueLimits;
  large: TransferLimits;
  windowMs: number;
  askMs: number;
  canaryMs: number;
  canaryTimeoutMs: number;
  link: LinkOptions;
}

/** How long frames wait for the subscriber to come back before they go raw, milliseconds. */
const UNHEARD_MS = 1_000;

export class Publisher {
  readonly link: Link;
  readonly queue: OutboundQueue;
  readonly channels = new OutboundChannels();
  readonly control: Control;
  readonly canary: Canary;
  readonly transfers: Transfers;
  readonly #large: LargeFrames;
  readonly #options: PublisherOptions;
  readonly #local: LocalDelivery;
  readonly #hearing: Hearing;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #window: FlushWindow;
  readonly #verdicts: Verdicts;
  readonly #metrics: FlushMetrics;
  readonly #calls: Calls;
  readonly #regather: Regather;
  readonly #assembler: Assembler;
  #sentAt = 0;
  /** The inbox that the batch in flight named. */
  #inboxSent: Buffer | undefined;
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
    hearing: Hearing,
    deliver: (channel: Buffer, tag: DomainTag, payload: Buffer) => void,
    clock: Clock,
    log: Log,
    meter: Meter,
  ) {
    this.#options = options;
    const announced = new Announced(options.epoch);
    this.#local = new LocalDelivery(options.oneEmitter, announced, hearing, deliver);
    this.#hearing = hearing;
    this.#clock = clock;
    this.#log = log;
    this.#downSince = clock.now();
    this.#unheardSince = this.#downSince;
    this.#window = new FlushWindow(options.windowMs);
    this.queue = new OutboundQueue(options.queue);
    const rawLimit = new RawLimit(options.large.rawBytes, options.large.bytes, clock, log, meter);
    this.#verdicts = new Verdicts(this.#local, rawLimit, log, meter);
    this.#metrics = flushMetrics(meter);
    this.control = new Control(options.epoch, options.askMs, encoder, hearing, clock, meter, {
      send: (inbox, message, heard) => {
        if (this.link.state !== "up") return;
        this.#calls.command(["PUBLISH", inbox, message], (reply) => heard?.(Number(reply) || 0));
      },
      wake: () => this.#schedule(),
      queued: (instance) => this.queue.frames().some((frame) => frame.encoded?.instance === instance),
      canary: (number) => this.canary.heard(number),
      ownRaw: (number) => {
        const raw = announced.heard(number);
        if (raw !== undefined) hearing.expectOwn(raw);
      },
      credit: (transfer, index) => this.transfers.credit(transfer, index),
      defers: (bytes) => this.transfers.defers(bytes),
    });
    this.#large = new LargeFrames(
      options.large,
      {
        epoch: options.epoch,
        queue: this.queue,
        verdicts: this.#verdicts,
        hearing,
        publish: (channel, message, answered) => this.#calls.command(["PUBLISH", channel, message], answered),
        wake: () => this.#schedule(),
      },
      clock,
      log,
      meter,
    );
    this.transfers = this.#large.transfers;
    const { control, queue, transfers } = this;
    this.#assembler = new Assembler(options, queue, control, encoder, this.#local, hearing, transfers, rawLimit);
    this.#calls = new Calls(options.epoch, {
      write: (parts) => this.link.write(parts),
      answered: (sent, statuses) => this.#answered(sent, statuses),
      failed: (sent, error) => this.#failed(sent, error),
    });
    const command: Calls["command"] = (words, answered) => this.#calls.command(words, answered);
    this.#regather = new Regather(command, () => this.#schedule());
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
        command,
        // The two connections do not hear each other, or are not at the master: both are made anew.
        failed: (why) => {
          hearing.reset(`canary ${why}`);
          this.link.reset(`canary ${why}`);
        },
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

  /** True where a PUBLISH of that many bytes to this channel is answered only once the server has spoken. */
  mustWait(channel: OutboundChannel, bytes: number): boolean {
    return channel.mode === "unknown" || !this.queue.roomyFor(bytes) || bytes > this.#options.large.rawBytes;
  }

  /** Why a PUBLISH of that many bytes cannot even be queued, or undefined. */
  refusal(bytes: number): string | undefined {
    if (this.queue.fullFor(bytes)) return "keyframe: the publish queue is full (KEYFRAME_QUEUE_BYTES)";
    const away = this.link.state === "up" ? 0 : this.#clock.now() - this.#downSince;
    if (away > this.queue.limits.waitMs)
      return `keyframe: upstream unavailable for ${Math.round(away / 1000)} s (${this.link.trouble})`;
    return undefined;
  }

  /** Queues one frame (see outboundFrame). Call heardHere() once its PUBLISH is answered, or its `settle` is set. */
  publish(frame: OutboundFrame): void {
    // Only under pressure is a frame replaced by a newer one: else every frame that an app published arrives.
    const pressed = this.link.state !== "up" || !this.queue.roomy;
    const older = this.queue.add(frame, pressed);
    if (older !== undefined) {
      this.#verdicts.superseded(older);
    }
    this.#window.arrived(frame.at, silentIn(frame) === undefined);
    this.#schedule();
  }

  /** Apps of this pod may hear the frame: its PUBLISH has been answered, or will be by its outcome. */
  heardHere(frame: OutboundFrame): void {
    this.#local.queued(frame);
  }

  /** The server has published the frame, and its PUBLISH has been answered: apps of this pod hear it now. */
  published(frame: OutboundFrame): void {
    this.#local.sent(frame);
  }

  /** Sends what waits at once; calls `done` when all of it has been answered or given up. */
  whenFlushed(done: () => void): void {
    this.#window.hurry();
    this.#schedule();
    this.queue.whenFlushed(done);
  }

  /** Call every 50 ms or so: overdue questions, canaries, frames that have waited too long. */
  tick(): void {
    if (this.link.state === "up") {
      this.control.sendDue();
      this.#schedule();
    }
    this.canary.tick();
    this.transfers.tick();
    const now = this.#clock.now();
    // What waits for a large frame waits for its order, not for the upstream.
    const since = this.transfers.busy ? now : this.transfers.endedAt;
    this.queue.expire(now, since, (frame) => this.#verdicts.expired(frame, now, this.link.trouble));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.link.stop();
  }

  #up(): void {
    this.#verdicts.scriptless = false;
    // The subscriber has been away as well, and comes back about now.
    this.#unheardSince = this.#clock.now();
    this.#verdicts.upAt = this.#unheardSince;
    this.#regather.begin(this.queue, this.#unheardSince);
    this.#schedule();
  }

  #down(reason: string): void {
    this.#downSince = this.#clock.now();
    this.#regather.end();
    const sent = this.#calls.lost();
    const again = sent === undefined ? [] : this.#verdicts.unanswered(sent, reason);
    const large = this.#large.lost();
    if (large !== undefined) again.push(large);
    this.queue.settle(again);
  }

  #schedule(): void {
    if (this.#calls.busy || this.#soon || this.link.state !== "up") return;
    const now = this.#clock.now();
    const repairAt = this.control.nextDue() ?? Number.POSITIVE_INFINITY;
    if (this.queue.length === 0 && repairAt === Number.POSITIVE_INFINITY) return;
    if (!this.#heard(now) || !this.#regather.over(now)) return;
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
    const { sent, frames } = this.#assembler.next(this.#verdicts.scriptless, now);
    if (sent.length > 0) {
      this.#send(sent, frames, now);
      return;
    }
    this.queue.settle([]);
    // What is left waits for a large frame, which says when it may go on.
    if (!this.transfers.busy) this.#schedule();
  }

  #send(sent: SentMessage[], frames: number, now: number): void {
    this.#sentAt = now;
    let bytes = 0;
    for (const message of sent) bytes += message.payload.length;
    this.#metrics.frames.observe(frames);
    this.#metrics.bytes.observe(bytes);
    for (const { frames: batched } of sent)
      for (const frame of batched) this.#metrics.latency.observe((now - frame.at) / 1000);
    this.#inboxSent = this.#hearing.inbox;
    if (this.queue.length === 0) this.#window.left();
    if (this.#verdicts.scriptless || !needsComparison(sent, now)) this.#calls.publish(sent);
    else this.#calls.compare(sent, this.#options.uniform, this.#hearing.connection, this.#inboxSent !== undefined);
  }

  #answered(sent: SentMessage[], statuses: readonly Reply[]): void {
    const again = this.#verdicts.settle(sent, statuses, this.#clock.now());
    this.#large.answered(sent, statuses);
    if (again.length > 0) this.#window.hurry();
    this.queue.settle(again);
    const inbox = this.#inboxSent;
    if (inbox !== undefined && inbox === this.#hearing.inbox && statuses.includes(Refusal.Unreachable))
      this.#hearing.reset("the server no longer holds its subscriptions");
    this.#schedule();
  }

  #failed(sent: SentMessage[], error: string): void {
    const frames = sent.flatMap((one) => one.frames);
    if (/^(LOADING|MASTERDOWN|READONLY|BUSY|TRYAGAIN|CLUSTERDOWN)/.test(error)) {
      this.transfers.refused();
      this.queue.settle(frames);
      this.link.reset(error);
      return;
    }
    this.#verdicts.scriptless = true;
    this.#log.warn("script-denied", {
      consequence: "no comparison of subscribers until the next connection",
      error,
    });
    this.#verdicts.scriptDenied(sent);
    this.transfers.refused();
    this.queue.settle(frames);
    this.#schedule();
  }
}
