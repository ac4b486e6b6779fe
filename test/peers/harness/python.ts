/** Worlds of python-socketio peers: a server in each pod and, in pod A, processes that only publish. */

import { type PythonVenv, python } from "../../support/python.js";
import { inRoot } from "../../support/root.js";
import type { PeerPlan, WorldPlan } from "./world.js";

export interface PythonFleet {
  venv: PythonVenv;
  json: "stdlib" | "compact";
  /** One channel for everything, or a channel per room as Open WebUI has it from 0.12 on. */
  rooms?: "shared" | "exact" | "pattern";
  /** Writers W (asynchronous) and S (synchronous) beside the servers. */
  writers?: boolean;
}

/** Pod A speaks RESP2 with its sidecar, pod B RESP3, so each world shows both, sending and receiving. */
export function pythonWorld(fleet: PythonFleet): WorldPlan {
  const peer = (name: string, pod: "A" | "B", script: string, ...more: string[]): PeerPlan => ({
    name,
    pod,
    command: (redisUrl) => ({
      file: python(fleet.venv),
      args: [
        inRoot("test", "peers", "python", script),
        ...["--redis", redisUrl, "--protocol", pod === "A" ? "2" : "3", "--json", fleet.json, ...more],
      ],
    }),
  });
  const rooms = fleet.rooms ?? "shared";
  const peers = [
    peer("A", "A", "server.py", "--rooms", rooms),
    peer("B", "B", "server.py", "--rooms", rooms),
    ...(fleet.writers ? [peer("W", "A", "emitter.py"), peer("S", "B", "emitter.py", "--kind", "sync")] : []),
  ];
  return {
    peers,
    namespaces: ["/", "/admin"],
    clientsPerNamespace: 2,
    broadcast: (event, argument, namespace) => ({ op: "emit", event, data: argument, namespace }),
    enter: (sid, room) => ({ op: "enter", sid, room }),
    leave: (sid, room) => ({ op: "leave", sid, room }),
  };
}
