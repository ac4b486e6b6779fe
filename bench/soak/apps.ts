/**
 * The apps of one pod in the soak: chats that begin, grow and end over a few connections, listeners that come and go, one
 * of which reads slowly now and then, and some commands beside. They live with lost connections as real apps do.
 */
import { connect, type Socket } from "node:net";
import { crc32 } from "node:zlib";
import { messageOf } from "../../test/support/apps.js";
import { encodeRequest } from "../../test/support/resp-client.js";
import { NaiveDecoder } from "../../test/support/resp-values.js";
import { type MadeFrame, makeAnswer, type Shape } from "../generate.js";

const shapes: readonly Shape[] = ["0.9.5", "0.11.4", "0.11.0", "0.12.4"];
const CHANNELS = ["socketio"];

/** What was published lately, on all pods: a payload that is heard must be among it. Two halves, the older is let go. */
export class Published {
  #young = new Set<number>();
  #old = new Set<number>();
  count = 0;

  add(payload: Buffer): void {
    this.#young.add(keyOf(payload));
    this.count++;
  }

  has(payload: Buffer): boolean {
    const key = keyOf(payload);
    return this.#young.has(key) || this.#old.has(key);
  }

  age(): void {
    this.#old = this.#young;
    this.#young = new Set();
  }
}

function keyOf(payload: Buffer): number {
  return crc32(payload) * 0x10_0000 + (payload.length & 0xf_ffff);
}

export interface Tally {
  published: number;
  heard: number;
  unknown: number;
  errors: number;
  reconnects: number;
  chats: number;
}

/** A connection that dials again by itself while it is wanted. */
class Connection {
  #socket: Socket | undefined;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly port: number,
    readonly onOpen: (socket: Socket) => void,
    readonly onData: (chunk: Buffer) => void,
    readonly onLost: () => void,
  ) {
    this.#dial();
  }

  get socket(): Socket | undefined {
    return this.#socket;
  }

  #dial(): void {
    const socket = connect({ port: this.port, host: "127.0.0.1", noDelay: true });
    socket.on("connect", () => {
      this.#socket = socket;
      this.onOpen(socket);
    });
    socket.on("data", this.onData);
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#socket === socket) this.#socket = undefined;
      if (this.#ended) return;
      this.onLost();
      this.#timer = setTimeout(() => this.#dial(), 300);
    });
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }
}

interface Chat {
  frames: MadeFrame[];
  at: number;
}

export class PodApps {
  readonly tally: Tally = { published: 0, heard: 0, unknown: 0, errors: 0, reconnects: 0, chats: 0 };
  readonly #publishers: Connection[];
  readonly #listeners: Connection[] = [];
  readonly #chats: (Chat | undefined)[];
  readonly #timers: NodeJS.Timeout[] = [];
  #turn = 0;

  /** @param pod number of the pod; @param chats growing at a time; @param fps frames a second of each */
  constructor(
    readonly pod: number,
    readonly port: number,
    readonly published: Published,
    chats: number,
    fps: number,
  ) {
    this.#publishers = [0, 1].map(() => this.#connection(() => {}));
    for (let i = 0; i < 2; i++) this.#listen();
    // Begun at different points, so that chats end and begin all the time.
    this.#chats = Array.from({ length: chats }, (_, i) => this.#chat(i / chats));
    this.#every(1000 / fps / chats, () => this.#step());
    this.#every(1_000, () => this.#send(["SET", `soak:${pod}`, String(this.tally.published)]));
  }

  /** A listener goes and another one comes. */
  turnOver(): void {
    this.#listeners.shift()?.end();
    this.#listen();
  }

  /** The oldest listener reads nothing for a while. */
  slow(ms: number): void {
    const socket = this.#listeners[0]?.socket;
    if (socket === undefined) return;
    socket.pause();
    this.#timers.push(setTimeout(() => socket.resume(), ms));
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const connection of [...this.#publishers, ...this.#listeners]) connection.end();
  }

  #every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms));
  }

  #chat(begun: number): Chat {
    this.tally.chats++;
    const seed = this.pod * 1_000_000 + this.tally.chats;
    const shape = shapes[seed % shapes.length]!;
    const frames = makeAnswer({ shape, tokens: 60 + (seed % 90), seed, reasoning: shape === "0.9.5" ? 10 : 0 });
    return { frames, at: Math.floor(frames.length * begun) };
  }

  #step(): void {
    const which = this.#turn++ % this.#chats.length;
    const chat = this.#chats[which];
    if (chat === undefined) {
      this.#chats[which] = this.#chat(0);
      return;
    }
    const frame = chat.frames[chat.at++];
    if (frame === undefined) {
      // A pause between one answer and the next.
      this.#chats[which] = undefined;
      return;
    }
    this.published.add(frame.payload);
    this.tally.published++;
    this.#send(["PUBLISH", "socketio", frame.payload]);
  }

  #send(request: (string | Buffer)[]): void {
    const connection = this.#publishers[this.#turn % this.#publishers.length]!;
    if (connection.socket === undefined) this.tally.errors++;
    else connection.socket.write(encodeRequest(request));
  }

  #connection(onOpen: (socket: Socket) => void): Connection {
    let decoder = new NaiveDecoder();
    return new Connection(
      this.port,
      (socket) => {
        decoder = new NaiveDecoder();
        onOpen(socket);
      },
      (chunk) => {
        for (const value of decoder.write(chunk)) {
          const message = messageOf(value);
          if (message === undefined) continue;
          this.tally.heard++;
          if (!this.published.has(message.payload)) this.tally.unknown++;
        }
      },
      () => this.tally.reconnects++,
    );
  }

  #listen(): void {
    this.#listeners.push(this.#connection((socket) => socket.write(encodeRequest(["SUBSCRIBE", ...CHANNELS]))));
  }
}
