/**
 * The Node part: two Socket.IO servers with @socket.io/redis-adapter, one on each pod. The one on pod A emits growing
 * answers to a room; on pod B a Socket.IO client in that room and a raw PSUBSCRIBE hear them.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { RespClient, type RespValue } from "../../test/support/resp-client.js";
import { eventually, within } from "../../test/support/wait.js";
import { tokensOf } from "../generate/text.js";
import { makeIds } from "../generate.js";
import { chatOf } from "../replay.js";
import { Checker } from "./checker.js";
import type { Pass } from "./recording.js";

const room = "user:demo";
const chats = 4;
const tokensEach = 300;
/** Tokens of each chat a second. */
const pace = 100;

interface Pod {
  server: Server;
  /** Where browsers connect. */
  url: string;
  /** Called with everything the adapter publishes. */
  onPublish(listener: (channel: Buffer, payload: Buffer) => void): void;
  close(): Promise<void>;
}

async function startPod(redisPort: number): Promise<Pod> {
  const url = `redis://127.0.0.1:${redisPort}`;
  const pub = createClient({ url });
  const sub = createClient({ url });
  for (const client of [pub, sub]) client.on("error", () => {});
  await Promise.all([pub.connect(), sub.connect()]);
  let heard: ((channel: Buffer, payload: Buffer) => void) | undefined;
  const publisher = new Proxy(pub, {
    get(target, name) {
      if (name === "publish") {
        return (channel: string, payload: Buffer | string) => {
          heard?.(Buffer.from(channel), Buffer.from(payload as Buffer));
          return target.publish(channel, payload);
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const http = createServer();
  const server = new Server(http, { adapter: createAdapter(publisher, sub) });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    server,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    onPublish(listener) {
      heard = listener;
    },
    async close() {
      await server.close();
      await Promise.all([pub.close(), sub.close()]);
    },
  };
}

/** Emits on the server at `publishPort`, listens on the one at `listenPort`, and compares everything. */
export async function playNode(options: {
  publishPort: number;
  listenPort: number;
  mark?: () => Promise<void>;
}): Promise<Pass> {
  const [a, b] = await Promise.all([startPod(options.publishPort), startPod(options.listenPort)]);
  b.server.on("connection", (socket) => void socket.join(room));
  const browser = io(b.url, { transports: ["websocket"] });
  const raw = await RespClient.connect({ port: options.listenPort, deadlineMs: 10_000 });
  try {
    return await play(a, b, browser, raw, options.mark ?? (async () => {}));
  } finally {
    browser.disconnect();
    await raw.close();
    await Promise.all([a.close(), b.close()]);
  }
}

async function play(
  a: Pod,
  b: Pod,
  browser: ReturnType<typeof io>,
  raw: RespClient,
  mark: () => Promise<void>,
): Promise<Pass> {
  await within("the browser connects", new Promise<void>((resolve) => browser.once("connect", () => resolve())));
  await eventually("the browser is in its room", () => b.server.sockets.adapter.rooms.has(room));

  const sentAt: number[] = [];
  const checker = new Checker("raw PSUBSCRIBE", sentAt);
  raw.request("PSUBSCRIBE", "socket.io#/#*");
  await raw.next();
  void (async () => {
    for (;;) {
      let value: RespValue;
      try {
        value = await raw.next(3_600_000);
      } catch {
        return;
      }
      if (Array.isArray(value) && String(value[0]) === "pmessage") checker.hear(value[2] as Buffer, value[3] as Buffer);
    }
  })();

  // Between the adapter's PSUBSCRIBE and its first message nothing tells that it listens, so we knock.
  let knocked = false;
  browser.once("knock", () => {
    knocked = true;
  });
  await eventually("pod B hears pod A", () => {
    if (!knocked) a.server.to(room).emit("knock", { warm_up: true });
    return knocked;
  });
  await raw.fence().catch(() => {});

  await mark();
  let bytes = 0;
  a.onPublish((channel, payload) => {
    bytes += payload.length;
    sentAt.push(performance.now());
    checker.expect({ t: 0, channel, payload, chat: chatOf(payload) });
  });
  const emitted: unknown[] = [];
  const received: unknown[] = [];
  browser.on("events", (event: unknown) => received.push(event));
  const answers = Array.from({ length: chats }, (_, chat) => tokensOf(chat + 1, tokensEach));
  const ids = answers.map((_, chat) => makeIds(chat + 1));
  const contents = answers.map(() => "");
  const began = performance.now();
  for (let token = 0; token < tokensEach; token++) {
    const early = began + (token * 1000) / pace - performance.now();
    if (early > 0.5) await new Promise((resolve) => setTimeout(resolve, early));
    for (let chat = 0; chat < chats; chat++) {
      contents[chat] += answers[chat]?.[token] ?? "";
      const data = { type: "chat:completion", data: { content: contents[chat] } };
      const event = { chat_id: ids[chat]?.chat, message_id: ids[chat]?.message, data };
      emitted.push(event);
      a.server.to(room).emit("events", event);
    }
  }
  await checker.complete(15_000);
  const problems: string[] = [...checker.problems];
  await eventually("the browser hears all", () => received.length >= emitted.length, 5_000).catch((error: Error) =>
    problems.push(`socket.io-client: ${error.message}`),
  );
  // Order is promised within a chat; chats may overtake each other.
  const byChat = (events: unknown[]) =>
    ids.map(({ chat }) => (events as { chat_id: string }[]).filter((event) => event.chat_id === chat));
  if (!isDeepStrictEqual(byChat(received), byChat(emitted))) problems.push("socket.io-client: events differ");
  await mark();
  return {
    frames: emitted.length,
    appBytes: bytes,
    latencies: checker.latencies,
    problems,
    listeners: ["raw PSUBSCRIBE", "Socket.IO server and client"],
  };
}
