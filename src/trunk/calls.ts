/**
 * What the publishing connection has asked of the server and not heard the answer to: the batch in flight, as one call of
 * the script or as plain PUBLISHes, and single commands beside it. Replies come in the order of asking.
 */
import { epochHex, inboxOf } from "../plane/epoch.js";
import { encodeCommand } from "../resp/encoder.js";
import { type Reply, ReplyError } from "../resp/reply-decoder.js";
import { sideChannel } from "../socketio/channels.js";
import { PUBLISH_SCRIPT, PUBLISH_SCRIPT_SHA } from "./script.js";
import { type SentMessage, statusOf } from "./verdicts.js";

export interface CallsOwner {
  write(parts: readonly Buffer[]): void;
  /** The server's word on each message of the batch, in order. */
  answered(sent: SentMessage[], statuses: readonly Reply[]): void;
  /** The script itself was refused: nothing of the batch has been published. */
  failed(sent: SentMessage[], error: string): void;
}

/** One reply to come: the batch's script, one PUBLISH of a batch without script, or a command of its own. */
type Expected = "script" | "part" | ((reply: Reply) => void);

export class Calls {
  /** As the script is told it. */
  readonly #name: string;
  readonly #inbox: Buffer;
  readonly #owner: CallsOwner;
  #expected: Expected[] = [];
  #sent: SentMessage[] | undefined;
  #collected: Reply[] = [];
  #args: readonly (Buffer | string)[] = [];

  constructor(epoch: number, owner: CallsOwner) {
    this.#name = epochHex(epoch);
    this.#inbox = inboxOf(epoch);
    this.#owner = owner;
  }

  /** True while a batch is unanswered. */
  get busy(): boolean {
    return this.#sent !== undefined;
  }

  /**
   * Sends a batch through the script.
   * @param connection whose inbox is ours
   * @param heard the server has confirmed that inbox: side messages are allowed
   */
  compare(sent: SentMessage[], uniform: boolean, connection: number, heard: boolean): void {
    this.#sent = sent;
    const who = `${uniform ? "u" : "c"}${heard ? "1" : "0"}${this.#name}.${connection}`;
    const args: (Buffer | string)[] = ["0", who];
    for (const { channel, room, kind, payload, word, own } of sent) {
      if (kind === "count") args.push(channel.head(own ? "N" : "n"), room!.name);
      else if (kind === "silent" && room !== undefined) args.push(channel.head(own ? "M" : "m"), room.name);
      else if (kind === "silent") args.push(channel.head(own ? "Q" : "q"));
      else if (kind !== "raw") args.push(channel.head("s"), payload);
      else if (word.length === 0) args.push(channel.head("r"), payload);
      else args.push(channel.head("w"), word, payload);
    }
    this.#args = args;
    this.#call("EVALSHA", PUBLISH_SCRIPT_SHA);
  }

  /** Sends a batch as plain PUBLISHes. */
  publish(sent: SentMessage[]): void {
    this.#sent = sent;
    const parts: Buffer[] = [];
    for (const { channel, kind, payload, word } of sent) {
      if (word.length > 0) {
        this.#expected.push(() => {});
        parts.push(...encodeCommand(["PUBLISH", this.#inbox, word]));
      }
      this.#expected.push("part");
      parts.push(...encodeCommand(["PUBLISH", kind === "raw" ? channel.name : sideChannel(channel.name), payload]));
    }
    this.#owner.write(parts);
  }

  /** Sends a command beside the batches. */
  command(words: readonly (Buffer | string)[], answered: (reply: Reply) => void = () => {}): void {
    this.#expected.push(answered);
    this.#owner.write(encodeCommand(words));
  }

  reply(reply: Reply): void {
    // The link's own PING is the only command that is answered by a simple string.
    if (typeof reply === "string") return;
    const expected = this.#expected.shift();
    const sent = this.#sent;
    if (typeof expected === "function") expected(reply);
    else if (expected === undefined || sent === undefined) return;
    else if (expected === "part") {
      this.#collected.push(statusOf(sent[this.#collected.length]!, reply));
      if (this.#collected.length === sent.length) this.#done(this.#collected);
    } else if (Array.isArray(reply)) {
      this.#done(reply);
    } else if (reply instanceof ReplyError) {
      if (reply.message.startsWith("NOSCRIPT")) {
        this.#call("EVAL", PUBLISH_SCRIPT);
        return;
      }
      this.#forget();
      this.#owner.failed(sent, reply.message);
    }
  }

  /** The connection is gone. @returns the batch that was unanswered */
  lost(): SentMessage[] | undefined {
    const sent = this.#sent;
    this.#expected = [];
    this.#forget();
    return sent;
  }

  #call(command: "EVAL" | "EVALSHA", script: string): void {
    this.#expected.push("script");
    this.#owner.write(encodeCommand([command, script, ...this.#args]));
  }

  #done(statuses: readonly Reply[]): void {
    const sent = this.#sent!;
    this.#forget();
    this.#owner.answered(sent, statuses);
  }

  #forget(): void {
    this.#sent = undefined;
    this.#collected = [];
    this.#args = [];
  }
}
