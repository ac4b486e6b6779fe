/**
 * Large frames that must go raw: whole, in one PUBLISH, because somebody on the channel cannot put chunks together. The
 * server drops every subscriber whose output buffer such a frame breaks, so beyond a limit it is refused.
 */
import type { Clock, Counter, Log, Meter } from "../core/ports.js";
import type { OutboundFrame } from "./outbound.js";
import { settleFrame } from "./queue.js";

/** Passed frames are named in the log at most this often: a growing message is published with every token. */
const LOG_MS = 10_000;

export class RawLimit {
  /** Largest frame that goes raw, bytes. */
  readonly bytes: number;
  readonly #largeBytes: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #passed: Counter;
  readonly #refused: Counter;
  readonly #hits: Counter;
  readonly #lost: Counter;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(bytes: number, largeBytes: number, clock: Clock, log: Log, meter: Meter) {
    this.bytes = bytes;
    this.#largeBytes = largeBytes;
    this.#clock = clock;
    this.#log = log;
    this.#passed = meter.counter("keyframe_large_raw_frames_total", { action: "passed" });
    this.#refused = meter.counter("keyframe_large_raw_frames_total", { action: "refused" });
    this.#hits = meter.counter("keyframe_limit_hits_total", { limit: "rawMaxBytes" });
    this.#lost = meter.counter("keyframe_undelivered_frames_total", { reason: "too_large" });
  }

  /** Refuses a frame that is too large to go raw: its PUBLISH gets an error, or it is counted. @returns true where it did */
  refuses(frame: OutboundFrame): boolean {
    const { length } = frame.payload;
    if (length <= this.bytes) return false;
    this.#refused.inc();
    this.#hits.inc();
    const channel = frame.channel.name.toString();
    this.#log.warn("large-frame-refused", {
      channel,
      bytes: length,
      limit: this.bytes,
      consequence: "nobody hears it",
    });
    const error = `keyframe: a frame of ${length} bytes has to go to subscribers without a sidecar, and is over KEYFRAME_RAW_MAX_BYTES (${this.bytes})`;
    if (!settleFrame(frame, { kind: "failed", error })) this.#lost.inc();
    return true;
  }

  /** A raw frame has been published. */
  passed(frame: OutboundFrame): void {
    const { length } = frame.payload;
    if (length <= this.#largeBytes) return;
    this.#passed.inc();
    const now = this.#clock.now();
    if (now - this.#loggedAt < LOG_MS) return;
    this.#loggedAt = now;
    const channel = frame.channel.name.toString();
    const consequence = "every subscriber's output buffer takes all of it at once";
    this.#log.warn("large-frame-raw", { channel, bytes: length, consequence });
  }
}
