/**
 * What one app connection is subscribed to: frame channels at the local broker, all others at the upstream, in one
 * count and one order, as if it were one server.
 */

import type { Broker, BrokerKind, LocalChannel, LocalSubscriber, UpstreamState } from "../broker/broker.js";
import { BufferMap } from "../core/buffer-map.js";
import { subscriptionReply } from "../resp/encoder.js";
import type { FrameChannels } from "../socketio/channels.js";
import { patternMayMatchReserved } from "../socketio/channels.js";
import type { Replies } from "./replies.js";

/** What the subscriptions ask of their session. */
export interface SubscriptionOutput {
  reply(bytes: Buffer): void;
  /** Forwards a (un)subscribe command for these names (none: bare) to the upstream and expects `acks` acks. */
  forward(verb: string, names: readonly Buffer[], acks: number): void;
  /** Calls `next` once every request that was forwarded has been answered. */
  afterReplies(next: () => void): void;
}

export class Subscriptions<S extends UpstreamState> {
  readonly #broker: Broker<S>;
  readonly #channels: FrameChannels;
  readonly #replies: Replies;
  readonly #subscriber: LocalSubscriber;
  readonly #out: SubscriptionOutput;
  readonly #local: Record<BrokerKind, BufferMap<LocalChannel<S>>> = {
    channel: new BufferMap(),
    pattern: new BufferMap(),
  };
  /** Names that the app has subscribed upstream, as far as its requests tell; latin1, one char a byte. */
  readonly #upstream: Record<BrokerKind, Set<string>> = { channel: new Set(), pattern: new Set() };
  /** Claims of the command at hand that have not become subscriptions, in the order of its names. */
  #claimed: (LocalChannel<S> | undefined)[] = [];
  /** What that command has asked the broker to call. */
  #settled: () => void = () => {};

  constructor(
    broker: Broker<S>,
    channels: FrameChannels,
    replies: Replies,
    subscriber: LocalSubscriber,
    out: SubscriptionOutput,
  ) {
    this.#broker = broker;
    this.#channels = channels;
    this.#replies = replies;
    this.#subscriber = subscriber;
    this.#out = out;
  }

  /** Subscriptions served by the local broker. */
  get local(): number {
    return this.#local.channel.size + this.#local.pattern.size;
  }

  get upstream(): number {
    return this.#upstream.channel.size + this.#upstream.pattern.size;
  }

  /** True where at least one of the names is the broker's. */
  concerns(kind: BrokerKind, names: readonly Buffer[]): boolean {
    return names.some((name) => this.#serves(kind, name));
  }

  /** Notes names that are being subscribed upstream in a request that passes as it is. */
  passing(kind: BrokerKind, names: readonly Buffer[], subscribe: boolean): void {
    for (const name of names) this.#noteUpstream(kind, name, subscribe);
  }

  /** A bare UNSUBSCRIBE or PUNSUBSCRIBE passes as it is; returns how many acks it brings. */
  passingAll(kind: BrokerKind): number {
    const count = this.#upstream[kind].size;
    this.#upstream[kind].clear();
    return Math.max(1, count);
  }

  /**
   * Serves a SUBSCRIBE or PSUBSCRIBE that names at least one frame channel. Every frame channel is asked of the trunk at
   * once; acks are written in the order of the names, after the upstream has confirmed them all.
   */
  subscribe(kind: BrokerKind, names: readonly Buffer[], done: () => void): void {
    const claims = names.map((name) => (this.#serves(kind, name) ? this.#broker.claim(kind, name) : undefined));
    const ours = claims.filter((claim) => claim !== undefined);
    let pending = ours.length;
    const settled = () => {
      if (--pending === 0) this.#acknowledge(kind, names, claims, 0, done);
    };
    this.#claimed = claims;
    this.#settled = settled;
    for (const claim of ours) this.#broker.whenSettled(claim, settled);
  }

  /** Serves an UNSUBSCRIBE or PUNSUBSCRIBE of a connection that has subscriptions at the broker. No names: all of the kind. */
  unsubscribe(kind: BrokerKind, names: readonly Buffer[], done: () => void): void {
    const verb = kind === "channel" ? "unsubscribe" : "punsubscribe";
    if (names.length > 0) {
      this.#unsubscribeEach(kind, verb, names, 0, done);
      return;
    }
    const all = [...this.#local[kind].values()];
    for (const channel of all) this.#leave(kind, channel.name, verb);
    const upstream = this.#upstream[kind].size;
    if (upstream > 0) {
      this.#upstream[kind].clear();
      this.#out.forward(verb, [], upstream);
      this.#out.afterReplies(done);
      return;
    }
    if (all.length === 0) this.#out.reply(subscriptionReply(this.#subscriber.resp3, verb, null, this.#count()));
    done();
  }

  /** Ends all of the broker's subscriptions without a word: RESET, or the connection has closed. */
  clear(): void {
    for (const kind of ["channel", "pattern"] as const) {
      for (const channel of this.#local[kind].values()) {
        channel.subscribers.delete(this.#subscriber);
        this.#broker.release(channel);
      }
      this.#local[kind].clear();
      this.#upstream[kind].clear();
    }
    for (const claim of this.#claimed) {
      if (claim === undefined) continue;
      // Others may wait for the same channel: what is cleared must not join it when they do.
      this.#broker.whenSettledNoMore(claim, this.#settled);
      this.#broker.release(claim);
    }
    this.#claimed = [];
  }

  #serves(kind: BrokerKind, name: Buffer): boolean {
    return kind === "channel" ? this.#channels.matches(name) : this.#channels.servesPattern(name);
  }

  #acknowledge(
    kind: BrokerKind,
    names: readonly Buffer[],
    claims: (LocalChannel<S> | undefined)[],
    from: number,
    done: () => void,
  ): void {
    const verb = kind === "channel" ? "subscribe" : "psubscribe";
    let at = from;
    while (at < names.length) {
      const claim = claims[at];
      if (claim?.upstream.state === "confirmed") {
        this.#join(kind, claim);
        claims[at] = undefined;
        this.#out.reply(subscriptionReply(this.#subscriber.resp3, verb, claim.name, this.#count()));
        at++;
        continue;
      }
      if (claim?.upstream.state === "pending") {
        // Held when the command was looked at, and lost since: its ack waits for the new connection.
        this.#settled = () => this.#acknowledge(kind, names, claims, at, done);
        this.#broker.whenSettled(claim, this.#settled);
        return;
      }
      // Not ours, or refused to the trunk: the server answers these itself, in the app's own name.
      const begin = at;
      while (at < names.length && (claims[at]?.upstream.state ?? "denied") === "denied") {
        const denied = claims[at];
        claims[at] = undefined;
        if (denied !== undefined) this.#broker.release(denied);
        this.#noteUpstream(kind, names[at]!, true);
        at++;
      }
      this.#out.forward(verb, names.slice(begin, at), at - begin);
      this.#out.afterReplies(() => this.#acknowledge(kind, names, claims, at, done));
      return;
    }
    this.#claimed = [];
    done();
  }

  #join(kind: BrokerKind, claim: LocalChannel<S>): void {
    const mine = this.#local[kind];
    if (mine.has(claim.name)) {
      this.#broker.release(claim);
      return;
    }
    mine.set(claim.name, claim);
    claim.subscribers.add(this.#subscriber);
  }

  #unsubscribeEach(
    kind: BrokerKind,
    verb: "unsubscribe" | "punsubscribe",
    names: readonly Buffer[],
    from: number,
    done: () => void,
  ): void {
    for (let at = from; at < names.length; at++) {
      const name = names[at]!;
      if (this.#local[kind].has(name)) {
        this.#leave(kind, name, verb);
      } else if (this.#upstream[kind].has(name.toString("latin1"))) {
        this.#noteUpstream(kind, name, false);
        this.#out.forward(verb, [name], 1);
        this.#out.afterReplies(() => this.#unsubscribeEach(kind, verb, names, at + 1, done));
        return;
      } else {
        this.#out.reply(subscriptionReply(this.#subscriber.resp3, verb, name, this.#count()));
      }
    }
    done();
  }

  #leave(kind: BrokerKind, name: Buffer, verb: "unsubscribe" | "punsubscribe"): void {
    const channel = this.#local[kind].get(name)!;
    this.#local[kind].delete(name);
    channel.subscribers.delete(this.#subscriber);
    this.#out.reply(subscriptionReply(this.#subscriber.resp3, verb, name, this.#count()));
    this.#broker.release(channel);
  }

  #noteUpstream(kind: BrokerKind, name: Buffer, subscribe: boolean): void {
    if (subscribe) this.#upstream[kind].add(name.toString("latin1"));
    else this.#upstream[kind].delete(name.toString("latin1"));
    if (subscribe && kind === "pattern" && patternMayMatchReserved(name)) this.#replies.filtered = true;
  }

  #count(): number {
    return this.local + this.#replies.upstreamSubscriptions;
  }
}
