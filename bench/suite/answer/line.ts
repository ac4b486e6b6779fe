/**
 * Light apps: a publisher that waits for each reply, as an app does for one chat, and a subscriber that does nothing but count
 * and check. They cost little beside what is measured; both speak to a server and to a sidecar alike.
 */
import { connect, type Socket } from "node:net";
import { crc32 } from "node:zlib";
import type { MadeFrame } from "../../generate.js";

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

const CRLF = Buffer.from("\r\n");

/** Publishes frames of one chat over a few connections that change from frame to frame, one at a time. */
export class Publisher {
  readonly #sockets: Socket[];
  readonly #waiting: { done: () => void; failed: (error: Error) => void }[] = [];
  #next = 0;

  private constructor(sockets: Socket[]) {
    this.#sockets = sockets;
    for (const socket of sockets) {
      socket.on("data", (chunk: Buffer) => this.#heard(chunk));
      socket.on("error", (error) => this.#fail(error));
      socket.on("close", () => this.#fail(new Error("the publisher's connection was closed")));
    }
  }

  static async open(port: number, connections = 4): Promise<Publisher> {
    return new Publisher(await Promise.all(Array.from({ length: connections }, () => open(port))));
  }

  /** Resolves when the reply is there. */
  publish({ channel, payload }: MadeFrame): Promise<void> {
    const socket = this.#sockets[this.#next++ % this.#sockets.length]!;
    return new Promise((done, failed) => {
      this.#waiting.push({ done, failed });
      socket.cork();
      const words = `*3\r\n$7\r\nPUBLISH\r\n$${channel.length}\r\n${channel.toString("latin1")}\r\n$${payload.length}\r\n`;
      socket.write(words, "latin1");
      socket.write(payload);
      socket.write(CRLF);
      socket.uncork();
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.removeAllListeners("close").destroy();
  }

  /** A reply to PUBLISH is a few bytes and comes whole, perhaps with others. */
  #heard(chunk: Buffer): void {
    if (chunk[0] !== 0x3a || chunk[chunk.length - 1] !== 0x0a) {
      this.#fail(new Error(`PUBLISH was answered ${chunk.toString("latin1", 0, 200)}`));
      return;
    }
    for (const byte of chunk) if (byte === 0x0a) this.#waiting.shift()?.done();
  }

  #fail(error: Error): void {
    for (const { failed } of this.#waiting.splice(0)) failed(error);
  }
}

/** What a subscriber must have read: how many bytes, and their CRC-32. */
export interface Expectation {
  bytes: number;
  crc: number;
}

/** The expectation that these bytes make, behind what was expected before. */
export function expectation(parts: readonly Buffer[], before: Expectation = { bytes: 0, crc: 0 }): Expectation {
  let { bytes, crc } = before;
  for (const part of parts) {
    bytes += part.length;
    crc = crc32(part, crc);
  }
  return { bytes, crc };
}

/** A subscriber of one channel that counts the bytes of its messages. */
export class Listener {
  readonly #socket: Socket;
  #bytes = 0;
  #crc = 0;
  #wake: (() => void) | undefined;
  #error: Error | undefined;

  private constructor(socket: Socket, early: Buffer | undefined) {
    this.#socket = socket;
    if (early !== undefined) this.#take(early);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => this.#end(new Error("the listener's connection was closed")));
  }

  /** Resolves when the subscription is acknowledged. */
  static async open(port: number, channel: Buffer): Promise<Listener> {
    const name = channel.toString("latin1");
    const acknowledged = `*3\r\n$9\r\nsubscribe\r\n$${channel.length}\r\n${name}\r\n:1\r\n`;
    const socket = await open(port);
    socket.write(`*2\r\n$9\r\nSUBSCRIBE\r\n$${channel.length}\r\n${name}\r\n`, "latin1");
    let seen = Buffer.alloc(0);
    while (seen.length < acknowledged.length) {
      const chunk = await new Promise<Buffer>((resolve, reject) => {
        socket.once("data", resolve);
        socket.once("error", reject);
      });
      // Nothing is lost between two of these: data comes one chunk a turn of the loop, and this runs before the next.
      seen = Buffer.concat([seen, chunk]);
    }
    if (seen.toString("latin1", 0, acknowledged.length) !== acknowledged) {
      socket.destroy();
      throw new Error(`SUBSCRIBE was answered ${seen.toString("latin1", 0, 200)}`);
    }
    return new Listener(socket, seen.length > acknowledged.length ? seen.subarray(acknowledged.length) : undefined);
  }

  /** Resolves when so many bytes have come. @throws where the connection ends, or nothing has come for 15 s */
  async reached(bytes: number): Promise<void> {
    let seen = -1;
    let end = 0;
    while (this.#bytes < bytes) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#bytes > seen) end = performance.now() + 15_000;
      else if (performance.now() > end) throw new Error(`a listener has ${this.#bytes} of ${bytes} bytes`);
      seen = this.#bytes;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /**
   * Resolves when as much has come as was published, and it is the same.
   * @throws where it is not, or does not come
   */
  async heard(expected: Expectation): Promise<void> {
    await this.reached(expected.bytes);
    if (this.#bytes !== expected.bytes || this.#crc !== expected.crc) {
      throw new Error(`a listener heard other bytes than were published (${this.#bytes}, not ${expected.bytes})`);
    }
  }

  close(): void {
    this.#socket.removeAllListeners("close").destroy();
  }

  #take(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#crc = crc32(chunk, this.#crc);
    this.#wake?.();
    this.#wake = undefined;
  }

  #end(error: Error): void {
    this.#error = error;
    this.#wake?.();
  }
}
