/** Loopback servers that answer as sentinels and masters would, where the real ones cannot be brought to say such things. */
import { createServer, type Server, type Socket } from "node:net";
import type { Log, LogFields, Meter } from "../../../src/core/ports.js";
import { NaiveDecoder } from "../../support/resp-values.js";

export type FakeReply = string | number | null | undefined | Error | FakeReply[];

function encode(reply: FakeReply): string {
  if (reply === null || reply === undefined) return "*-1\r\n";
  if (reply instanceof Error) return `-${reply.message}\r\n`;
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(encode).join("")}`;
  return typeof reply === "number" ? `:${reply}\r\n` : `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
}

export interface Fake {
  port: number;
  sockets: Set<Socket>;
  /** Requests so far, words joined by a space. */
  asked: string[];
  /** Sends a message to all subscribers of a channel. */
  publish(channel: string, text: string): void;
  stop(): Promise<void>;
}

/** A server that gives each request to `answer`; "silent" gives no reply at all. */
export async function startFake(answer: (words: string[]) => FakeReply | "silent", port = 0): Promise<Fake> {
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    const decoder = new NaiveDecoder();
    socket.on("data", (chunk) => {
      for (const value of decoder.write(chunk)) {
        const words = (value as Buffer[]).map(String);
        asked.push(words.join(" "));
        if (words[0]?.toLowerCase() === "subscribe") {
          for (const [i, name] of words.slice(1).entries()) socket.write(encode(["subscribe", name, i + 1]));
          continue;
        }
        const reply = answer(words);
        if (reply !== "silent") socket.write(encode(reply));
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    sockets,
    asked,
    publish(channel, text) {
      for (const socket of sockets) socket.write(encode(["message", channel, text]));
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** What a fake sentinel believes; changed by the test while it runs. */
export interface Belief {
  master: number;
  epoch: number;
  id: string;
  total?: number;
  others?: { port: number; flags?: string }[];
  silent?: boolean;
  /** What it says to an AUTH; "OK" by default. */
  login?: string;
}

/** A sentinel of "mymaster". */
export function startFakeSentinel(belief: Belief): Promise<Fake> {
  return startFake((words) => {
    if (belief.silent) return "silent";
    const [verb = "", sub = "", name = ""] = words;
    if (verb.toUpperCase() === "PING") return "PONG";
    if (verb.toUpperCase() === "AUTH") return belief.login === undefined ? "OK" : new Error(belief.login);
    if (verb.toUpperCase() !== "SENTINEL") return new Error("ERR unknown command");
    if (sub === "myid") return belief.id;
    if (name !== "mymaster")
      return sub === "get-master-addr-by-name" ? null : new Error("ERR No such master with that name");
    if (sub === "get-master-addr-by-name") return ["127.0.0.1", String(belief.master)];
    if (sub === "master") {
      return ["config-epoch", String(belief.epoch), "num-other-sentinels", String((belief.total ?? 1) - 1)];
    }
    return (belief.others ?? []).map(({ port, flags }) => [
      "name",
      `s${port}`,
      "ip",
      "127.0.0.1",
      "port",
      String(port),
      "flags",
      flags ?? "sentinel",
    ]);
  });
}

/** A data node that answers ROLE and PING as told. */
export function startFakeNode(state: { role?: FakeReply; ping?: FakeReply }, port = 0): Promise<Fake> {
  return startFake((words) => {
    if (words[0]?.toUpperCase() === "ROLE") return state.role ?? ["master", 0, []];
    return state.ping ?? "PONG";
  }, port);
}

export interface Line {
  event: string;
  fields: LogFields;
}

/** A log that keeps its lines. */
export function keptLog(): { log: Log; lines: Line[] } {
  const lines: Line[] = [];
  const write = (event: string, fields: LogFields = {}) => void lines.push({ event, fields });
  return { log: { debug: write, info: write, warn: write, error: write }, lines };
}

/** A meter that keeps its sums, keyed name{label="value"}. */
export function keptMeter(): { meter: Meter; value(name: string, labels?: Record<string, string>): number } {
  const sums = new Map<string, number>();
  const gauges = new Map<string, () => number>();
  const key = (name: string, labels: object = {}) => `${name}${JSON.stringify(labels)}`;
  return {
    meter: {
      counter: (name, labels) => ({
        inc: (by = 1) => void sums.set(key(name, labels), (sums.get(key(name, labels)) ?? 0) + by),
      }),
      histogram: () => ({ observe() {} }),
      gauge: (name, read, labels) => void gauges.set(key(name, labels), read),
    },
    value: (name, labels) => gauges.get(key(name, labels))?.() ?? sums.get(key(name, labels)) ?? 0,
  };
}
