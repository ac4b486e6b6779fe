/** Worlds of Node Socket.IO servers with @socket.io/redis-adapter: two behind the sidecar of pod A, one in pod B. */
import { inRoot } from "../../support/root.js";
import type { PeerPlan, WorldPlan } from "./world.js";

export type NodeLibrary = "ioredis" | "node-redis";

/** `specific`: the classic adapter, which answers each asker on a channel of its own. */
export type NodeAdapter = "classic" | "specific" | "sharded";

/** A1 speaks RESP2 with its sidecar, A2 and B RESP3; with the classic adapter, B answers on the asker's own channel. */
export function nodeWorld(library: NodeLibrary, adapter: "classic" | "sharded" = "classic"): WorldPlan {
  const peer = (name: string, pod: "A" | "B", protocol: 2 | 3, kind: NodeAdapter): PeerPlan => ({
    name,
    pod,
    command: (redisUrl) => ({
      file: process.execPath,
      args: [inRoot("test", "peers", "node", "server.mjs"), redisUrl, library, String(protocol), kind],
    }),
  });
  const last = adapter === "classic" ? "specific" : adapter;
  return {
    peers: [peer("A1", "A", 2, adapter), peer("A2", "A", 3, adapter), peer("B", "B", 3, last)],
    namespaces: ["/", "/admin"],
    clientsPerNamespace: 2,
    broadcast: (event, argument, namespace) => ({ op: "emit", event, args: [argument], namespace }),
    enter: (sid, room) => ({ op: "join", local: true, rooms: [sid], join: room }),
    leave: (sid, room) => ({ op: "leave", local: true, rooms: [sid], leave: room }),
    ...(adapter === "sharded" ? { shardChannel: (room: string) => `socket.io#/#${room}#` } : {}),
  };
}
