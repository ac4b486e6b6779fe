/**
 * One app connection: reads requests, gives each to its plane, and keeps their replies in order.
 *
 *   app ─▶ session ─▶ pass: raw bytes ─▶ upstream half
 *                 └─▶ publish ─▶ trunk      └─▶ subscribe ─▶ broker
 *
 * What keeps the order simple: a request that we answer ourselves is taken only once everything before it on its
 * connection has been answered, as the server itself would do; until it is answered, nothing after it is read.
 */
import type { Socket } from "node:net";
import type { LocalSubscriber } from "../broker/broker.js";
import { KeyframeError, LimitError } from "../core/errors.js";
import type { RespLimits } from "../core/limits.js";
import { errorReply } from "../resp/encoder.js";
import { RequestDecoder } from "../resp/request.js";
import type { SessionContext } from "./context.js";
import { Outlet } from "./outlet.js";
import { Replies } from "./replies.js";
import { Requests } from "./requests.js";
import { UpstreamHalf } from "./upstream.js";

export type CloseReason =
  | "app"
  | "upstream"
  | "protocol"
  | "limit"
  | "slow"
  | "timeout"
  | "refused"
  | "shutdown"
  | "error";

export interface SessionLimits extends RespLimits {
  /** Most bytes of pub/sub messages that wait for a subscriber that does not read. */
  subscriberBufferBytes: number;
  /** Beyond this many waiting bytes the other side is not read. */
  pauseBytes: number;
  /** Beyond this many unread bytes of messages, newer frames of a cumulative stream replace older ones. */
  collapseBytes: number;
  /** Longest silence in the middle of a request, milliseconds. */
  requestTimeoutMs: number;
  /** Longest time that the second half of a connection may outlive the first, milliseconds. */
  halfCloseMs: number;
  /** Longest time in which an upstream half is to be had, all attempts included, milliseconds. */
  dialTimeoutMs: number;
}

/** A message of more than this is large. */
const LARGE_BYTES = 1024 * 1024;

export class Session implements LocalSubscriber {
  readonly replies: Replies;
  readonly upstream: UpstreamHalf;
  readonly requests: Requests;
  readonly #context: SessionContext;
  readonly #app: Socket;
  readonly #outlet: Outlet;
  readonly #onClose: (session: Session, reason: CloseReason) => void;
  /** It has been said that this app reads slowly. */
  #slowLogged = false;
  /** Bytes of the largest of the large messages that may be unread. */
  #largest = 0;
  /** The app has said its last. */
  #half = false;
  /** The sidecar is draining. */
  #leaving = false;
  #deadline: NodeJS.Timeout | undefined;
  #closed = false;
  /** When the last bytes came of a request that is not whole yet; 0 when at a boundary. */
  #waitingSince = 0;

  constructor(context: SessionContext, app: Socket, onClose: (session: Session, reason: CloseReason) => void) {
    this.#context = context;
    this.#app = app;
    this.#onClose = onClose;
    this.replies = new Replies(context.limits, {
      write: (bytes) => this.reply(bytes),
      idle: () => this.#idle(),
      boundary: () => this.#outlet.boundary(),
      suspect: (reason) => context.dialer.suspect(reason),
      localSubscriptions: () => this.requests.subscriptions.local,
    });
    this.#outlet = new Outlet(app, context.limits.collapseBytes, context.limits.pauseBytes, {
      atReplyBoundary: () => this.replies.atBoundary,
      slow: () => this.#slow(),
      collapsed: () => context.collapsed.inc(),
      drained: () => {
        if (!this.#outlet.full) this.upstream.resume();
        this.resumeApp();
      },
      corked: () => context.uncorkSoon(this),
    });
    this.upstream = new UpstreamHalf(context.dialer, context.identity, context.limits, this.replies, {
      data: (chunk) => this.#fromUpstream(chunk),
      drained: () => this.resumeApp(),
      ended: (error) => this.#upstreamEnded(error),
      tooLate: () => context.limitHit("dialTimeoutMs"),
      get doubtful() {
        return context.publisher.link.state !== "up";
      },
    });
    this.requests = new Requests(context, this, new RequestDecoder(context.limits));
    app.on("data", (chunk: Buffer) => this.#fromApp(chunk));
    app.on("end", () => this.#appEnded());
    app.on("error", () => this.close("app"));
    app.on("close", () => this.close("app"));
  }

  get resp3(): boolean {
    return this.replies.protocol === 3;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that wait for the app to read them. */
  get unreadBytes(): number {
    return this.#outlet.waitingBytes;
  }

  /** Writes a reply, or part of one, to the app. */
  reply(bytes: Buffer): void {
    const outlet = this.#outlet;
    if (outlet.reply(bytes)) return;
    if (outlet.full) this.upstream.pause();
    // Only answers of our own come this far. An app may send a long pipeline before it reads, so the bar is a high one.
    if (outlet.waitingBytes > this.#context.limits.subscriberBufferBytes) this.#app.pause();
  }

  /** A message for a subscriber. The app that does not read loses its connection, never the others their messages. */
  push(message: readonly Buffer[], via: object, channel: Buffer, payload: Buffer): void {
    if (this.#closed) return;
    if (this.#outlet.push(message, via, channel, payload)) return;
    const { waitingBytes } = this.#outlet;
    // A large message may be over the limit by itself, and still be read in time: the largest that waits does not count.
    if (waitingBytes - payload.length < this.#largest) this.#largest = 0;
    if (payload.length > Math.max(this.#largest, LARGE_BYTES)) this.#largest = payload.length;
    if (waitingBytes - this.#largest <= this.#context.limits.subscriberBufferBytes) return;
    this.#context.log.warn("subscriber-too-slow", { waitingBytes, consequence: "its connection is closed" });
    this.#context.limitHit("subscriberBufferBytes");
    this.close("slow");
  }

  /** Ends the cork that pushes of one turn of the loop share. */
  uncork(): void {
    this.#outlet.uncork();
  }

  /** Forwards bytes to the upstream, which must be open or opening; reads no more of the app while it does not take them. */
  forward(bytes: Buffer): void {
    this.upstream.write(bytes);
    if (this.upstream.full) this.#app.pause();
  }

  /** Called when the requests have stopped at one that must wait. */
  pauseApp(): void {
    this.#app.pause();
  }

  /** Called when they go on, and when the upstream has taken what it was sent. */
  resumeApp(): void {
    if (this.requests.waiting || this.upstream.full) return;
    if (this.#outlet.waitingBytes <= this.#context.limits.subscriberBufferBytes) this.#app.resume();
  }

  /** Tells the app why and closes. */
  fail(text: string, reason: CloseReason): void {
    if (this.#closed) return;
    this.#outlet.reply(errorReply(text));
    this.close(reason);
  }

  /** Closes after what has been written is out. */
  close(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#deadline);
    this.requests.stop();
    this.upstream.destroy();
    const unread = reason === "slow" ? "drop" : reason === "protocol" || reason === "limit" ? "linger" : "send";
    this.#outlet.end(unread, this.#context.limits.halfCloseMs);
    this.#onClose(this, reason);
  }

  /** Closes once what the app has asked is answered. */
  closeWhenQuiet(): void {
    this.#leaving = true;
    if (!this.replies.outstanding && !this.requests.waiting) this.close("shutdown");
  }

  /** Called about once a second. */
  checkTimeout(now: number): void {
    if (this.#waitingSince === 0 || now - this.#waitingSince < this.#context.limits.requestTimeoutMs) return;
    const seconds = Math.round((now - this.#waitingSince) / 1000);
    this.#context.limitHit("requestTimeoutMs");
    this.fail(`ERR Protocol error: the rest of a request did not come within ${seconds} s`, "timeout");
  }

  #fromApp(chunk: Buffer): void {
    if (this.#closed) return;
    this.#app.cork();
    try {
      this.requests.take(chunk);
      this.#waitingSince = this.requests.midRequest ? this.#context.clock.now() : 0;
    } catch (error) {
      this.#refuse(error);
    }
    this.#app.uncork();
  }

  /** Goes on with what has been read, after a wait. */
  resume(): void {
    if (this.#closed) return;
    try {
      this.requests.run();
      this.resumeApp();
      if (this.#half || this.#leaving) this.#endWhenQuiet();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (!(error instanceof KeyframeError)) throw error;
    this.#context.log.info("request-refused", { error: error.message, code: error.code });
    if (error instanceof LimitError) this.#context.limitHit(error.limit);
    const reason = error.code === "limit" ? "limit" : "protocol";
    const farewell = () => this.fail(`ERR Protocol error: ${error.message}`, reason);
    // What was whole before the fault is still the server's to answer, and is answered first.
    this.requests.block();
    this.requests.whenAnswered(farewell);
    this.#deadline ??= setTimeout(farewell, this.#context.limits.halfCloseMs);
  }

  #fromUpstream(chunk: Buffer): void {
    try {
      this.replies.write(chunk);
    } catch (error) {
      if (!(error instanceof KeyframeError)) throw error;
      this.#context.log.error("unreadable-reply", {
        error: error.message,
        consequence: "the app's connection is closed",
      });
      this.close("upstream");
    }
  }

  #idle(): void {
    this.requests.repliesCame();
    if (this.#half || this.#leaving) this.#endWhenQuiet();
  }

  #slow(): void {
    this.#context.limitHit("collapseBytes");
    if (this.#slowLogged) return;
    this.#slowLogged = true;
    const consequence = "newer frames of a cumulative stream replace older ones until it reads";
    this.#context.log.info("subscriber-slow", { waitingBytes: this.#outlet.waitingBytes, consequence });
  }

  #upstreamEnded(error: string | undefined): void {
    if (this.#closed) return;
    if (error !== undefined) {
      this.fail(`ERR ${error}`, "upstream");
      return;
    }
    // Nothing is unanswered, nothing half said, and another connection can be told all that this one was: it is dialled
    // at the app's next command.
    if (this.replies.quiet && !this.#half && this.requests.survivesUpstream) {
      this.replies.reset();
      return;
    }
    this.close("upstream");
  }

  /** The app has closed its half. What it has asked is still answered, within a deadline. */
  #appEnded(): void {
    if (this.#closed) return;
    this.#half = true;
    this.#deadline ??= setTimeout(() => {
      this.#context.limitHit("halfCloseMs");
      this.close("app");
    }, this.#context.limits.halfCloseMs);
    // Nobody counts the replies of a connection that passes through: the server closes it when it has read all.
    if (this.requests.latched) this.upstream.end();
    else this.#endWhenQuiet();
  }

  #endWhenQuiet(): void {
    if (!this.replies.outstanding && !this.requests.waiting) this.close(this.#leaving ? "shutdown" : "app");
  }
}
