/**
 * The trunk's receiving half: one connection that holds every subscription of the pod.
 *
 *   upstream ─▶ subscriber ─▶ rebuild ─▶ broker
 *
 * A channel and its side channel are always subscribed and unsubscribed in one command: the senders' script counts on
 * it. The connection first subscribes its own inbox. A new connection takes over only after the old one is closed.
 */
import { BufferMap } from "../core/buffer-map.js";
import type { Clock, Log, Meter } from "../core/ports.js";
import type { Dialer } from "../discovery/dialer.js";
import { inboxOf } from "../plane/epoch.js";
import { OwnRaws } from "../plane/own-raws.js";
import { encodeCommand } from "../resp/encoder.js";
import { type Reply, ReplyError } from "../resp/reply-decoder.js";
import { baseOf, globMatch, sideChannel } from "../socketio/channels.js";
import type { OwnRaw } from "./announced.js";
import { Link, type LinkOptions } from "./link.js";

export type SubscriptionKind = "channel" | "pattern";

/** One subscription that somebody in the pod wants, upstream. */
export interface Upstreamed {
  readonly kind: SubscriptionKind;
  readonly name: Buffer;
  state: "pending" | "confirmed" | "denied";
  /** Set while state is "denied": the server's error, as it would have answered the app. */
  error: string;
  /** Raw frames of ours that come back on it. */
  readonly ownRaws: OwnRaws;
}

export interface SubscriberOwner {
  /** The subscription is held upstream, or refused: see its state. */
  settled(subscription: Upstreamed): void;
  /** A message on a channel of an app. `pattern` is null for an exact subscription; `own`: this sidecar published it. */
  raw(channel: Buffer, payload: Buffer, pattern: Buffer | null, own: boolean): void;
  /** A message on the side channel of `channel`. */
  side(channel: Buffer, message: Buffer): void;
  inbox(message: Buffer): void;
  /** After a time of deafness, everything that is wanted is held again. */
  resubscribed(): void;
  /** From here on nothing is heard, until resubscribed(). */
  down(): void;
}

/** What the next answers belong to, in order; `left` acks are still to come. */
interface Expected {
  readonly subscription: Upstreamed | null;
  readonly verb: "subscribe" | "unsubscribe";
  left: number;
}

export class Subscriber {
  readonly link: Link;
  /** Counts connections: it numbers our inbox. */
  connection = 0;
  readonly #epoch: number;
  readonly #owner: SubscriberOwner;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #channels = new BufferMap<Upstreamed>();
  readonly #patterns = new BufferMap<Upstreamed>();
  #expected: Expected[] = [];
  #outbox: Buffer[] = [];
  /** The server has confirmed this connection's inbox. */
  #inbox: Buffer | undefined;
  #inboxDenied = false;
  #deaf = false;

  constructor(
    epoch: number,
    options: LinkOptions,
    dialer: Dialer,
    owner: SubscriberOwner,
    clock: Clock,
    log: Log,
    meter: Meter,
  ) {
    this.#epoch = epoch;
    this.#owner = owner;
    this.#clock = clock;
    this.#log = log;
    this.link = new Link(
      options,
      dialer,
      { up: () => this.#up(), down: () => this.#down(), reply: (reply) => this.#reply(reply) },
      log,
    );
    meter.gauge("keyframe_subscriptions", () => this.#count("confirmed"), { state: "confirmed" });
    meter.gauge("keyframe_subscriptions", () => this.#count("pending"), { state: "pending" });
  }

  /** Holds a subscription from now on, over reconnections too, until it is dropped. */
  want(kind: SubscriptionKind, name: Buffer): Upstreamed {
    const map = this.#mapOf(kind);
    let subscription = map.get(name);
    if (subscription !== undefined) return subscription;
    subscription = { kind, name: Buffer.from(name), state: "pending", error: "", ownRaws: new OwnRaws() };
    map.set(subscription.name, subscription);
    this.#send("subscribe", subscription);
    return subscription;
  }

  drop(subscription: Upstreamed): void {
    if (this.#mapOf(subscription.kind).get(subscription.name) !== subscription) return;
    this.#mapOf(subscription.kind).delete(subscription.name);
    if (subscription.state !== "denied") this.#send("unsubscribe", subscription);
  }

  /** The server counts us among the exact subscribers of the channel. */
  holds(channel: Buffer): boolean {
    return this.#inbox !== undefined && this.#channels.get(channel)?.state === "confirmed";
  }

  /** A raw frame of ours follows, once for each of our subscriptions that it matches. */
  expectOwn({ channel, crc, bytes }: OwnRaw): void {
    const now = this.#clock.now();
    this.#channels.get(channel)?.ownRaws.announce(crc, bytes, now);
    for (const pattern of this.#patterns.values()) {
      if (globMatch(pattern.name, channel)) pattern.ownRaws.announce(crc, bytes, now);
    }
  }

  /** Our numbered inbox, while the server holds it for this connection. */
  get inbox(): Buffer | undefined {
    return this.#inbox;
  }

  /** True where there is hope to be heard soon: connected or connecting, and the inbox not refused. */
  get hopeful(): boolean {
    return this.link.state !== "denied" && !this.#inboxDenied;
  }

  /** Somebody in the pod has asked for the channel, whether it is heard at this moment or not. */
  wants(channel: Buffer): boolean {
    const exact = this.#channels.get(channel);
    if (exact !== undefined && exact.state !== "denied") return true;
    for (const pattern of this.#patterns.values()) {
      if (pattern.state !== "denied" && globMatch(pattern.name, channel)) return true;
    }
    return false;
  }

  /** How many subscriptions are wanted and not held. */
  pending(): number {
    return this.#count("pending");
  }

  stop(): void {
    this.link.stop();
  }

  #up(): void {
    this.connection++;
    this.#expected = [];
    this.#outbox = [];
    const numbered = inboxOf(this.#epoch, this.connection);
    this.#inboxDenied = false;
    this.#expect(null, "subscribe", 2, ["SUBSCRIBE", numbered, inboxOf(this.#epoch)]);
    for (const subscription of this.#all()) {
      if (subscription.state !== "denied") this.#send("subscribe", subscription);
    }
  }

  #down(): void {
    this.#expected = [];
    this.#outbox = [];
    this.#inbox = undefined;
    this.#deaf = true;
    for (const subscription of this.#all()) {
      if (subscription.state === "confirmed") subscription.state = "pending";
      subscription.ownRaws.clear();
    }
    this.#owner.down();
  }

  #send(verb: "subscribe" | "unsubscribe", subscription: Upstreamed): void {
    if (this.link.state !== "up") return;
    const { kind, name } = subscription;
    const command = `${kind === "pattern" ? "P" : ""}${verb.toUpperCase()}`;
    this.#expect(subscription, verb, 2, [command, name, sideChannel(name)]);
  }

  #expect(subscription: Upstreamed | null, verb: Expected["verb"], left: number, command: (string | Buffer)[]): void {
    this.#expected.push({ subscription, verb, left });
    // Commands of one turn of the loop leave in one write: thousands of rooms are joined at once after a reconnection.
    if (this.#outbox.length === 0) setImmediate(() => this.link.write(this.#outbox.splice(0)));
    this.#outbox.push(...encodeCommand(command));
  }

  #reply(reply: Reply): void {
    if (reply instanceof ReplyError) {
      this.#refused(reply.message);
      return;
    }
    if (!Array.isArray(reply)) return;
    const [kind, first, second, third] = reply as Buffer[];
    if (!Buffer.isBuffer(kind)) return;
    // By length first, then by a letter: no string is made for a message.
    if (kind.length === 7) this.#message(first!, second!, null);
    else if (kind.length === 8) this.#message(second!, third!, first!);
    else if (kind.length > 8) this.#acknowledged();
  }

  #message(channel: Buffer, payload: Buffer, pattern: Buffer | null): void {
    // "~": one of ours. Apps have no channels there.
    if (channel[0] !== 0x7e) {
      const subscription = pattern === null ? this.#channels.get(channel) : this.#patterns.get(pattern);
      const own = subscription?.ownRaws.take(payload, this.#clock.now()) ?? false;
      this.#owner.raw(channel, payload, pattern, own);
      return;
    }
    const base = baseOf(channel);
    if (base !== null) this.#owner.side(base, payload);
    else this.#owner.inbox(payload);
  }

  #acknowledged(): void {
    const expected = this.#expected[0];
    if (expected === undefined || --expected.left > 0) return;
    this.#expected.shift();
    this.#confirmed(expected);
    this.#answered();
  }

  #answered(): void {
    if (!this.#deaf || this.#expected.length > 0) return;
    this.#deaf = false;
    this.#owner.resubscribed();
  }

  #confirmed({ subscription, verb }: Expected): void {
    if (verb === "unsubscribe") return;
    if (subscription === null) {
      this.#inbox = inboxOf(this.#epoch, this.connection);
      return;
    }
    if (this.#mapOf(subscription.kind).get(subscription.name) !== subscription) return;
    subscription.state = "confirmed";
    this.#owner.settled(subscription);
  }

  #refused(error: string): void {
    const expected = this.#expected.shift();
    this.#denied(expected, error);
    this.#answered();
  }

  #denied(expected: Expected | undefined, error: string): void {
    const subscription = expected?.subscription;
    if (subscription === undefined || subscription === null) {
      this.#inboxDenied = true;
      this.#log.warn("inbox-denied", { error, consequence: "no keyframe can be asked of this sidecar: it sends raw" });
      return;
    }
    if (expected?.verb === "unsubscribe") return;
    this.#log.warn("subscription-denied", {
      channel: subscription.name.toString(),
      error,
      consequence: "apps subscribe there themselves",
    });
    subscription.state = "denied";
    subscription.error = error;
    this.#owner.settled(subscription);
  }

  #mapOf(kind: SubscriptionKind): BufferMap<Upstreamed> {
    return kind === "channel" ? this.#channels : this.#patterns;
  }

  *#all(): IterableIterator<Upstreamed> {
    yield* this.#channels.values();
    yield* this.#patterns.values();
  }

  #count(state: Upstreamed["state"]): number {
    let count = 0;
    for (const subscription of this.#all()) if (subscription.state === state) count++;
    return count;
  }
}
