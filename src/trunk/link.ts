/**
 * One connection of the trunk: dials, introduces itself, keeps itself alive, and dials again when it is lost.
 * What is said over it is its owner's business.
 */
import type { Socket } from "node:net";
import type { RespLimits } from "../core/limits.js";
import type { Counter, Log } from "../core/ports.js";
import type { Dialer } from "../discovery/dialer.js";
import { encodeCommand } from "../resp/encoder.js";
import { type Reply, ReplyDecoder, ReplyError } from "../resp/reply-decoder.js";

export interface LinkOptions {
  /** "publisher" or "subscriber": the connection's name in logs and, as `keyframe-<name>`, on the server. */
  name: string;
  username: string | undefined;
  password: string | undefined;
  db: number;
  limits: RespLimits;
  /** A PING goes out after this much silence, and the link is given up after as much again, milliseconds. */
  pingMs: number;
  /** Counts each time the link is made again. */
  reconnects: Counter;
}

export interface LinkOwner {
  /** The link is ready: authenticated, database checked. */
  up(): void;
  /** The link was ready and is lost. */
  down(reason: string): void;
  reply(reply: Reply): void;
}

/** "denied": the server answered, and refuses our credentials or database. */
export type LinkState = "connecting" | "up" | "down" | "denied";

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1_000;

export class Link {
  state: LinkState = "connecting";
  /** Why the link is not up; for readiness. Never holds a credential. */
  trouble = "connecting";
  readonly #options: LinkOptions;
  readonly #dialer: Dialer;
  readonly #owner: LinkOwner;
  readonly #log: Log;
  #socket: Socket | undefined;
  #expected: string[] = [];
  #attempt = 0;
  #stopped = false;
  #wasUp = false;
  #retry: NodeJS.Timeout | undefined;
  #pinger: NodeJS.Timeout | undefined;
  #heard = false;
  #asked = false;
  /** It has been said that the server refuses us PING. */
  #pingDenied = false;

  constructor(options: LinkOptions, dialer: Dialer, owner: LinkOwner, log: Log) {
    this.#options = options;
    this.#dialer = dialer;
    this.#owner = owner;
    this.#log = log;
  }

  start(): void {
    void this.#dial();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearInterval(this.#pinger);
    this.#socket?.destroy();
    this.#socket = undefined;
    this.state = "down";
  }

  /** Sends what it is given in one go. Does nothing while the link is not up. */
  write(parts: readonly Buffer[]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
  }

  /** Gives the connection up, as its owner has reason to mistrust the server or the way to it, and dials anew. */
  reset(reason: string): void {
    this.#dialer.suspect(reason);
    this.#lost(reason);
  }

  async #dial(): Promise<void> {
    let socket: Socket;
    try {
      socket = await this.#dialer.connect();
    } catch (error) {
      this.#failed("down", error instanceof Error ? error.message : String(error));
      return;
    }
    if (this.#stopped) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    const decoder = new ReplyDecoder(this.#options.limits, (reply) => {
      if (this.#socket === socket) this.#receive(reply);
    });
    socket.on("data", (chunk: Buffer) => {
      this.#heard = true;
      try {
        decoder.write(chunk);
      } catch (error) {
        if (this.#socket === socket) this.#lost(`unreadable reply: ${(error as Error).message}`);
      }
    });
    socket.on("error", (error) => this.#socket === socket && this.#lost(error.message));
    socket.on("end", () => this.#socket === socket && this.#lost("closed by the server"));
    socket.on("close", () => this.#socket === socket && this.#lost("closed"));
    this.#introduce();
  }

  /** AUTH, SELECT and CLIENT SETNAME in one write; only the first two must succeed. */
  #introduce(): void {
    const { username, password, db, name } = this.#options;
    const parts: Buffer[] = [];
    this.#expected = [];
    if (password !== undefined) {
      parts.push(...encodeCommand(username === undefined ? ["AUTH", password] : ["AUTH", username, password]));
      this.#expected.push("AUTH");
    }
    parts.push(...encodeCommand(["SELECT", String(db)]));
    this.#expected.push("SELECT");
    parts.push(...encodeCommand(["CLIENT", "SETNAME", `keyframe-${name}`]));
    this.#expected.push("CLIENT SETNAME");
    this.#asked = true;
    this.#heard = true;
    clearInterval(this.#pinger);
    this.#pinger = setInterval(() => this.#ping(), this.#options.pingMs);
    this.write(parts);
  }

  #receive(reply: Reply): void {
    if (this.state === "up") {
      if (!this.#answersPing(reply)) this.#owner.reply(reply);
      return;
    }
    const step = this.#expected.shift();
    if (reply instanceof ReplyError && step !== "CLIENT SETNAME") {
      const loading = /^(LOADING|MASTERDOWN|BUSY)/.test(reply.message);
      if (loading) this.#dialer.suspect(reply.message);
      this.#failed(loading ? "down" : "denied", `${step} was refused: ${reply.message}`);
      return;
    }
    if (this.#expected.length > 0) return;
    this.state = "up";
    this.trouble = "";
    this.#attempt = 0;
    if (this.#wasUp) this.#options.reconnects.inc();
    this.#wasUp = true;
    this.#log.info("upstream-up", { connection: this.#options.name });
    this.#owner.up();
  }

  #ping(): void {
    if (this.#heard) {
      this.#heard = false;
      this.#asked = false;
      return;
    }
    if (this.#asked) {
      this.#lost(`silent for ${this.#options.pingMs} ms after a PING`);
      return;
    }
    this.#asked = true;
    if (this.state === "up") this.write(encodeCommand(["PING"]));
  }

  /** A refused PING is an answer too; the owner, who has not asked it, would take it for the answer to something else. */
  #answersPing(reply: Reply): boolean {
    if (!(reply instanceof ReplyError) || !/^NOPERM .*'ping'/.test(reply.message)) return false;
    const consequence = "a connection that has died unseen is noticed later";
    if (!this.#pingDenied) this.#log.warn("ping-denied", { connection: this.#options.name, consequence });
    this.#pingDenied = true;
    return true;
  }

  #lost(reason: string): void {
    const wasUp = this.state === "up";
    this.#failed("down", reason);
    if (wasUp) this.#owner.down(reason);
  }

  #failed(state: LinkState, reason: string): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    clearInterval(this.#pinger);
    if (this.#stopped) return;
    if (this.trouble !== reason) this.#log.warn("upstream-down", { connection: this.#options.name, reason });
    this.state = state;
    this.trouble = reason;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#attempt);
    this.#attempt++;
    clearTimeout(this.#retry);
    // Full jitter below the ceiling, so that a fleet does not come back in step.
    this.#retry = setTimeout(() => void this.#dial(), BACKOFF_MIN_MS / 2 + Math.random() * ceiling);
  }
}
