/**
 * Chats that go on through faults: each publishes one frame after the other, takes an error as an answer, and keeps both.
 * What listeners have heard of them is judged by the invariants: nothing twice, nothing out of order, nothing lost that
 * was answered and not counted.
 */
import assert from "node:assert/strict";
import { finished, increment, snapshot, text } from "./frames.js";
import { plain, RespClient } from "./resp-client.js";
import { within } from "./wait.js";

export interface Sent {
  payload: string;
  /** The PUBLISH was answered with a number; else with an error, or the connection ended first. */
  answered: boolean;
}

export interface ChatOptions {
  port: number;
  channel: string;
  /** Names the chat, its message and its emitter: all frames of all chats differ. */
  name: string;
  pauseMs: number;
}

export class Chat {
  readonly sent: Sent[] = [];
  /** Errors that PUBLISHes were answered with. */
  readonly errors: string[] = [];
  readonly #options: ChatOptions;
  readonly #ids: { chat: string; message: string; host: string };
  #client: RespClient;
  #going = true;
  readonly #done: Promise<void>;

  private constructor(options: ChatOptions, client: RespClient) {
    this.#options = options;
    this.#client = client;
    const { name } = options;
    this.#ids = { chat: name, message: name, host: `host-${name}` };
    this.#done = this.#talk();
  }

  static async begin(options: ChatOptions): Promise<Chat> {
    return new Chat(options, await RespClient.connect({ port: options.port, deadlineMs: 20_000 }));
  }

  /** Publishes the last frame, which nothing may replace, and returns it. */
  async end(): Promise<string> {
    this.#going = false;
    await within(`the end of ${this.#options.name}`, this.#done, 20_000);
    await this.#publish(finished(text(this.sent.length), this.#ids));
    await this.#client.close();
    return this.sent.at(-1)!.payload;
  }

  /** Frames that were answered with success and are not among these. */
  missing(heard: ReadonlySet<string>): Sent[] {
    return this.sent.filter(({ payload, answered }) => answered && !heard.has(payload));
  }

  /** Fails where frames of this chat came twice or in another order than they were published in. */
  inOrderAndOnce(heard: readonly string[], who: string): void {
    const places = new Map(this.sent.map(({ payload }, place) => [payload, place]));
    let last = -1;
    for (const payload of heard) {
      const place = places.get(payload);
      if (place === undefined) continue;
      assert.ok(place > last, `${who}: frame ${place} of ${this.#options.name} came behind frame ${last}`);
      last = place;
    }
  }

  /** Two of three frames are increments, which all count; the third is the whole message so far. */
  async #talk(): Promise<void> {
    for (let i = 0; this.#going; i++) {
      await this.#publish(i % 3 === 2 ? snapshot(text(i), this.#ids) : increment(`${i} `, this.#ids));
      await new Promise((resolve) => setTimeout(resolve, this.#options.pauseMs));
    }
  }

  async #publish(payload: Buffer): Promise<void> {
    const sent: Sent = { payload: payload.toString("latin1"), answered: false };
    this.sent.push(sent);
    try {
      const reply = await this.#client.command("PUBLISH", this.#options.channel, payload);
      sent.answered = typeof reply === "number";
      if (!sent.answered) this.errors.push(String(plain(reply)));
    } catch (error) {
      this.errors.push((error as Error).message);
      this.#client = await RespClient.connect({ port: this.#options.port, deadlineMs: 20_000 });
    }
  }
}
