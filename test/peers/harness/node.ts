/** Worlds of Node Socket.IO servers with @socket.io/redis-adapter: two behind the sidecar of pod A, one in pod B. */
import { inRoot } from "../../support/root.js";
import type { PeerPlan, WorldPlan } from "./world.js";

export type NodeLibrary = "ioredis" | "node-redis";

/** A1 speaks RESP2 with its sidecar, A2 and B RESP3; B asks for answers on a channel of its own. */
export function nodeWorld(library: NodeLibrary): WorldPlan {
  const peer = (name: string, pod: "A" | "B", protocol: 2 | 3): PeerPlan => ({
    name,
    pod,
    command: (redisUrl) => ({
      file: process.execPath,
      args: [inRoot("test", "peers", "node", "server.mjs"), redisUrl, library, String(protocol)],
    }),
  });
  return {
    peers: [peer("A1", "A", 2), peer("A2", "A", 3), peer("B", "B", 3)],
    namespaces: ["/", "/admin"],
    clientsPerNamespace: 2,
    broadcast: (event, argument, namespace) => ({ op: "emit", event, args: [argument], namespace }),
    enter: (sid, room) => ({ op: "join", local: true, rooms: [sid], join: room }),
    leave: (sid, room) => ({ op: "leave", local: true, rooms: [sid], leave: room }),
  };
}
