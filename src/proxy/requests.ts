/**
 * The way in: the requests of one app connection, in order, each to its plane.
 *
 *   session ─▶ requests ─▶ resp/request ─▶ plane/classify ─┬─ pass ─▶ upstream
 *                                                          └─ ours ─▶ own.ts
 *
 * Consecutive requests that pass are one slice of the chunk they came in: no copy, one write.
 */

import type { UpstreamState } from "../broker/broker.js";
import { Action, actionOf, allowedWhileSubscribed } from "../plane/classify.js";
import { Command } from "../resp/command.js";
import type { RequestDecoder } from "../resp/request.js";
import { Binding } from "./binding.js";
import type { LatchReason, SessionContext } from "./context.js";
import { OwnRequests } from "./own.js";
import type { Replies } from "./replies.js";
import type { Session } from "./session.js";
import type { Subscriptions } from "./subscriptions.js";

const NO_BYTES: Buffer = Buffer.alloc(0);
/** A request that is cut by the end of a chunk is forwarded in parts from this size on; below, it waits for its rest. */
const FORWARD_PARTS_BYTES = 16 * 1024;
const KEY_WITHIN_BYTES = 1024;

export class Requests {
  readonly #context: SessionContext;
  readonly #session: Session;
  readonly #decoder: RequestDecoder;
  readonly #own: OwnRequests;
  #chunk = NO_BYTES;
  #inbox: Buffer[] = [];
  // The run of requests in the chunk that pass and have not been forwarded, and how many replies it will bring.
  #runStart = 0;
  #runEnd = 0;
  #runReplies = 0;
  /** The request at hand must be looked at again: it was not its turn. */
  #again = false;
  #running = false;
  #blocked = false;
  #stopped = false;
  #afterReplies: (() => void) | undefined;
  /** Everything passes: replies cannot be counted, or the app is not who the trunk is. */
  #latched = false;

  constructor(context: SessionContext, session: Session, decoder: RequestDecoder) {
    this.#context = context;
    this.#session = session;
    this.#decoder = decoder;
    this.#own = new OwnRequests(context, session, this, decoder);
  }

  get subscriptions(): Subscriptions<UpstreamState> {
    return this.#own.subscriptions;
  }

  /** Something that has been read has not been dealt with. */
  get waiting(): boolean {
    return this.#blocked || this.#again || this.#inbox.length > 0;
  }

  /** Something that came before the request at hand has not been answered. */
  get outstanding(): boolean {
    return this.#runReplies > 0 || this.#session.replies.outstanding;
  }

  get latched(): boolean {
    return this.#latched;
  }

  /** The request at hand is whole in one chunk, and all that has been read and not dealt with. */
  get alone(): boolean {
    const { continued, start, end } = this.#decoder;
    return !continued && start === 0 && end === this.#chunk.length && this.#inbox.length === 0;
  }

  get midRequest(): boolean {
    return this.#decoder.pendingBytes > 0 && !this.waiting;
  }

  /** The connection can do without its upstream half until its next request: it holds nothing there (see binding.ts). */
  get survivesUpstream(): boolean {
    return !this.#latched && this.subscriptions.upstream === 0 && !this.#own.binding.bound;
  }

  /** @throws ProtocolError, LimitError on a request that cannot be read */
  take(chunk: Buffer): void {
    this.#inbox.push(chunk);
    if (!this.#blocked && !this.#again) this.run();
  }

  /** Goes through what has been read, until it is used up or a request has to wait. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    try {
      while (!this.#blocked && !this.#stopped) {
        if (!this.#again && !this.#next()) break;
        this.#again = false;
        if (this.#dispatch()) continue;
        // Not its turn yet. What precedes it must be on its way, or its turn never comes.
        this.#again = true;
        this.forwardRun();
        break;
      }
      this.forwardRun();
    } catch (error) {
      // What was whole before the fault is still the server's to answer.
      this.forwardRun();
      throw error;
    } finally {
      this.#running = false;
    }
    if (this.waiting) this.#session.pauseApp();
  }

  /** Nothing more is read until unblock(): the request at hand is being answered. */
  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    if (!this.#running) this.#session.resume();
  }

  /** Calls `next` once everything forwarded has been answered; reads nothing meanwhile. */
  whenAnswered(next: () => void): void {
    if (!this.#session.replies.outstanding) {
      next();
      return;
    }
    this.#afterReplies = next;
  }

  repliesCame(): void {
    const next = this.#afterReplies;
    this.#afterReplies = undefined;
    if (next !== undefined) next();
    else if (this.#again && !this.#blocked && !this.#running) this.#session.resume();
  }

  stop(): void {
    this.#stopped = true;
    this.subscriptions.clear();
  }

  latch(reason: LatchReason): void {
    if (this.#latched) return;
    this.#latched = true;
    this.#context.latched(reason);
    this.#context.log.info("connection-passed-through", { reason });
  }

  /** The request at hand passes, and brings this many replies; they must be expected by the caller where they are not plain. */
  pass(plainReplies: number): void {
    const decoder = this.#decoder;
    if (!this.#session.upstream.dialled) this.#session.upstream.open(!this.#own.introduction.carriesCredentials());
    if (decoder.continued) {
      this.forwardRun();
      if (decoder.released) this.#session.forward(this.#chunk.subarray(0, decoder.end));
      else for (const part of decoder.raw()) this.#session.forward(part);
      if (!decoder.released) this.#session.replies.expect(plainReplies);
      this.#runStart = decoder.end;
      this.#runEnd = decoder.end;
      return;
    }
    if (this.#runEnd !== decoder.start || this.#runStart === this.#runEnd) {
      this.forwardRun();
      this.#runStart = decoder.start;
    }
    this.#runEnd = decoder.end;
    this.#runReplies += plainReplies;
  }

  /** The request at hand passes, and what it brings is not a plain reply: `expect` says what. */
  passExpecting(expect: (replies: Replies) => void): void {
    this.forwardRun();
    // Opening may put questions of our own first; their answers come before this request's.
    if (!this.#session.upstream.dialled) this.#session.upstream.open(!this.#own.introduction.carriesCredentials());
    expect(this.#session.replies);
    this.#context.passed.inc();
    this.pass(0);
  }

  /** Other bytes go in the place of the request at hand; `expect` says what they bring. */
  passInstead(bytes: Buffer, expect: (replies: Replies) => void): void {
    this.forwardRun();
    if (!this.#session.upstream.dialled) this.#session.upstream.open(true);
    expect(this.#session.replies);
    this.#context.passed.inc();
    this.#session.forward(bytes);
  }

  /** Sends the run on its way. */
  forwardRun(): void {
    if (this.#runEnd > this.#runStart) {
      const whole = this.#runStart === 0 && this.#runEnd === this.#chunk.length;
      if (this.#runReplies > 0) {
        this.#session.replies.expect(this.#runReplies);
        this.#context.passed.inc(this.#runReplies);
      }
      this.#session.forward(whole ? this.#chunk : this.#chunk.subarray(this.#runStart, this.#runEnd));
    }
    this.#runStart = this.#runEnd;
    this.#runReplies = 0;
  }

  #next(): boolean {
    while (!this.#decoder.next()) {
      this.forwardRun();
      this.#forwardPart();
      const chunk = this.#inbox.shift();
      if (chunk === undefined) {
        // Nothing of the chunk is needed any more: it must not be kept alive by an idle connection.
        this.#chunk = NO_BYTES;
        this.#runStart = 0;
        this.#runEnd = 0;
        return false;
      }
      this.#chunk = chunk;
      this.#runStart = 0;
      this.#runEnd = 0;
      this.#decoder.write(chunk);
    }
    return true;
  }

  /** A long request that passes is not collected here first: what has come of it goes on. */
  #forwardPart(): void {
    const decoder = this.#decoder;
    const seen = decoder.pendingBytes;
    if (seen === 0 || this.#chunk.length === 0) return;
    if (decoder.released) {
      this.#session.forward(this.#chunk);
      return;
    }
    if (seen < FORWARD_PARTS_BYTES || seen > this.#chunk.length) return;
    const command = decoder.pendingCommand;
    if (command === Command.HSet) {
      // One that writes a session is read whole. Its key is near its beginning.
      const start = this.#chunk.length - seen;
      if (this.#context.rooms.mentioned(this.#chunk.subarray(start, start + KEY_WITHIN_BYTES))) return;
    } else if (command !== Command.Other) {
      return;
    }
    if (this.#refusedWhileSubscribed(Action.Pass)) return;
    decoder.release();
    if (!this.#session.upstream.dialled) this.#session.upstream.open(true);
    this.#session.replies.expect(1);
    this.#context.passed.inc();
    this.#session.forward(this.#chunk.subarray(this.#chunk.length - seen));
  }

  /** @returns false where it is not this request's turn */
  #dispatch(): boolean {
    const decoder = this.#decoder;
    if (decoder.released) {
      this.pass(1);
      return true;
    }
    const action = actionOf(decoder.command);
    if (this.#latched) return this.#own.latchedRequest(action);
    const refused = this.#refusedWhileSubscribed(action);
    if (refused && this.subscriptions.upstream === 0) return this.#own.refuseWhileSubscribed();
    if (refused || (action === Action.Pass && !Binding.concerns(decoder.command))) {
      this.pass(1);
      return true;
    }
    return this.#own.dispatch(action);
  }

  /** A RESP2 connection with subscriptions may ask little else; whoever holds the subscriptions refuses it. */
  #refusedWhileSubscribed(action: Action): boolean {
    if (this.#own.introduction.protocol === 3 || allowedWhileSubscribed(action)) return false;
    return this.subscriptions.local + this.subscriptions.upstream > 0;
  }
}
