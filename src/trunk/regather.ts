/**
 * After the upstream was away: frames that have waited for it are sent once those who heard their channels before hear
 * them again. All sidecars come back within moments of each other; the first one would send what it has gathered, which
 * is seconds of chat, to nobody.
 */
import type { Reply } from "../resp/reply-decoder.js";
import type { OutboundQueue } from "./queue.js";

/** Longest wait: a subscriber may be gone for good. Longer than a link pauses between two dials. Milliseconds. */
const MOST_MS = 1_500;
/** The server is asked this often at most, milliseconds. */
const ASK_MS = 10;
/** No more channels than this are looked at: those of the oldest frames. */
const CHANNELS = 64;
/** A frame is sent this long before it would have waited too long, milliseconds. */
const SPARE_MS = 500;

type Command = (words: readonly (Buffer | string)[], answered: (reply: Reply) => void) => void;

export class Regather {
  readonly #command: Command;
  readonly #done: () => void;
  /** What is waited for: channels, and how many heard each. Empty: nothing. */
  #wanted: { name: Buffer; listeners: number }[] = [];
  #until = 0;
  #askedAt = 0;
  #asking = false;

  /**
   * @param command  asks the server
   * @param done  called when there is nothing more to wait for, where that is not found by `over`
   */
  constructor(command: Command, done: () => void) {
    this.#command = command;
    this.#done = done;
  }

  /** The connection has been made again, and this is what has waited. Asks at once who hears. */
  begin(queue: OutboundQueue, now: number): void {
    const frames = queue.frames();
    const listeners = new Map<Buffer, number>();
    for (const { channel } of frames) {
      if (listeners.size >= CHANNELS) break;
      if (channel.listeners > 0) listeners.set(channel.name, channel.listeners);
    }
    this.#wanted = [...listeners].map(([name, count]) => ({ name, listeners: count }));
    this.#until = Math.min(now + MOST_MS, (frames[0]?.at ?? now) + queue.limits.waitMs - SPARE_MS);
    this.#askedAt = Number.NEGATIVE_INFINITY;
    this.#asking = false;
    this.over(now);
  }

  /** The connection is lost: its answers do not come. */
  end(): void {
    this.#wanted = [];
  }

  /** True where frames may go. Call it often: it asks again when that is due. */
  over(now: number): boolean {
    if (this.#wanted.length === 0) return true;
    if (now >= this.#until) {
      this.#wanted = [];
      return true;
    }
    if (!this.#asking && now - this.#askedAt >= ASK_MS) this.#ask(now);
    return false;
  }

  #ask(now: number): void {
    const wanted = this.#wanted;
    this.#asking = true;
    this.#askedAt = now;
    this.#command(["PUBSUB", "NUMSUB", ...wanted.map(({ name }) => name)], (reply) => {
      if (this.#wanted !== wanted) return;
      this.#asking = false;
      // Where the question is refused there is nothing to wait for either.
      const counts = Array.isArray(reply) ? reply : [];
      if (wanted.some(({ listeners }, i) => (Number(counts[2 * i + 1] ?? listeners) || 0) < listeners)) return;
      this.#wanted = [];
      this.#done();
    });
  }
}
