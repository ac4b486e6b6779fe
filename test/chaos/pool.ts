/**
 * A pod's pooled connections for PUBLISH, as an app has them: each waits for its answer before it is used again, and one
 * that has ended is made anew when it is needed next. Nothing is ever published twice.
 */
import { RespClient, RespError } from "../support/resp-client.js";
import type { Outcome } from "./model.js";

export interface Answer {
  outcome: Exclude<Outcome, "waiting">;
  /** An error's text; empty where a count came. */
  text: string;
}

/** What publishes: a pool of raw connections here, or a Python process. */
export interface PublishingApp {
  readonly name: string;
  publish(channel: string, payload: Buffer): Promise<Answer>;
  /** Lets go of idle connections, all of which ended with the sidecar: what else an app does with them is its own affair. */
  letGo(): void;
  stop(): Promise<void>;
}

/** Longer than a sidecar may take for an answer: what is not answered by then never is. */
const TIMEOUT_MS = 20_000;

export class RawPool implements PublishingApp {
  readonly #idle: (RespClient | undefined)[];
  readonly #waiting: ((client: RespClient | undefined) => void)[] = [];
  #turn = 0;

  constructor(
    readonly name: string,
    readonly port: number,
    size: number,
  ) {
    this.#idle = Array.from({ length: size }, () => undefined);
  }

  async publish(channel: string, payload: Buffer): Promise<Answer> {
    let client = await this.#take();
    try {
      client ??= await RespClient.connect({ port: this.port, deadlineMs: TIMEOUT_MS });
    } catch (error) {
      this.#give(undefined);
      return { outcome: "error", text: `no connection: ${(error as Error).message}` };
    }
    try {
      const reply = await client.command("PUBLISH", channel, payload);
      this.#give(client);
      if (typeof reply === "number") return { outcome: "ok", text: "" };
      return { outcome: "error", text: reply instanceof RespError ? reply.message : "not a count" };
    } catch (error) {
      this.#give(undefined);
      await client.close();
      return { outcome: "unsure", text: (error as Error).message };
    }
  }

  letGo(): void {
    for (const [i, client] of this.#idle.entries()) if (client?.socket.destroyed) this.#idle[i] = undefined;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#idle.map((client) => client?.close()));
  }

  /** Another connection each time, so that consecutive frames of a chat go over different ones. */
  #take(): Promise<RespClient | undefined> {
    if (this.#idle.length === 0) return new Promise((resolve) => this.#waiting.push(resolve));
    const [client] = this.#idle.splice(this.#turn++ % this.#idle.length, 1);
    return Promise.resolve(client);
  }

  #give(client: RespClient | undefined): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(client);
    else this.#idle.push(client);
  }
}
