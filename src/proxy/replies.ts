/**
 * The way back: what the upstream says to one app connection.
 *
 *   app ◀─ session ◀─ replies ◀─ upstream
 *
 * Bytes pass as they came. The scanner only finds where values end, so that it is known which request each one answers,
 * that pushes of our own go between two values and never into one, and that our own questions' answers are kept back.
 */
import type { RespLimits } from "../core/limits.js";
import { ReplyHead } from "../resp/reply-head.js";
import { ReplyScanner } from "../resp/reply-scanner.js";
import { isReserved } from "../socketio/channels.js";
import { firstBulkAfterHead, lastInteger, withLastInteger } from "./reply-bytes.js";
import { Suspicion } from "./suspicion.js";

const PUSH_TYPE = 0x3e;
const ERROR_TYPE = 0x2d;

/** What the next values from the upstream answer. */
interface Expected {
  readonly kind: "replies" | "acks" | "noted" | "own" | "judged" | "anything";
  left: number;
  /** noted and own: gets the whole value; own: which is not shown to the app; judged: an error only, hidden where true. */
  readonly take: ((value: Buffer) => unknown) | undefined;
}

export interface ReplyOutput {
  write(bytes: Buffer): void;
  /** Every expected reply has come. */
  idle(): void;
  /** A value has ended and the next has not begun: pushes of our own may go out. */
  boundary(): void;
  /** The server has said what no master says; the first word of its error. The error itself goes to the app. */
  suspect(reason: string): void;
  /** How many subscriptions of the app are not upstream's. */
  localSubscriptions(): number;
}

export class Replies {
  /** The protocol that the app speaks since the last answered HELLO. */
  protocol: 2 | 3 = 2;
  /** Subscriptions that the upstream counts for this connection, shard channels apart. */
  upstreamSubscriptions = 0;
  /** The app has subscribed to something upstream, so arrays may be messages. */
  subscribed = false;
  /** The app holds a pattern that could match our own channels: those messages are taken out. */
  filtered = false;
  /** What follows is not RESP: pass everything. */
  opaque = false;
  readonly #out: ReplyOutput;
  readonly #scanner: ReplyScanner;
  readonly #suspicion = new Suspicion();
  readonly #expected: Expected[] = [];
  #sharded = false;
  #kept: Buffer[] = [];
  /** The server has called the app's requests unreadable, and closes. */
  #doomed = false;
  /** Part of the value at hand has gone out already. */
  #partial = false;

  constructor(limits: RespLimits, out: ReplyOutput) {
    this.#out = out;
    this.#scanner = new ReplyScanner(limits);
  }

  /** True while a request of the app or of ours is unanswered. */
  get outstanding(): boolean {
    return this.#expected.length > 0;
  }

  /** True between two values: nothing of a value that has begun has gone to the app. */
  get atBoundary(): boolean {
    return !this.#partial;
  }

  /** True where the upstream owes the app nothing, has begun nothing, and has not said that it closes. */
  get quiet(): boolean {
    return this.#expected.length === 0 && !this.#partial && !this.#scanner.open && !this.#doomed;
  }

  expect(replies: number): void {
    if (replies === 0) return;
    const last = this.#expected[this.#expected.length - 1];
    if (last !== undefined && last.kind === "replies") last.left += replies;
    else this.#expected.push({ kind: "replies", left: replies, take: undefined });
  }

  /** The acks of a (P|S)(UN)SUBSCRIBE: one for each channel, or one error for all. */
  expectAcks(acks: number, sharded: boolean): void {
    this.subscribed = true;
    this.#sharded ||= sharded;
    this.#expected.push({ kind: "acks", left: acks, take: undefined });
  }

  /** One reply, after which the connection is another one where it succeeded. `done` is called before the app has it. */
  expectNoted(done: (succeeded: boolean) => void): void {
    this.#expected.push({ kind: "noted", left: 1, take: (value) => done(value[0] !== ERROR_TYPE) });
  }

  /** The answer to a question of ours, which the app never sees. */
  expectOwn(take: (value: Buffer) => void): void {
    this.#expected.push({ kind: "own", left: 1, take });
  }

  /** One reply that passes, unless it is an error that `hidden` keeps from the app. */
  expectJudged(hidden: (error: Buffer) => boolean): void {
    this.#expected.push({ kind: "judged", left: 1, take: hidden });
  }

  /** From here on nothing is counted: whatever comes passes. */
  expectAnything(): void {
    this.#expected.push({ kind: "anything", left: Number.POSITIVE_INFINITY, take: undefined });
  }

  /** RESET: the connection is as it was at its beginning. */
  forgetSubscriptions(): void {
    this.protocol = 2;
    this.upstreamSubscriptions = 0;
    this.subscribed = false;
    this.filtered = false;
    this.#sharded = false;
  }

  /** The upstream connection is gone, and was quiet. */
  reset(): void {
    this.#expected.length = 0;
    this.#kept = [];
    this.#partial = false;
    this.upstreamSubscriptions = 0;
  }

  /**
   * Takes the next bytes from the upstream.
   * @throws ProtocolError, LimitError when what the upstream sends is not RESP
   */
  write(chunk: Buffer): void {
    if (this.opaque) {
      this.#out.write(chunk);
      return;
    }
    const scanner = this.#scanner;
    scanner.write(chunk);
    const wasOutstanding = this.#expected.length > 0;
    // [from, to) of the chunk may go out as it is.
    let from = 0;
    let to = 0;
    while (scanner.next()) {
      const end = scanner.end;
      if (scanner.type === ERROR_TYPE) this.#look(chunk, scanner.start, end);
      if (this.#passes()) {
        // Kept while it could have been a message to take out.
        if (this.#kept.length > 0) for (const part of this.#kept.splice(0)) this.#out.write(part);
        to = end;
        this.#partial = false;
        continue;
      }
      // This value is needed whole: what precedes it goes first.
      this.#emit(chunk, from, to);
      this.#special(this.#whole(chunk, scanner.start, end));
      from = end;
      to = end;
    }
    this.#remainder(chunk, from, to);
    if (!this.#partial) this.#out.boundary();
    if (wasOutstanding && this.#expected.length === 0) this.#out.idle();
  }

  /** Counts the value that has ended; false where it has to be looked at before it goes on. */
  #passes(): boolean {
    if (this.#isMessage()) return !this.filtered || this.#partial || this.#scanner.head !== ReplyHead.PMessage;
    const expected = this.#expected[0];
    if (expected === undefined) return true;
    if (expected.kind !== "replies") {
      const passes = expected.kind === "judged" && (this.#scanner.type !== ERROR_TYPE || this.#partial);
      if (!passes) return expected.kind === "anything" && !this.filtered;
    }
    if (--expected.left === 0) this.#expected.shift();
    return true;
  }

  /** A value that answers nothing: a pub/sub message or another push. */
  #isMessage(): boolean {
    const { type, head } = this.#scanner;
    if (type === PUSH_TYPE) return head < ReplyHead.Subscribe || head > ReplyHead.SUnsubscribe;
    if (!this.subscribed || this.protocol === 3) return false;
    return head === ReplyHead.Message || head === ReplyHead.PMessage || head === ReplyHead.SMessage;
  }

  #special(value: Buffer): void {
    if (this.#isMessage() || this.#expected[0]?.kind === "anything") {
      const channel = this.#scanner.head === ReplyHead.PMessage ? firstBulkAfterHead(value, 1) : undefined;
      if (channel === undefined || !isReserved(channel)) this.#out.write(value);
      return;
    }
    const expected = this.#expected[0]!;
    if (--expected.left === 0) this.#expected.shift();
    const failed = value[0] === ERROR_TYPE;
    switch (expected.kind) {
      case "own":
        expected.take!(value);
        return;
      case "noted":
        expected.take!(value);
        this.#out.write(value);
        return;
      case "judged":
        if (expected.take!(value) !== true) this.#out.write(value);
        return;
      default:
        // One error answers all channels of the command.
        if (failed && expected.left > 0) this.#expected.shift();
        this.#out.write(failed ? value : this.#acknowledged(value));
    }
  }

  /** Subscriptions that we serve are not in the upstream's count; in the app's they must be. */
  #acknowledged(value: Buffer): Buffer {
    const head = this.#scanner.head;
    if (head === ReplyHead.SSubscribe || head === ReplyHead.SUnsubscribe) return value;
    this.upstreamSubscriptions = lastInteger(value);
    if (this.upstreamSubscriptions === 0 && this.#expected[0]?.kind !== "acks") this.subscribed = this.#sharded;
    const local = this.#out.localSubscriptions();
    return local === 0 ? value : withLastInteger(value, this.upstreamSubscriptions + local);
  }

  #look(chunk: Buffer, start: number, end: number): void {
    const reason = this.#suspicion.of(chunk, start, end, this.#scanner.continued);
    if (reason === "Protocol error") this.#doomed = true;
    else if (reason !== undefined) this.#out.suspect(reason);
  }

  #whole(chunk: Buffer, start: number, end: number): Buffer {
    const tail = chunk.subarray(start, end);
    if (this.#kept.length === 0) return tail;
    const whole = Buffer.concat([...this.#kept, tail]);
    this.#kept = [];
    return whole;
  }

  /** What is left of the chunk: ended values, and perhaps the beginning of one. */
  #remainder(chunk: Buffer, from: number, to: number): void {
    const scanner = this.#scanner;
    if (!scanner.open) {
      this.#emit(chunk, from, to);
      return;
    }
    if (scanner.openType === ERROR_TYPE) this.#suspicion.begin(chunk, scanner.openStart, scanner.continued);
    if (!this.#partial && (this.filtered || this.#neededWhole())) {
      this.#emit(chunk, from, to);
      this.#kept.push(chunk.subarray(Math.max(to, scanner.openStart)));
      return;
    }
    this.#emit(chunk, from, chunk.length);
    this.#partial = true;
  }

  /** The value that has begun is one that must be looked at before any of it goes on. */
  #neededWhole(): boolean {
    const kind = this.#expected[0]?.kind;
    if (kind === "judged") return this.#scanner.openType === ERROR_TYPE;
    return kind !== undefined && kind !== "replies" && kind !== "anything";
  }

  #emit(chunk: Buffer, from: number, to: number): void {
    if (to <= from) return;
    this.#out.write(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
  }
}
