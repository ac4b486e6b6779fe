/** What every session shares: made once by the composition root. */
import type { Broker, UpstreamState } from "../broker/broker.js";
import type { Clock, Counter, Log, Meter } from "../core/ports.js";
import type { Dialer } from "../discovery/dialer.js";
import type { FrameChannels } from "../socketio/channels.js";
import type { Publisher } from "../trunk/publisher.js";
import type { LocalRooms } from "../trunk/rooms.js";
import type { ScriptTableLimits } from "./script-table.js";
import { Scripts } from "./scripts.js";
import type { Session, SessionLimits } from "./session.js";
import type { UpstreamIdentity } from "./upstream.js";

export type LatchReason = "client_reply" | "monitor" | "multi_subscribe" | "identity" | "replication";
const LATCHES: readonly LatchReason[] = ["client_reply", "monitor", "multi_subscribe", "identity", "replication"];

/** Every limit that an app connection can reach, by its option's name. */
const LIMITS = [
  "maxBulkBytes",
  "maxDepth",
  "maxArgs",
  "maxLineBytes",
  "maxRequestBytes",
  "maxConnections",
  "queueBytes",
  "queueWaitMs",
  "subscriberBufferBytes",
  "collapseBytes",
  "requestTimeoutMs",
  "halfCloseMs",
  "dialTimeoutMs",
] as const;
export type SessionLimit = (typeof LIMITS)[number];

export interface SessionContextOptions {
  limits: SessionLimits;
  dialer: Dialer;
  /** Who the trunk is; an app connection that says it is somebody else is passed through. */
  identity: UpstreamIdentity;
  channels: FrameChannels;
  /** How many bodies of EVAL are remembered, to be sent as their hash. */
  scripts: ScriptTableLimits;
  publisher: Publisher;
  broker: Broker<UpstreamState>;
  rooms: LocalRooms;
  clock: Clock;
  log: Log;
  meter: Meter;
}

export class SessionContext {
  readonly limits: SessionLimits;
  readonly dialer: Dialer;
  readonly identity: UpstreamIdentity;
  readonly channels: FrameChannels;
  readonly scripts: Scripts;
  readonly publisher: Publisher;
  readonly broker: Broker<UpstreamState>;
  readonly rooms: LocalRooms;
  readonly clock: Clock;
  readonly log: Log;
  readonly passed: Counter;
  readonly published: Counter;
  readonly brokered: Counter;
  readonly appBytes: Counter;
  readonly unnamed: Counter;
  readonly collapsed: Counter;
  readonly #limitHits: Readonly<Record<SessionLimit, Counter>>;
  readonly #latches = new Map<LatchReason, Counter>();
  #toUncork: Session[] = [];

  constructor(options: SessionContextOptions) {
    this.limits = options.limits;
    this.dialer = options.dialer;
    this.identity = options.identity;
    this.channels = options.channels;
    this.scripts = new Scripts(options.scripts, options.clock, options.log, options.meter);
    this.publisher = options.publisher;
    this.broker = options.broker;
    this.rooms = options.rooms;
    this.clock = options.clock;
    this.log = options.log;
    this.passed = options.meter.counter("keyframe_commands_total", { plane: "pass" });
    this.published = options.meter.counter("keyframe_commands_total", { plane: "publish" });
    this.brokered = options.meter.counter("keyframe_commands_total", { plane: "broker" });
    this.appBytes = options.meter.counter("keyframe_app_bytes_total", { direction: "sent" });
    this.unnamed = options.meter.counter("keyframe_unnamed_frames_total", { reason: "dialect" });
    this.collapsed = options.meter.counter("keyframe_undelivered_frames_total", { reason: "slow_reader" });
    // Taken now, so that a name the catalogue does not know stops the start and not a connection.
    const hits = LIMITS.map((limit) => [limit, options.meter.counter("keyframe_limit_hits_total", { limit })] as const);
    this.#limitHits = Object.fromEntries(hits) as Record<SessionLimit, Counter>;
    for (const reason of LATCHES) {
      this.#latches.set(reason, options.meter.counter("keyframe_latched_connections_total", { reason }));
    }
  }

  latched(reason: LatchReason): void {
    this.#latches.get(reason)!.inc();
  }

  limitHit(limit: SessionLimit): void {
    this.#limitHits[limit].inc();
  }

  /** Pushes of one turn of the loop leave in one write per connection. */
  uncorkSoon(session: Session): void {
    if (this.#toUncork.length === 0) process.nextTick(this.#uncorkAll);
    this.#toUncork.push(session);
  }

  readonly #uncorkAll = (): void => {
    const sessions = this.#toUncork;
    this.#toUncork = [];
    for (const session of sessions) session.uncork();
  };
}
