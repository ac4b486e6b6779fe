/** One for each chat: publishes answer after answer, frame by frame, and tells the model what it published and how that ended. */
import { setTimeout as sleep } from "node:timers/promises";
import { answerOf, type Chat, type ChatFrame } from "./chats.js";
import type { Model } from "./model.js";
import type { PublishingApp } from "./pool.js";

export class Talker {
  /** Answers that were published to their end. */
  answers = 0;
  /** Of those, the ones whose end was published while something was broken. */
  #going = true;
  #finish = false;
  #finished: (() => void) | undefined;
  readonly #done: Promise<void>;

  /** @param startMs pause before the first frame */
  constructor(
    readonly chat: Chat,
    readonly seed: number,
    readonly app: PublishingApp,
    readonly model: Model,
    readonly now: () => number,
    startMs: number,
    /** An answer that ends while something is broken ends there; else its last frames wait for finish(). */
    readonly endsAnywhere: boolean,
  ) {
    this.#done = this.#run(startMs);
  }

  /** Brings the answer to its end and resolves once its final frames have been answered; then the next one begins. */
  finish(): Promise<void> {
    this.#finish = true;
    return new Promise((resolve) => {
      this.#finished = resolve;
    });
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#done;
  }

  async #run(startMs: number): Promise<void> {
    await sleep(startMs);
    for (let n = 0; this.#going; n++) {
      const frames = answerOf(this.chat, this.seed, n);
      const body = frames.filter(({ final }) => !final);
      for (const frame of body) {
        if (!this.#going || this.#finish) break;
        await this.#publish(frame);
        await sleep(this.chat.everyMs);
      }
      // A quarter of the chats ends in whatever is going on; the others say nothing more until all is well.
      while (this.#going && !this.#finish && !this.endsAnywhere) await sleep(20);
      if (!this.#going) return;
      const asked = this.#finish;
      for (const frame of frames.filter(({ final }) => final)) await this.#publish(frame);
      this.answers++;
      if (asked) {
        this.#finish = false;
        this.#finished?.();
      }
      await sleep(this.chat.everyMs * 2);
    }
    this.#finished?.();
  }

  async #publish(frame: ChatFrame): Promise<void> {
    const { chat, model, now, app } = this;
    const channel = frame.channel.toString();
    const published = model.publish(`chat ${chat.number} (${chat.shape})`, {
      channel,
      digest: frame.digest,
      final: frame.final,
      pod: chat.pod,
      at: now(),
      via: app.name,
      excerpt: frame.payload.toString("latin1", 0, 200),
    });
    const answer = await app.publish(channel, frame.payload);
    model.answered(published, answer.outcome, now(), answer.text);
  }
}
