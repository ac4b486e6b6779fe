/**
 * Compares what a subscriber hears with what was published: every payload, byte for byte, and for each channel and chat
 * in the order of publishing. One checker for each subscriber and recording.
 */
import { createHash } from "node:crypto";
import { chatOf, type ReplayFrame } from "../replay.js";

/** Occurs in frames that only find out whether a subscriber hears yet. */
export const warmUpMark = "warm_up";

/** The first 16 hexadecimal digits of SHA-256, for subscribers in another process. */
export function digest(payload: Buffer): string {
  return createHash("sha256").update(payload).digest("hex").slice(0, 16);
}

interface Lane {
  indexes: number[];
  next: number;
}

export class Checker {
  /** Milliseconds from PUBLISH to delivery, for frames that were heard as payloads. */
  readonly latencies: number[] = [];
  readonly problems: string[] = [];
  heard = 0;
  private readonly lanes = new Map<string, Lane>();
  private readonly byDigest = new Map<string, string>();
  private readonly frames: ReplayFrame[] = [];

  /** `sentAt[i]` is when frame i was written, on performance.now()'s clock. */
  constructor(
    readonly subscriber: string,
    private readonly sentAt: readonly number[],
    frames: readonly ReplayFrame[] = [],
  ) {
    for (const frame of frames) this.expect(frame);
  }

  /** The next frame that is going to be published. */
  expect(frame: ReplayFrame): void {
    const index = this.frames.push(frame) - 1;
    const key = laneOf(frame.channel, frame.chat);
    const lane = this.lanes.get(key);
    if (lane) lane.indexes.push(index);
    else this.lanes.set(key, { indexes: [index], next: 0 });
  }

  /** A message that this process received itself. Warm-up frames are none of the recording's. */
  hear(channel: Buffer, payload: Buffer): void {
    const now = performance.now();
    if (payload.length < 256 && payload.includes(warmUpMark)) return;
    const index = this.take(laneOf(channel, chatOf(payload)));
    if (index === undefined) return;
    if (!payload.equals((this.frames[index] as ReplayFrame).payload)) this.differs(index);
    this.latencies.push(now - (this.sentAt[index] ?? now));
  }

  /** A message that another process received and told us the digest of. */
  hearDigest(channel: Buffer, heard: string): void {
    if (this.byDigest.size === 0) {
      for (const { payload, chat } of this.frames) this.byDigest.set(digest(payload), chat);
    }
    const chat = this.byDigest.get(heard);
    if (chat === undefined) {
      this.problem(`heard a payload on ${channel} that nobody published`);
      return;
    }
    const index = this.take(laneOf(channel, chat));
    if (index !== undefined && digest((this.frames[index] as ReplayFrame).payload) !== heard) this.differs(index);
  }

  /** Waits until every frame was heard, and notes a problem if that does not happen in time. */
  async complete(deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (this.heard < this.frames.length && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const missing = this.frames.length - this.heard;
    if (missing > 0) this.problem(`${missing} of ${this.frames.length} frames did not arrive`);
  }

  private take(key: string): number | undefined {
    const lane = this.lanes.get(key);
    const index = lane?.indexes[lane.next];
    if (lane === undefined || index === undefined) {
      this.problem(`heard more frames than were published (${key.slice(0, 60)})`);
      return undefined;
    }
    lane.next++;
    this.heard++;
    return index;
  }

  private differs(index: number): void {
    this.problem(`frame ${index} differs from what was published, or came out of order`);
  }

  private problem(text: string): void {
    if (this.problems.length < 5) this.problems.push(`${this.subscriber}: ${text}`);
  }
}

function laneOf(channel: Buffer, chat: string): string {
  return `${channel.toString("latin1")} ${chat}`;
}
