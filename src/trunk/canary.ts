/**
 * Proof of life: a message through the server to our own inbox, at an interval. "Connected" says nothing of a connection
 * that a failover left on another node, or that the server has closed unseen; only what comes back does.
 *
 * The PUBLISH's count tells at once whether our inbox is subscribed on the node that we publish to: both connections are
 * on one node then, which is what comparing their run ids would tell. ROLE tells whether that node is still the master.
 */
import type { Clock, Counter, Log, Meter } from "../core/ports.js";
import { ControlKind, encodeControl } from "../frame/control.js";
import { type Reply, ReplyError } from "../resp/reply-decoder.js";

export interface CanaryOptions {
  epoch: number;
  /** Time between two canaries, milliseconds. */
  intervalMs: number;
  /** A canary that has not been heard by then is lost, milliseconds. */
  timeoutMs: number;
}

const FAILURES = ["unheard", "unsubscribed", "demoted"] as const;
export type CanaryFailure = (typeof FAILURES)[number];

export interface CanaryOwner {
  /** Our numbered inbox, where the server has confirmed it; undefined while we cannot hear or cannot publish. */
  readonly inbox: { readonly name: Buffer; readonly connection: number } | undefined;
  /** False where the server refuses us an inbox: nothing can be proved then, and nothing is held against the connection. */
  readonly hopeful: boolean;
  command(words: readonly (Buffer | string)[], answered: (reply: Reply) => void): void;
  /** The connections must be made anew. */
  failed(why: CanaryFailure): void;
}

const UNPROVED = "has not heard its own canary yet";

export class Canary {
  /** Why the pod is not known to hear; empty while it is. */
  trouble = UNPROVED;
  readonly #options: CanaryOptions;
  readonly #owner: CanaryOwner;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #failures: Record<CanaryFailure, Counter>;
  #number = 0;
  #heard = 0;
  #sentAt = Number.NEGATIVE_INFINITY;
  #heardAt: number;
  /** The connection that the last canary was sent to. */
  #connection = 0;
  /** It has been said that the server refuses us ROLE. */
  #roleDenied = false;
  /** The node has said that it is a master; a node that never was one is what the operator chose. */
  #wasMaster = false;

  constructor(options: CanaryOptions, owner: CanaryOwner, clock: Clock, log: Log, meter: Meter) {
    this.#options = options;
    this.#owner = owner;
    this.#clock = clock;
    this.#log = log;
    this.#heardAt = clock.now();
    const count = (reason: CanaryFailure) => meter.counter("keyframe_canary_failures_total", { reason });
    this.#failures = { unheard: count("unheard"), unsubscribed: count("unsubscribed"), demoted: count("demoted") };
    meter.gauge("keyframe_canary_age_seconds", () => (clock.now() - this.#heardAt) / 1000);
  }

  /** Call it often: sends what is due, and notices what has not come back. */
  tick(): void {
    const inbox = this.#owner.inbox;
    if (inbox === undefined) {
      // Readiness names the connection that is down; once it is back, only a canary proves that it hears.
      this.#connection = 0;
      this.trouble = this.#owner.hopeful ? UNPROVED : "";
      return;
    }
    const now = this.#clock.now();
    const sameConnection = inbox.connection === this.#connection;
    if (sameConnection && this.#heard < this.#number) {
      if (now - this.#sentAt > this.#options.timeoutMs) this.#fail("unheard");
      return;
    }
    if (sameConnection && now - this.#sentAt < this.#options.intervalMs) return;
    this.#send(inbox.name, inbox.connection, now);
  }

  /** A canary of ours has come. */
  heard(number: number): void {
    if (number !== this.#number) return;
    this.#heard = number;
    this.#heardAt = this.#clock.now();
    this.trouble = "";
  }

  #send(inbox: Buffer, connection: number, now: number): void {
    const number = ++this.#number;
    this.#sentAt = now;
    this.#connection = connection;
    const message = encodeControl(ControlKind.Canary, this.#options.epoch, connection, [{ instance: number, seq: 0 }]);
    this.#owner.command(["ROLE"], (reply) => this.#role(reply));
    this.#owner.command(["PUBLISH", inbox, message], (reply) => {
      if (reply === 0 && number === this.#number && this.#owner.inbox?.connection === connection)
        this.#fail("unsubscribed");
    });
  }

  #role(reply: Reply): void {
    if (reply instanceof ReplyError) {
      // The count of the inbox has to do.
      const consequence = "a master that is demoted without a cut is noticed only when it refuses a command";
      if (!this.#roleDenied) this.#log.warn("role-denied", { error: reply.message, consequence });
      this.#roleDenied = true;
      return;
    }
    if (!Array.isArray(reply) || !Buffer.isBuffer(reply[0])) return;
    const master = reply[0].toString("latin1") === "master";
    if (master) this.#wasMaster = true;
    else if (this.#wasMaster) {
      this.#wasMaster = false;
      this.#fail("demoted");
    }
  }

  #fail(why: CanaryFailure): void {
    this.#failures[why].inc();
    this.#connection = 0;
    this.#heard = this.#number;
    this.trouble = `canary failed (${why})`;
    this.#log.warn("canary-failed", { reason: why, consequence: "the connections to the upstream are made anew" });
    this.#owner.failed(why);
  }
}
