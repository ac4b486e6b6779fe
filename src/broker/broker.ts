/**
 * The pod's own pub/sub for frame channels: one upstream subscription serves every worker of the pod.
 *
 *   rebuild ─▶ broker ─▶ sessions ─▶ apps
 *
 * A subscription counts from the moment a session asks for it, so that it is held upstream; it hears from the moment
 * its ack is written, so that no app hears a channel before it was told that it is subscribed.
 */
import { BufferMap } from "../core/buffer-map.js";
import type { Counter, Meter } from "../core/ports.js";
import type { Route } from "../plane/rebuild-sink.js";
import { messagePush, pmessagePush } from "../resp/encoder.js";
import { globMatch } from "../socketio/glob.js";

export type BrokerKind = "channel" | "pattern";

/** Somebody who hears: one app connection. */
export interface LocalSubscriber {
  readonly resp3: boolean;
  /**
   * One message: its RESP form, which other subscribers share, the subscription it is heard by, and what it holds.
   * Nothing of it may be modified.
   */
  push(message: readonly Buffer[], via: object, channel: Buffer, payload: Buffer): void;
}

/** What the broker asks of the trunk. */
export interface UpstreamSubscriptions<S> {
  want(kind: BrokerKind, name: Buffer): S;
  drop(subscription: S): void;
}

export interface UpstreamState {
  readonly state: "pending" | "confirmed" | "denied";
  readonly error: string;
}

export class LocalChannel<S extends UpstreamState> {
  /** Sessions that hear it. */
  readonly subscribers = new Set<LocalSubscriber>();
  /** Sessions that have asked for it, whether they hear it yet or not. */
  claims = 0;
  readonly waiting: (() => void)[] = [];

  constructor(
    readonly kind: BrokerKind,
    readonly name: Buffer,
    readonly upstream: S,
  ) {}
}

export class Broker<S extends UpstreamState> {
  readonly #upstream: UpstreamSubscriptions<S>;
  readonly #channels = new BufferMap<LocalChannel<S>>();
  readonly #patterns = new BufferMap<LocalChannel<S>>();
  readonly #bySubscription = new Map<S, LocalChannel<S>>();
  readonly #delivered: Counter;

  constructor(upstream: UpstreamSubscriptions<S>, meter: Meter) {
    this.#upstream = upstream;
    this.#delivered = meter.counter("keyframe_app_bytes_total", { direction: "delivered" });
    meter.gauge("keyframe_local_subscribers", () => {
      let count = 0;
      for (const channel of this.#channels.values()) count += channel.subscribers.size;
      for (const pattern of this.#patterns.values()) count += pattern.subscribers.size;
      return count;
    });
  }

  /** A session wants this channel: it is held upstream from now on until release(). */
  claim(kind: BrokerKind, name: Buffer): LocalChannel<S> {
    const map = this.#mapOf(kind);
    let channel = map.get(name);
    if (channel === undefined) {
      const upstream = this.#upstream.want(kind, name);
      channel = new LocalChannel(kind, Buffer.from(name), upstream);
      map.set(channel.name, channel);
      this.#bySubscription.set(upstream, channel);
    }
    channel.claims++;
    return channel;
  }

  release(channel: LocalChannel<S>): void {
    if (--channel.claims > 0) return;
    this.#mapOf(channel.kind).delete(channel.name);
    this.#bySubscription.delete(channel.upstream);
    this.#upstream.drop(channel.upstream);
  }

  /** Calls `done` once the upstream has confirmed or refused the channel; at once where it has already. */
  whenSettled(channel: LocalChannel<S>, done: () => void): void {
    if (channel.upstream.state === "pending") channel.waiting.push(done);
    else done();
  }

  /** Takes back whenSettled(): a session has ended while it waited. */
  whenSettledNoMore(channel: LocalChannel<S>, done: () => void): void {
    const { waiting } = channel;
    for (let at = waiting.indexOf(done); at >= 0; at = waiting.indexOf(done, at)) waiting.splice(at, 1);
  }

  /** The upstream has answered a subscription. */
  settled(subscription: S): void {
    const channel = this.#bySubscription.get(subscription);
    if (channel === undefined) return;
    for (const done of channel.waiting.splice(0)) done();
  }

  /** Hands a frame to local apps: each hears it once per subscription that matches, as from the server. */
  deliver(channel: Buffer, payload: Buffer, route: Route): void {
    this.#delivered.inc(payload.length);
    if (route === "exact" || route === "all") {
      const exact = this.#channels.get(channel);
      if (exact !== undefined && exact.subscribers.size > 0) this.#toExact(exact, payload);
    }
    if (route === "all") {
      for (const pattern of this.#patterns.values()) {
        if (pattern.subscribers.size > 0 && globMatch(pattern.name, channel))
          this.#toPattern(pattern, channel, payload);
      }
    } else if (route !== "exact") {
      const pattern = this.#patterns.get(route);
      if (pattern !== undefined) this.#toPattern(pattern, channel, payload);
    }
  }

  #toExact(channel: LocalChannel<S>, payload: Buffer): void {
    // Encoded at most once for each protocol, however many workers listen.
    let resp2: Buffer[] | undefined;
    let resp3: Buffer[] | undefined;
    for (const subscriber of channel.subscribers) {
      if (subscriber.resp3) {
        resp3 ??= messagePush(true, channel.name, payload);
        subscriber.push(resp3, channel, channel.name, payload);
      } else {
        resp2 ??= messagePush(false, channel.name, payload);
        subscriber.push(resp2, channel, channel.name, payload);
      }
    }
  }

  #toPattern(pattern: LocalChannel<S>, channel: Buffer, payload: Buffer): void {
    let resp2: Buffer[] | undefined;
    let resp3: Buffer[] | undefined;
    for (const subscriber of pattern.subscribers) {
      if (subscriber.resp3) {
        resp3 ??= pmessagePush(true, pattern.name, channel, payload);
        subscriber.push(resp3, pattern, channel, payload);
      } else {
        resp2 ??= pmessagePush(false, pattern.name, channel, payload);
        subscriber.push(resp2, pattern, channel, payload);
      }
    }
  }

  #mapOf(kind: BrokerKind): BufferMap<LocalChannel<S>> {
    return kind === "channel" ? this.#channels : this.#patterns;
  }
}
