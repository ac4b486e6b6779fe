// One pod's app: a real Socket.IO server with @socket.io/redis-adapter over ioredis or node-redis, driven by a test
// (see control.mjs). Usage: node server.mjs <redis url> <ioredis|node-redis> <2|3> <classic|specific|sharded>
// Prints {"event": "ready", "port": N} when it accepts clients.

import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { Server } from "socket.io";
import { fromWire, runStream, serve, tell, toWire } from "./control.mjs";

const [url, library, protocolText, kind] = process.argv.slice(2);
const protocol = Number(protocolText);

async function connect() {
  if (library === "node-redis") {
    const client = createClient({ url, RESP: protocol });
    client.on("error", (error) => console.error(`redis: ${error}`));
    await client.connect();
    return client;
  }
  const client = new Redis(url, { protocol, lazyConnect: true });
  client.on("error", (error) => console.error(`redis: ${error}`));
  await client.connect();
  return client;
}

const [publisher, subscriber] = await Promise.all([connect(), connect()]);
const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  maxHttpBufferSize: 16 * 1024 * 1024,
  adapter:
    kind === "sharded"
      ? createShardedAdapter(publisher, subscriber)
      : createAdapter(publisher, subscriber, { publishOnSpecificResponseChannel: kind === "specific" }),
});

/** What other servers have told this one by serverSideEmit. */
const heard = [];
/** Those who wait until a number of such events have come. */
const waiting = [];

for (const name of ["/", "/admin"]) {
  const namespace = io.of(name);
  namespace.on("connection", (socket) => {
    socket.data.name = socket.handshake.auth.name;
    socket.on("say", (data, ack) => {
      socket.broadcast.emit("said", data);
      ack({ heard: data });
    });
  });
  for (const event of ["tell", "ask"]) {
    namespace.on(event, (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
      heard.push({ namespace: name, event, args: toWire(args) });
      for (const waiter of [...waiting]) waiter();
      ack?.({ pid: process.pid, args });
    });
  }
}

/** The broadcast operator that a request describes: namespace, rooms, excepted rooms, flags. */
function target(request) {
  const namespace = io.of(request.namespace ?? "/");
  let operator = request.local ? namespace.local : namespace;
  for (const room of request.rooms ?? []) operator = operator.to(room);
  for (const room of request.except ?? []) operator = operator.except(room);
  if (request.compress !== undefined) operator = operator.compress(request.compress);
  if (request.timeout) operator = operator.timeout(request.timeout);
  return operator;
}

/** Where the request names no room, fetchSockets and its kin are the namespace's own methods. */
const describe = (socket) => ({ id: socket.id, rooms: [...socket.rooms].sort(), data: socket.data });

const operations = {
  async emit(request) {
    target(request).emit(request.event, ...fromWire(request.args ?? []));
  },
  /** Resolves with what the clients answered and, when some did not in time, says so. */
  emit_with_ack(request) {
    const started = performance.now();
    return new Promise((resolve) => {
      target(request).emit(request.event, ...fromWire(request.args ?? []), (error, answers) => {
        resolve({ timeout: error !== null && error !== undefined, answers, ms: performance.now() - started });
      });
    });
  },
  async fetch_sockets(request) {
    return (await target(request).fetchSockets()).map(describe);
  },
  async join(request) {
    target(request).socketsJoin(request.join);
  },
  async leave(request) {
    target(request).socketsLeave(request.leave);
  },
  async disconnect(request) {
    target(request).disconnectSockets(request.close ?? false);
  },
  async server_side_emit(request) {
    io.of(request.namespace ?? "/").serverSideEmit(request.event, ...fromWire(request.args ?? []));
  },
  async server_side_ask(request) {
    const answers = await io
      .of(request.namespace ?? "/")
      .serverSideEmitWithAck(request.event, ...fromWire(request.args ?? []));
    return answers;
  },
  /** Resolves with what was heard, once there are `count` events; the list then starts anew. */
  heard(request) {
    return new Promise((resolve) => {
      const check = () => {
        if (heard.length < request.count) return;
        const index = waiting.indexOf(check);
        if (index >= 0) waiting.splice(index, 1);
        resolve(heard.splice(0));
      };
      waiting.push(check);
      check();
    });
  },
  /** The sharded adapter knows its own rooms only. */
  async all_rooms(request) {
    const { adapter } = io.of(request.namespace ?? "/");
    return [...(kind === "sharded" ? adapter.rooms.keys() : await adapter.allRooms())].sort();
  },
  async server_count(request) {
    return io.of(request.namespace ?? "/").adapter.serverCount();
  },
  stream(request) {
    return runStream(async (event, data, room) => {
      target({ namespace: request.namespace, rooms: room ? [room] : [] }).emit(event, data);
    }, request);
  },
};

http.listen(0, "127.0.0.1", () => {
  tell({ event: "ready", port: http.address().port, versions: { node: process.versions.node } });
  serve(operations);
});
