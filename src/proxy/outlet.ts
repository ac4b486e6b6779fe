/**
 * The last step to an app: everything that is said to it leaves here, in one order.
 *
 *   app ◀─ outlet ◀─ replies (of the upstream's and of our own)
 *                └── messages (of the broker)
 *
 * While the app reads, both are written at once. A message never goes into the middle of a reply: it is held until the
 * reply is whole. Once the app has more unread than the mark, messages and replies wait in a queue of ours rather than in
 * the socket, where the newest frame of a cumulative stream can take the place of an older one.
 */
import type { Socket } from "node:net";
import { ANY_DOMAIN, domainTag } from "../plane/domain.js";
import { nameFrame, newFrameName } from "../socketio/dialect.js";
import { SlowQueue, type Waiting, waitingMessage, waitingReply } from "./slow-queue.js";

/** What the outlet asks of its session. */
export interface OutletOwner {
  /** Nothing of a reply that is not whole has gone out. */
  atReplyBoundary(): boolean;
  /** The app has begun not to read. */
  slow(): void;
  /** A frame has been replaced by a newer one. */
  collapsed(): void;
  /** The app has read: what was held back for it may go on. */
  drained(): void;
  /** Messages were put together for one write, which must be let go before the loop turns. */
  corked(): void;
}

/** Shared by all outlets: filled and read within one call. */
const frameName = newFrameName();

function nameMessage(message: readonly Buffer[], via: object, channel: Buffer, payload: Buffer): Waiting {
  if (!nameFrame(channel, payload, frameName)) return waitingMessage(message, via, 0, ANY_DOMAIN);
  const { stream, emitter, chat, cumulative, barrier, done } = frameName;
  const replaceable = cumulative && !barrier && !done;
  return waitingMessage(message, via, replaceable ? stream : 0, domainTag(emitter, barrier ? 0 : chat));
}

export class Outlet {
  readonly #socket: Socket;
  readonly #mark: number;
  readonly #pauseMark: number;
  readonly #owner: OutletOwner;
  /** What waits for the app to read. */
  readonly #queue = new SlowQueue();
  /** Messages that came in the middle of a reply. */
  readonly #held = new SlowQueue();
  #corked = false;

  /**
   * @param markBytes how much may be unread before messages wait here, and newer ones may replace older ones
   * @param pauseBytes how much may be unread before the app is `full`
   */
  constructor(socket: Socket, markBytes: number, pauseBytes: number, owner: OutletOwner) {
    this.#socket = socket;
    // Below its own mark a socket does not say when it has drained.
    this.#mark = Math.max(markBytes, socket.writableHighWaterMark);
    this.#pauseMark = Math.max(pauseBytes, socket.writableHighWaterMark);
    this.#owner = owner;
    socket.on("drain", () => {
      this.#pump(this.#queue);
      owner.drained();
    });
  }

  /** Everything that the app has not taken, in memory of ours. */
  get waitingBytes(): number {
    return this.#socket.writableLength + this.#queue.bytes + this.#held.bytes;
  }

  /** The app has so much unread that nothing more should be fetched for it. Messages that a reply holds up do not count: only its rest lets them go. */
  get full(): boolean {
    return this.#socket.writableLength + this.#queue.bytes > this.#pauseMark;
  }

  /**
   * A reply, or a piece of one: behind every message that has come before it.
   * @returns true: hardly anything waits
   */
  reply(bytes: Buffer): boolean {
    if (this.#queue.size === 0) return this.#socket.write(bytes);
    this.#queue.add(waitingReply(bytes), false);
    return false;
  }

  /**
   * A message for a subscriber.
   * @param message its RESP form, shared with other subscribers
   * @param via the subscription that it is heard by
   * @returns true: hardly anything waits
   */
  push(message: readonly Buffer[], via: object, channel: Buffer, payload: Buffer): boolean {
    const congested = this.#congested;
    if (!this.#owner.atReplyBoundary()) {
      this.#wait(this.#held, nameMessage(message, via, channel, payload), congested || this.#held.bytes > this.#mark);
    } else if (congested) {
      if (this.#queue.size === 0) this.#owner.slow();
      this.#wait(this.#queue, nameMessage(message, via, channel, payload), true);
    } else {
      this.#cork();
      let roomy = true;
      for (const part of message) roomy = this.#socket.write(part);
      return roomy;
    }
    return false;
  }

  /** A reply has become whole: what was held behind it goes on. */
  boundary(): void {
    if (this.#held.size === 0) return;
    if (!this.#congested) this.#pump(this.#held);
    for (let entry = this.#held.shift(); entry !== undefined; entry = this.#held.shift()) {
      this.#wait(this.#queue, entry, true);
    }
  }

  /** Ends the cork that messages of one turn of the loop share. */
  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  /**
   * Closes the connection, after all that waits where `unread` says so, within that many milliseconds. "linger": what the
   * app is still sending is read and forgotten meanwhile, or the reset that answers it would take the last reply away.
   */
  end(unread: "send" | "linger" | "drop", withinMs: number): void {
    this.uncork();
    this.#held.clear();
    if (unread === "drop" || this.#socket.destroyed) {
      this.#queue.clear();
      this.#socket.destroy();
      return;
    }
    for (let entry = this.#queue.shift(); entry !== undefined; entry = this.#queue.shift()) this.#write(entry);
    if (unread === "linger") this.#socket.end().resume();
    else this.#socket.destroySoon();
    if (this.#socket.destroyed) return;
    // Nobody counts this connection any more, so it may not hold what an app never reads.
    const deadline = setTimeout(() => this.#socket.destroy(), withinMs).unref();
    this.#socket.once("close", () => clearTimeout(deadline));
  }

  get #congested(): boolean {
    return this.#queue.size > 0 || this.#socket.writableLength > this.#mark;
  }

  #wait(queue: SlowQueue, entry: Waiting, collapse: boolean): void {
    if (queue.add(entry, collapse)) this.#owner.collapsed();
  }

  /** Writes as much as the app may have unread at once; the socket's next drain comes for the rest. */
  #pump(queue: SlowQueue): void {
    if (queue.size === 0) return;
    this.#socket.cork();
    while (this.#socket.writableLength <= this.#mark) {
      const entry = queue.shift();
      if (entry === undefined) break;
      this.#write(entry);
    }
    this.#socket.uncork();
  }

  #write(entry: Waiting): void {
    for (const part of entry.parts) this.#socket.write(part);
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    this.#owner.corked();
  }
}
