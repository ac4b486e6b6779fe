// The Valkey or Redis under measurement, and a small observer of it. The observer counts the bytes of its own
// commands and replies, so that they can be taken off the server's counters.

import { connect } from "node:net";
import { join } from "node:path";
import { freePort, start, temporaryDirectory, until } from "./processes.mjs";

/**
 * Starts a server without persistence on a free port of 127.0.0.1.
 *
 * @param {{ server: string, env: object }} binaries as test/setup found them
 * @param {string} logs directory for the server's output
 * @param {string} name of the process and its log
 * @returns {Promise<{ url, port, pid, name, observer, stop() }>} `name` is the product and its version
 */
export async function startServer(binaries, logs, name) {
  const home = await temporaryDirectory(name);
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", home, "--save", "", "--appendonly", "no"];
  const server = start({
    name,
    command: binaries.server,
    args,
    cwd: home,
    env: binaries.env,
    logFile: join(logs, `${name}.log`),
  });
  const observer = await until(name, () => Observer.connect(port), { everyMs: 50, timeoutMs: 10_000, process: server });
  const info = parseInfo(await observer.call("INFO", "server"));
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    pid: server.pid,
    name: `${info.valkey_version ? "Valkey" : "Redis"} ${info.valkey_version ?? info.redis_version}`,
    observer,
    stop: async () => {
      observer.close();
      await server.stop();
    },
  };
}

/** One connection for INFO and CLIENT LIST: commands one after the other, replies of one bulk string or line. */
class Observer {
  #socket;
  #received = Buffer.alloc(0);
  #waiting;
  sent = 0;
  got = 0;

  static async connect(port) {
    const observer = new Observer();
    observer.#socket = connect(port, "127.0.0.1");
    await new Promise((resolve, reject) => {
      observer.#socket.once("connect", resolve).once("error", reject);
    });
    observer.#socket.on("error", () => {}).on("data", (chunk) => observer.#read(chunk));
    if ((await observer.call("PING")) !== "PONG") throw new Error("no PONG");
    return observer;
  }

  /** Sends one command and resolves to its reply as text; an error reply rejects. */
  call(...args) {
    const request = Buffer.from(
      `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join("")}`,
    );
    this.sent += request.length;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  #read(chunk) {
    this.got += chunk.length;
    this.#received = Buffer.concat([this.#received, chunk]);
    const lineEnd = this.#received.indexOf("\r\n");
    if (lineEnd < 0) return;
    const head = this.#received.toString("utf8", 0, lineEnd);
    let text = head.slice(1);
    if (head[0] === "$") {
      const end = lineEnd + 2 + Number(text);
      if (this.#received.length < end + 2) return;
      text = this.#received.toString("utf8", lineEnd + 2, end);
    }
    this.#received = Buffer.alloc(0);
    if (head[0] === "-") this.#waiting.reject(new Error(text));
    else this.#waiting.resolve(text);
  }

  /**
   * The server's counters at this moment: bytes in and out without those of the observer, commands, calls by
   * command, CPU seconds, and (Valkey 8.0 and later) bytes sent to the connections that subscribe.
   */
  async snapshot() {
    const before = { sent: this.sent, got: this.got };
    const info = parseInfo(await this.call("INFO", "everything"));
    const requestBytes = this.sent - before.sent;
    const calls = {};
    for (const [key, value] of Object.entries(info)) {
      if (key.startsWith("cmdstat_")) calls[key.slice(8)] = Number(/calls=(\d+)/.exec(value)[1]);
    }
    // When INFO counts, its request has been read and its reply has not been written.
    const counters = {
      bytesIn: Number(info.total_net_input_bytes) - before.sent - requestBytes,
      bytesOut: Number(info.total_net_output_bytes) - before.got,
      commands: Number(info.total_commands_processed),
      cpuSeconds: Number(info.used_cpu_user) + Number(info.used_cpu_sys),
      calls,
    };
    return { ...counters, subscriberBytes: await this.#subscriberBytes() };
  }

  /** Bytes sent so far to each connection with a subscription, by client id; undefined where the server has no such count. */
  async #subscriberBytes() {
    const bytes = {};
    for (const line of (await this.call("CLIENT", "LIST")).split("\n")) {
      const fields = Object.fromEntries(line.split(" ").map((field) => field.split(/=(.*)/s)));
      if (!(Number(fields.sub) > 0 || Number(fields.psub) > 0)) continue;
      if (fields["tot-net-out"] === undefined) return undefined;
      bytes[fields.id] = Number(fields["tot-net-out"]);
    }
    return bytes;
  }

  close() {
    this.#socket.destroy();
  }
}

/** What happened between two snapshots. */
export function difference(before, after) {
  const calls = {};
  for (const [name, count] of Object.entries(after.calls)) {
    const delta = count - (before.calls[name] ?? 0);
    if (delta > 0) calls[name] = delta;
  }
  let pubsubOut;
  if (before.subscriberBytes && after.subscriberBytes) {
    pubsubOut = 0;
    for (const [id, bytes] of Object.entries(after.subscriberBytes))
      pubsubOut += bytes - (before.subscriberBytes[id] ?? 0);
  }
  return {
    bytesIn: after.bytesIn - before.bytesIn,
    bytesOut: after.bytesOut - before.bytesOut,
    pubsubOut,
    // The observer's own two commands lie between the snapshots.
    commands: after.commands - before.commands - 2,
    publishes: calls.publish ?? 0,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    calls,
  };
}

function parseInfo(text) {
  const info = {};
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0 && line[0] !== "#") info[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return info;
}
