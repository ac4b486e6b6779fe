/**
 * What the server said about a batch, and what follows from it for each frame: answered, sent again another way, or lost
 * and counted.
 */
import type { Counter, Histogram, Log, Meter } from "../core/ports.js";
import { type Reply, ReplyError } from "../resp/reply-decoder.js";
import type { LocalDelivery } from "./local.js";
import type { OutboundChannel, OutboundFrame, OutboundRoom } from "./outbound.js";
import { settleFrame } from "./queue.js";
import type { RawLimit } from "./raw-limit.js";
import { Refusal } from "./script.js";

/** One message of the batch in flight. Without frames: a repair. */
export interface SentMessage {
  readonly channel: OutboundChannel;
  /** Of a silent message, or of a question: the room that it concerns; undefined: all of the channel. */
  readonly room: OutboundRoom | undefined;
  /**
   * "opening": the frame follows on the side channel in chunks (transfers.ts). "count": a question only, whether anybody
   * elsewhere is in the room.
   */
  readonly kind: "side" | "opening" | "raw" | "silent" | "count";
  readonly frames: readonly OutboundFrame[];
  readonly payload: Buffer;
  /** For a raw frame that comes back to us: what is said in our inbox directly before it; else empty. */
  readonly word: Buffer;
  /** We are one of those whom the server counts as subscribers of the channel, or as the room's audience. */
  readonly own: boolean;
}

/** A plain PUBLISH's answer as the script would report it; of a raw frame, without word of whether a side message would do. */
export function statusOf(message: SentMessage, reply: Reply): Reply {
  if (message.kind === "raw") return reply instanceof ReplyError ? reply.message : Number(reply) * 2;
  return reply instanceof ReplyError ? Refusal.SideDenied : Number(reply);
}

/** A raw channel is looked at again this often, to find that by now everybody can rebuild. */
const COMPARE_MS = 10;

/**
 * Whether a batch must be sent through the script. Raw frames alone need no comparison, but now and then on channels
 * that are raw because somebody could not rebuild.
 */
export function needsComparison(sent: readonly SentMessage[], now: number): boolean {
  let needed = false;
  for (const { channel, kind } of sent) {
    if (kind !== "raw") return true;
    if (channel.mode !== "side" && now - channel.comparedAt >= COMPARE_MS) {
      channel.comparedAt = now;
      needed = true;
    }
  }
  return needed;
}

/**
 * Others must have been away for this long before nothing is published, milliseconds. A pod that was cut off asks, when it
 * comes back, for the newest frame of what it has missed; who is silent has nothing to answer.
 */
const ALONE_MS = 60_000;
/** After a reconnection other pods may still be on their way. */
const GATHERING_MS = 5_000;

const LOSSES = ["superseded", "queue_timeout", "upstream_lost", "denied"] as const;
export type LossReason = (typeof LOSSES)[number];
const KINDS = ["keyframe", "delta", "raw", "silent"] as const;

const REASONS: Readonly<Record<number, string>> = {
  [Refusal.MixedFleet]: "mixed_fleet",
  [Refusal.Patterns]: "patterns",
  [Refusal.SideDenied]: "side_denied",
  [Refusal.Unreachable]: "unreachable",
};

export class Verdicts {
  /** When the publishing connection was made, Clock milliseconds. */
  upAt = Number.NEGATIVE_INFINITY;
  /** The server lets us run no script: nobody can be counted. */
  scriptless = false;
  readonly #local: LocalDelivery;
  readonly #rawLimit: RawLimit;
  readonly #log: Log;
  readonly #losses = new Map<LossReason, Counter>();
  readonly #frames: Record<(typeof KINDS)[number], Counter>;
  readonly #wire: Counter;
  readonly #mixed: Counter;
  readonly #patterns: Counter;
  readonly #denied: Counter;
  readonly #unreachable: Counter;
  readonly #wait: Histogram;

  constructor(local: LocalDelivery, rawLimit: RawLimit, log: Log, meter: Meter) {
    this.#local = local;
    this.#rawLimit = rawLimit;
    this.#log = log;
    for (const reason of LOSSES)
      this.#losses.set(reason, meter.counter("keyframe_undelivered_frames_total", { reason }));
    const frames = (kind: string) => meter.counter("keyframe_frames_total", { direction: "in", kind });
    this.#frames = {
      keyframe: frames("keyframe"),
      delta: frames("delta"),
      raw: frames("raw"),
      silent: frames("silent"),
    };
    this.#wire = meter.counter("keyframe_wire_bytes_total", { direction: "sent" });
    this.#mixed = meter.counter("keyframe_refused_batches_total", { reason: "mixed_fleet" });
    this.#patterns = meter.counter("keyframe_refused_batches_total", { reason: "patterns" });
    this.#denied = meter.counter("keyframe_refused_batches_total", { reason: "script_denied" });
    this.#unreachable = meter.counter("keyframe_refused_batches_total", { reason: "unreachable" });
    this.#wait = meter.histogram("keyframe_publish_wait_seconds");
  }

  lost(reason: LossReason, frames: number): void {
    this.#losses.get(reason)!.inc(frames);
  }

  /** A newer frame took its place in the queue. */
  superseded(frame: OutboundFrame): void {
    this.lost("superseded", 1);
    this.#local.ended(frame);
    settleFrame(frame, { kind: "sent", listeners: frame.channel.listeners });
  }

  /** It has waited for too long. @param trouble what is wrong with the upstream */
  expired(frame: OutboundFrame, now: number, trouble: string): void {
    const seconds = Math.round((now - frame.at) / 1000);
    this.#fail(frame, "queue_timeout", `keyframe: not sent within ${seconds} s, upstream unavailable (${trouble})`);
  }

  /** @returns the frames that must be sent again */
  settle(sent: readonly SentMessage[], statuses: readonly Reply[], now: number): OutboundFrame[] {
    const again: OutboundFrame[] = [];
    for (let i = 0; i < sent.length; i++) {
      const message = sent[i]!;
      const status = statuses[i];
      if (message.kind === "count") this.#counted(message.room!, status, now);
      else if (typeof status !== "number") this.#denyChannel(message, String(status ?? "no answer"));
      else if (status < 0) this.#refused(message, status, again, now);
      else if (message.kind === "raw") this.#settleRaw(message, status, now);
      else if (message.kind === "silent") this.#settleSilent(message, now);
      else this.#settleSide(message, status, now);
    }
    return again;
  }

  /** The connection broke with the batch unanswered. @returns the frames to send again, on the side channel only */
  unanswered(sent: readonly SentMessage[], reason: string): OutboundFrame[] {
    const again: OutboundFrame[] = [];
    for (const { kind, frames } of sent) {
      for (const frame of frames) {
        // Nothing of it has been published.
        if (kind === "silent" || kind === "opening") again.push(frame);
        else if (kind === "side") {
          // It may have been delivered: the same record under the same sequence is a repeat to whoever has it.
          frame.doubtful = true;
          again.push(frame);
        } else {
          this.#fail(frame, "upstream_lost", `keyframe: upstream connection lost (${reason})`);
        }
      }
    }
    return again;
  }

  /** The script may not be run: all of the batch goes raw. */
  scriptDenied(sent: readonly SentMessage[]): void {
    this.#denied.inc();
    for (const { channel, frames } of sent) {
      channel.generation++;
      for (const frame of frames) this.#toRaw(frame);
    }
  }

  #settleSide(message: SentMessage, listeners: number, now: number): void {
    const { channel, frames, payload } = message;
    channel.mode = "side";
    channel.listeners = listeners;
    this.#wire.inc(payload.length);
    for (const frame of frames) {
      this.#frames[frame.encoded!.kind].inc();
      this.#sent(frame, listeners, now);
    }
    if (frames.length > 0) this.#lookAround(message, now);
  }

  #settleSilent({ channel, room, frames, own }: SentMessage, now: number): void {
    if (room === undefined) channel.listeners = Number(own);
    this.#frames.silent.inc(frames.length);
    for (const frame of frames) this.#sent(frame, channel.listeners, now);
  }

  #settleRaw(message: SentMessage, status: number, now: number): void {
    const { channel, frames, payload } = message;
    const sideWouldDo = (status & 1) === 1;
    channel.listeners = status >> 1;
    if (channel.mode !== "side") {
      if (sideWouldDo && !channel.sideDenied) {
        this.#log.info("channel-deltas", { channel: channel.name.toString() });
        channel.mode = "side";
      } else {
        channel.mode = "raw";
      }
    }
    this.#wire.inc(payload.length);
    for (const frame of frames) {
      this.#frames.raw.inc();
      this.#rawLimit.passed(frame);
      this.#sent(frame, channel.listeners, now);
    }
    this.#lookAround(message, now);
  }

  /** Where nobody elsewhere has been in a room for a while, its next frames are not published, only asked about. */
  #counted(room: OutboundRoom, status: Reply | undefined, now: number): void {
    if (status === 1) room.audienceAt = now;
    else if (status === 0 && this.#alone(room.audienceAt, now)) room.fallSilent();
  }

  /** Where nobody but this pod has listened for a while, the next frames are not published, only asked about. */
  #lookAround({ channel, own }: SentMessage, now: number): void {
    if (channel.listeners > Number(own)) channel.audienceAt = now;
    else if (this.#alone(channel.audienceAt, now)) {
      channel.mode = "silent";
      channel.generation++;
    }
  }

  #alone(since: number, now: number): boolean {
    return now - since > ALONE_MS && now - this.upAt > GATHERING_MS && !this.scriptless;
  }

  #refused(message: SentMessage, status: number, again: OutboundFrame[], now: number): void {
    const { channel, frames } = message;
    if (status === Refusal.AfterRefusal) {
      again.push(...frames);
      return;
    }
    if (status === Refusal.Audience) {
      const { room } = message;
      if (room !== undefined) {
        room.audienceAt = now;
        room.silent = false;
      } else {
        channel.audienceAt = now;
        channel.mode = "side";
      }
      again.push(...frames);
      return;
    }
    if (status === Refusal.SideDenied) channel.sideDenied = true;
    if (channel.mode !== "raw") {
      this.#log.info("channel-raw", { channel: channel.name.toString(), reason: REASONS[status] ?? "mixed_fleet" });
    }
    channel.mode = "raw";
    // Nobody holds these frames as bases: what follows the raw phase begins anew.
    channel.generation++;
    if (status === Refusal.Patterns) this.#patterns.inc();
    else if (status === Refusal.Unreachable) this.#unreachable.inc();
    else this.#mixed.inc();
    for (const frame of frames) {
      if (frame.doubtful) {
        // It may have been delivered before the connection broke: raw, it could arrive twice.
        this.#fail(frame, "upstream_lost", "keyframe: upstream connection lost");
        continue;
      }
      this.#toRaw(frame);
      again.push(frame);
    }
  }

  #denyChannel(message: SentMessage, error: string): void {
    const { channel, frames } = message;
    if (frames.length === 0) return;
    this.#log.warn("channel-denied", {
      channel: channel.name.toString(),
      error,
      consequence: "apps publish there themselves",
    });
    channel.mode = "denied";
    channel.generation++;
    for (const frame of frames) {
      this.#local.ended(frame);
      if (!settleFrame(frame, { kind: "denied" })) this.lost("denied", 1);
    }
  }

  #toRaw(frame: OutboundFrame): void {
    frame.raw = true;
    frame.encoded = undefined;
  }

  /** The app is told first: on a connection that also listens, an answer precedes what follows from it. */
  #sent(frame: OutboundFrame, listeners: number, now: number): void {
    this.#wait.observe((now - frame.at) / 1000);
    settleFrame(frame, { kind: "sent", listeners });
    this.#local.sent(frame);
  }

  #fail(frame: OutboundFrame, reason: LossReason, error: string): void {
    this.#local.ended(frame);
    if (!settleFrame(frame, { kind: "failed", error })) this.lost(reason, 1);
  }
}
