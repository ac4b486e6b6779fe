/** Subscribers as raw sockets: they report to the model what they hear, and dial again when their connection is lost. */
import { connect, type Socket } from "node:net";
import { messageOf } from "../support/apps.js";
import { encodeRequest, plain, RespPush, type RespValue } from "../support/resp-client.js";
import { NaiveDecoder } from "../support/resp-values.js";
import { digestOf } from "./chats.js";
import type { Ear, Model } from "./model.js";

const REDIAL_MS = 150;

export interface RawEarOptions {
  port: number;
  resp3?: boolean;
  channels: readonly string[];
  /** Instead of channels. */
  patterns?: readonly string[];
}

/** How a pattern's subscription is kept in the model: as the channels that it covers. */
export class RawEar {
  #socket: Socket | undefined;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  #acknowledged: (() => void) | undefined;
  /** Resolves with the first time that every subscription is acknowledged. */
  readonly listening: Promise<void>;

  constructor(
    readonly ear: Ear,
    readonly model: Model,
    readonly options: RawEarOptions,
    readonly now: () => number,
  ) {
    this.listening = new Promise((resolve) => {
      this.#acknowledged = resolve;
    });
    this.#dial();
  }

  /** Reads nothing until resume(). */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.ear.lost(this.now());
    this.#socket?.destroy();
  }

  #dial(): void {
    const { port, resp3, channels, patterns } = this.options;
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const decoder = new NaiveDecoder();
    let why = "closed";
    let heardAnything = false;
    let left = (patterns ?? channels).length;
    const take = (value: RespValue) => {
      const message = messageOf(value);
      if (message !== undefined) {
        this.model.heard(this.ear, message.channel, digestOf(message.payload), this.now());
        return;
      }
      const items = value instanceof RespPush ? value.items : value;
      if (!Array.isArray(items) || !/subscribe$/.test(String(plain(items[0]!)))) {
        if (!resp3 || heardAnything) why = `an unexpected reply: ${JSON.stringify(plain(value)).slice(0, 200)}`;
        return;
      }
      heardAnything = true;
      if (patterns === undefined) this.ear.subscribed(String(plain(items[1]!)), this.now());
      if (--left > 0) return;
      if (patterns !== undefined) for (const channel of channels) this.ear.subscribed(channel, this.now());
      this.#acknowledged?.();
    };
    socket.on("connect", () => {
      this.#socket = socket;
      if (resp3) socket.write(encodeRequest(["HELLO", "3"]));
      if (patterns === undefined) socket.write(encodeRequest(["SUBSCRIBE", ...channels]));
      else socket.write(encodeRequest(["PSUBSCRIBE", ...patterns]));
    });
    socket.on("data", (chunk: Buffer) => {
      for (const value of decoder.write(chunk)) take(value);
    });
    socket.on("error", (error) => {
      why = error.message;
    });
    socket.on("close", () => {
      const was = this.#socket === socket;
      this.#socket = undefined;
      if (this.#ended) return;
      if (was) this.model.lostEar(this.ear, this.now(), why);
      this.#timer = setTimeout(() => this.#dial(), REDIAL_MS);
    });
  }
}
