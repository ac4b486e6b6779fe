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
import { baseOf, globMatch, presenceChannel, sideChannel } from "../socketio/channels.js";
import { SHARED_CHANNEL } from "../socketio/rooms.js";
import type { OwnRaw } from "./announced.js";
import { Link, type LinkOptions } from "./link.js";

/** "room": of the shared channel, where only who is there is counted (rooms.ts). */
export type SubscriptionKind = "channel" | "pattern" | "room";

/** One subscription that somebody in the pod wants, upstream. */
export interface Upstreamed {
  readonly kind: SubscriptionKind;
  readonly name: Buffer;
  state: "pending" | "confirmed" | "denied";
  /** Set while state is "denied": the server's error, as it would have answered the app. */
  error: string;
  /** Raw frames of ours that come back on it. */
  readonly ownRaws: OwnRaws;
  /** Commands about it that the server has not answered: only the last one's answer counts. */
  asked: number;
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

/** Whose subscribers are the sidecars that need no other rooms than those they have joined. */
const FLAG = presenceChannel();

/** What the next answers belong to, in order; `left` acks are still to come. */
interface Expected {
  readonly subscription: Upstreamed | "inbox" | "flag";
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
  readonly #rooms = new BufferMap<Upstreamed>();
  /** We are to be counted among those that need no other rooms. */
  #knowsRooms = false;
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
    subscription = { kind, name: Buffer.from(name), state: "pending", error: "", ownRaws: new OwnRaws(), asked: 0 };
    map.set(subscription.name, subscription);
    if (isShared(subscription)) this.#sendRooms();
    this.#send("subscribe", subscription);
    return subscription;
  }

  drop(subscription: Upstreamed): void {
    if (this.#mapOf(subscription.kind).get(subscription.name) !== subscription) return;
    this.#mapOf(subscription.kind).delete(subscription.name);
    if (subscription.state !== "denied") this.#send("unsubscribe", subscription);
    if (!isShared(subscription)) return;
    for (const room of this.#rooms.values()) {
      room.state = "pending";
      this.#send("unsubscribe", room);
    }
  }

  /** Somebody in the pod listens to the shared channel: rooms of it are joined. */
  get shared(): boolean {
    return this.#channels.get(SHARED_CHANNEL) !== undefined;
  }

  /** Whether this pod needs no other rooms than those it has joined: senders count those of whom this is true. */
  knowsRooms(known: boolean): void {
    if (known === this.#knowsRooms) return;
    this.#knowsRooms = known;
    if (this.link.state !== "up" || !this.shared) return;
    this.#expect("flag", known ? "subscribe" : "unsubscribe", 1, [known ? "SUBSCRIBE" : "UNSUBSCRIBE", FLAG]);
  }

  /** The server counts us among the audience of a room. */
  inRoom(presence: Buffer): boolean {
    return this.#inbox !== undefined && this.shared && this.#rooms.get(presence)?.state === "confirmed";
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
    this.#expect("inbox", "subscribe", 2, ["SUBSCRIBE", numbered, inboxOf(this.#epoch)]);
    // Rooms first: whoever counts us for the channel has counted us for them.
    this.#sendRooms();
    for (const subscription of this.#all()) {
      if (subscription.state !== "denied") this.#send("subscribe", subscription);
    }
  }

  #down(): void {
    this.#expected = [];
    this.#outbox = [];
    this.#inbox = undefined;
    this.#deaf = true;
    for (const map of [this.#channels, this.#patterns, this.#rooms]) {
      for (const subscription of map.values()) {
        if (subscription.state === "confirmed") subscription.state = "pending";
        subscription.asked = 0;
        subscription.ownRaws.clear();
      }
    }
    this.#owner.down();
  }

  #sendRooms(): void {
    for (const room of this.#rooms.values()) if (room.state !== "denied") this.#send("subscribe", room);
  }

  #send(verb: "subscribe" | "unsubscribe", subscription: Upstreamed): void {
    const { kind, name } = subscription;
    if (this.link.state !== "up" || (kind === "room" && verb === "subscribe" && !this.shared)) return;
    subscription.asked++;
    const command = `${kind === "pattern" ? "P" : ""}${verb.toUpperCase()}`;
    if (kind === "room") {
      this.#expect(subscription, verb, 1, [command, name]);
      return;
    }
    // In one command: at no moment is one of these counted without the others.
    const names = [name, sideChannel(name)];
    if (this.#knowsRooms && isShared(subscription)) names.push(FLAG);
    this.#expect(subscription, verb, names.length, [command, ...names]);
  }

  #expect(
    subscription: Expected["subscription"],
    verb: Expected["verb"],
    left: number,
    command: (string | Buffer)[],
  ): void {
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
    if (subscription === "flag") return;
    if (subscription === "inbox") {
      this.#inbox = inboxOf(this.#epoch, this.connection);
      return;
    }
    if (--subscription.asked > 0 || verb === "unsubscribe") return;
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
    // Then senders go on to take it for a pod that needs everything.
    if (subscription === "flag") return;
    if (subscription === undefined || subscription === "inbox") {
      this.#inboxDenied = true;
      this.#log.warn("inbox-denied", { error, consequence: "no keyframe can be asked of this sidecar: it sends raw" });
      return;
    }
    if (--subscription.asked > 0 || expected?.verb === "unsubscribe") return;
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
    if (kind === "room") return this.#rooms;
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

function isShared({ kind, name }: Upstreamed): boolean {
  return kind === "channel" && name.equals(SHARED_CHANNEL);
}
