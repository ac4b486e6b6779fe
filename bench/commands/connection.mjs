// One connection to a server: pipelines out, the number of replies in. It reads only as much of a reply as it must.

import { connect } from "node:net";

const CRLF = Buffer.from("\r\n");

export class Connection {
  #socket;
  #received = Buffer.alloc(0);
  #left = 0;
  #replies = [];
  #done = () => {};

  /** @param {number} port of 127.0.0.1 */
  static async open(port) {
    const connection = new Connection();
    connection.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await new Promise((resolve, reject) => connection.#socket.once("connect", resolve).once("error", reject));
    connection.#socket.on("data", (chunk) => connection.#read(chunk));
    return connection;
  }

  /**
   * Sends commands in one write. Resolves once all are answered, with a status, an integer or a string each.
   *
   * @returns {Promise<{ bytes: number, replies: string[], errors: string[] }>} `bytes` sent
   */
  async ask(commands) {
    const request = Buffer.concat(commands.flatMap(encode));
    this.#left = commands.length;
    this.#replies = [];
    const answered = new Promise((resolve) => {
      this.#done = resolve;
    });
    this.#socket.write(request);
    await answered;
    const errors = this.#replies.filter((reply) => reply.startsWith("-"));
    return { bytes: request.length, replies: this.#replies, errors };
  }

  /** CPU time of the server's main thread, seconds. */
  async serverCpuSeconds() {
    const { replies } = await this.ask([["INFO", "cpu"]]);
    const of = (mode) => Number(new RegExp(`used_cpu_${mode}_main_thread:([\\d.]+)`).exec(replies[0])[1]);
    return of("user") + of("sys");
  }

  close() {
    this.#socket.destroy();
  }

  #read(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    let at = 0;
    while (this.#left > 0) {
      const line = this.#received.indexOf(CRLF, at);
      if (line < 0) break;
      let end = line;
      if (this.#received[at] === 0x24 && this.#received[at + 1] !== 0x2d) {
        end = line + 2 + Number(this.#received.toString("latin1", at + 1, line));
        if (this.#received.length < end + 2) break;
      }
      this.#replies.push(this.#received.toString("latin1", at, end));
      at = end + 2;
      this.#left--;
    }
    this.#received = this.#received.subarray(at);
    if (this.#left === 0) this.#done();
  }
}

function encode(args) {
  const parts = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return parts;
}
