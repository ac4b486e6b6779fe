/**
 * The connections over which a pod's apps publish: as in redis-py's pool, one request is under way on each, the one that
 * came back last is taken first, and where none is free another is opened.
 */
import { connect, type Socket } from "node:net";

const NEWLINE = 10;
const MINUS = 45;

interface Line {
  socket: Socket;
  answered: ((error: boolean) => void) | undefined;
}

export class Pool {
  readonly #port: number;
  readonly #most: number;
  readonly #lines = new Set<Line>();
  readonly #free: Line[] = [];
  readonly #waiting: ((line: Line) => void)[] = [];
  #opening = 0;
  errors = 0;

  /** @param most connections, all together */
  constructor(port: number, most: number) {
    this.#port = port;
    this.#most = most;
  }

  /** Opens some connections before they are needed. */
  async warm(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count - this.#lines.size }, () => this.#open()));
  }

  /** Calls `make` for the request's bytes once a connection is free, and `answered` when its reply has come. */
  request(make: () => Buffer, answered: (error: boolean) => void): void {
    const line = this.#free.pop();
    if (line !== undefined) this.#send(line, make, answered);
    else {
      this.#waiting.push((one) => this.#send(one, make, answered));
      if (this.#lines.size + this.#opening < this.#most) void this.#open();
    }
  }

  /** Requests that no connection has taken are forgotten. */
  forget(): void {
    this.#waiting.length = 0;
  }

  close(): void {
    for (const { socket } of this.#lines) socket.destroy();
    this.#lines.clear();
    this.#free.length = 0;
  }

  #send(line: Line, make: () => Buffer, answered: (error: boolean) => void): void {
    line.answered = answered;
    line.socket.write(make());
  }

  #open(): Promise<void> {
    this.#opening++;
    return new Promise((resolve, reject) => {
      const onread = { buffer: Buffer.allocUnsafe(4096), callback: (bytes: number) => this.#read(line, bytes) };
      const socket = connect({ port: this.#port, host: "127.0.0.1", noDelay: true, onread });
      const line: Line = { socket, answered: undefined };
      buffers.set(line, onread.buffer);
      socket.once("connect", () => {
        this.#opening--;
        this.#lines.add(line);
        this.#release(line);
        resolve();
      });
      socket.on("error", (error) => reject(error));
      socket.on("close", () => this.#lost(line));
    });
  }

  #read(line: Line, bytes: number): boolean {
    const buffer = buffers.get(line)!;
    // A reply is one short line, and nothing else is under way: its end is the end of what came.
    if (buffer[bytes - 1] !== NEWLINE) return true;
    const failed = buffer[0] === MINUS;
    if (failed) this.errors++;
    const answered = line.answered;
    line.answered = undefined;
    this.#release(line);
    answered?.(failed);
    return true;
  }

  #release(line: Line): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(line);
    else this.#free.push(line);
  }

  #lost(line: Line): void {
    if (!this.#lines.delete(line)) return;
    const place = this.#free.indexOf(line);
    if (place >= 0) this.#free.splice(place, 1);
    this.errors++;
    line.answered?.(true);
  }
}

const buffers = new WeakMap<Line, Buffer>();
