/**
 * A raw RESP client for tests: sends exactly the bytes it is told to and hands out what comes back, in order, with
 * deadlines instead of sleeps. Values are decoded by the naive twin in resp-values.ts, not by the code under test.
 */
import { connect, type Socket } from "node:net";
import { encodeRequest, NaiveDecoder, plain, RespPush, type RespValue } from "./resp-values.js";

export { encodeRequest, plain, RespError, RespMap, RespPush, RespSet, type RespValue } from "./resp-values.js";

export interface ClientOptions {
  port: number;
  host?: string;
  /** For every wait that does not name its own, milliseconds. */
  deadlineMs?: number;
}

interface Waiter {
  resolve(value: RespValue): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

export class RespClient {
  /** Everything received so far, for byte-exact comparisons. Grows only while `record` is true. */
  readonly received: Buffer[] = [];
  record = false;
  private readonly decoder = new NaiveDecoder();
  private readonly values: RespValue[] = [];
  private head = 0;
  private readonly waiters: Waiter[] = [];
  private ended: Error | undefined;
  private readonly closing: Promise<void>;

  private constructor(
    readonly socket: Socket,
    private readonly deadlineMs: number,
  ) {
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("error", (error) => this.end(error));
    this.closing = new Promise((resolve) => {
      socket.on("close", () => {
        this.end(new Error("the connection was closed"));
        resolve();
      });
    });
  }

  /** Connects; rejects when nobody listens. */
  static connect(options: ClientOptions): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: options.port, host: options.host ?? "127.0.0.1", noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RespClient(socket, options.deadlineMs ?? 5_000));
      });
    });
  }

  /** Writes bytes as they are. */
  send(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** Writes one request and waits for nothing. */
  request(...args: (string | number | Buffer)[]): void {
    this.socket.write(encodeRequest(args));
  }

  /** Writes one request and returns the next value that is not a push. Pushes that come before it stay queued. */
  async command(...args: (string | number | Buffer)[]): Promise<RespValue> {
    this.request(...args);
    return this.reply();
  }

  /** As `command`, with the reply in readable form. */
  async text(...args: (string | number | Buffer)[]): Promise<unknown> {
    return plain(await this.command(...args));
  }

  /** The next value of any kind. Rejects after the deadline, or at once when the connection has ended. */
  next(deadlineMs = this.deadlineMs): Promise<RespValue> {
    if (this.head < this.values.length) {
      const value = this.values[this.head++] as RespValue;
      if (this.head === this.values.length) {
        this.values.length = 0;
        this.head = 0;
      }
      return Promise.resolve(value);
    }
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve,
        reject,
        timer: setTimeout(() => {
          this.waiters.splice(this.waiters.indexOf(waiter), 1);
          reject(new Error(`no value within ${deadlineMs} ms`));
        }, deadlineMs),
      };
      this.waiters.push(waiter);
    });
  }

  /** The next `count` values of any kind, within one deadline for all. */
  async take(count: number, deadlineMs = this.deadlineMs): Promise<RespValue[]> {
    const end = performance.now() + deadlineMs;
    const values: RespValue[] = [];
    while (values.length < count) {
      try {
        values.push(await this.next(Math.max(1, end - performance.now())));
      } catch (error) {
        throw new Error(`${values.length} of ${count} values: ${(error as Error).message}`, { cause: error });
      }
    }
    return values;
  }

  /** The next value that is no RESP3 push; pushes before it are put back in their order. */
  async reply(deadlineMs = this.deadlineMs): Promise<RespValue> {
    const end = performance.now() + deadlineMs;
    const pushes: RespValue[] = [];
    for (;;) {
      const value = await this.next(Math.max(1, end - performance.now()));
      if (!(value instanceof RespPush)) {
        this.values.splice(this.head, 0, ...pushes);
        return value;
      }
      pushes.push(value);
    }
  }

  /** Reads on until `matches`, and returns that value; what comes before it is dropped. */
  async until(matches: (value: RespValue) => boolean, deadlineMs = this.deadlineMs): Promise<RespValue> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const value = await this.next(Math.max(1, end - performance.now()));
      if (matches(value)) return value;
    }
  }

  /**
   * Everything that arrives up to the answer of a PING that is sent now: the way to show that something did not come.
   * Works in RESP2 subscriber mode (`*2 pong`) as elsewhere.
   */
  async fence(deadlineMs = this.deadlineMs): Promise<RespValue[]> {
    const mark = `fence-${++fences}`;
    this.request("PING", mark);
    const seen: RespValue[] = [];
    const isMark = (value: RespValue) => Buffer.isBuffer(value) && value.toString() === mark;
    const end = performance.now() + deadlineMs;
    for (;;) {
      const value = await this.next(Math.max(1, end - performance.now()));
      const pong = Array.isArray(value) && plain(value[0] ?? null) === "pong" && isMark(value[1] ?? null);
      if (pong || isMark(value)) return seen;
      seen.push(value);
    }
  }

  /** How many values wait to be read. */
  get queued(): number {
    return this.values.length - this.head;
  }

  /** Resolves when the other side has closed the connection. */
  async closed(deadlineMs = this.deadlineMs): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still open after ${deadlineMs} ms`)), deadlineMs);
    });
    await Promise.race([this.closing, late]).finally(() => clearTimeout(timer));
  }

  /** Ends the connection; resolves when it is closed. */
  async close(): Promise<void> {
    this.socket.destroy();
    await this.closing;
  }

  private receive(chunk: Buffer): void {
    if (this.record) this.received.push(chunk);
    let values: RespValue[];
    try {
      values = this.decoder.write(chunk);
    } catch (error) {
      this.end(error as Error);
      this.socket.destroy();
      return;
    }
    for (const value of values) {
      const waiter = this.waiters.shift();
      if (waiter) {
        clearTimeout(waiter.timer);
        waiter.resolve(value);
      } else this.values.push(value);
    }
  }

  private end(error: Error): void {
    this.ended ??= error;
    for (const waiter of this.waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.reject(this.ended);
    }
  }
}

let fences = 0;
