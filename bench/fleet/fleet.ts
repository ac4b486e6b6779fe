/**
 * The arrangement that all scenes share: for each way a server of its own with its pods, and one process per pod that
 * publishes and one that listens, which serve both ways in turn. So legs can take turns without starting anything.
 *
 *   publisher 0 … P-1 ──▶ direct:  server                    ◀── listener 0 … P-1, W connections each
 *                     └─▶ sidecar: sidecar 0 … P-1 ─ server  ◀──┘
 */
import { join } from "node:path";
import { RespClient } from "../../test/support/resp-client.js";
import { type Server, startServer } from "../../test/support/server.js";
import { connected } from "../../test/support/sessions.js";
import { type Sidecar, startSidecar } from "../../test/support/sidecar.js";
import { type Way, ways } from "./figures.js";
import { Hand } from "./ipc.js";
import type { OpenRequest } from "./jobs.js";
import { ServerMeter } from "./meter.js";

/** One way: its server and where each pod's apps connect. */
export interface Line {
  way: Way;
  server: Server;
  meter: ServerMeter;
  sidecars: Sidecar[];
  /** The port that the apps of each pod are told. */
  ports: number[];
}

export interface FleetOptions {
  pods: number;
  /** Light workers of each pod. */
  workers: number;
  ways?: readonly Way[];
  /** What the workers of a pod subscribe to; none: the pod has no light workers. */
  channels?: (pod: number) => string[];
  /** Where a timed chat's name begins in a payload; absent: nothing is timed. */
  chatAt?: number;
  /** Users whose sockets are at a pod: written to the session pool as Open WebUI does when they connect. */
  users?: (pod: number) => string[];
  /** KEYFRAME_* for the sidecars. */
  env?: Record<string, string>;
}

export interface Fleet {
  options: FleetOptions;
  lines: Partial<Record<Way, Line>>;
  publishers: Hand[];
  listeners: Hand[];
  /** The line of a way; throws where the fleet has none. */
  line(way: Way): Line;
  /** Ends everything, sidecars before their server. */
  stop(): Promise<void>;
}

export const SHARED_CHANNEL = "socketio";

/** Starts servers, sidecars and processes and subscribes all light workers. On failure nothing is left behind. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const lines: Partial<Record<Way, Line>> = {};
  const publishers: Hand[] = [];
  const listeners: Hand[] = [];
  const fleet: Fleet = {
    options,
    lines,
    publishers,
    listeners,
    line(way) {
      const line = lines[way];
      if (line === undefined) throw new Error(`this fleet has no ${way} line`);
      return line;
    },
    async stop() {
      await Promise.all([...publishers, ...listeners].map((hand) => hand.stop()));
      await Promise.all(Object.values(lines).map(stopLine));
    },
  };
  try {
    for (const way of options.ways ?? ways) lines[way] = await startLine(way, options);
    for (let pod = 0; pod < options.pods; pod++) {
      publishers.push(new Hand("publisher"));
      if (options.workers > 0) listeners.push(new Hand("subscriber"));
    }
    // The app subscribes when it starts, and its users come afterwards.
    for (const line of Object.values(lines)) await subscribe(line, listeners, options);
    for (const line of Object.values(lines)) await registerUsers(line, options);
  } catch (error) {
    await fleet.stop();
    throw error;
  }
  return fleet;
}

async function startLine(way: Way, { pods, env = {} }: FleetOptions): Promise<Line> {
  const server = await startServer();
  const sidecars: Sidecar[] = [];
  try {
    const meter = await ServerMeter.open(server.port);
    if (way === "direct") return { way, server, meter, sidecars, ports: new Array<number>(pods).fill(server.port) };
    const starts = Array.from({ length: pods }, (_, pod) => {
      // As the injector gives it, a directory for the pod's users; it goes with the server's.
      const state = { KEYFRAME_STATE_DIR: join(server.dir, `pod-${pod}`) };
      return startSidecar({ upstream: server.url, env: { ...state, ...env } });
    });
    const started = await Promise.allSettled(starts);
    sidecars.push(...started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
    const failed = started.find((one) => one.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    await Promise.all(sidecars.map((sidecar) => sidecar.ready()));
    return { way, server, meter, sidecars, ports: sidecars.map(({ port }) => port) };
  } catch (error) {
    await Promise.all(sidecars.map((sidecar) => sidecar.stop("SIGKILL")));
    await server.stop("SIGKILL");
    throw error;
  }
}

async function stopLine({ meter, sidecars, server }: Line): Promise<void> {
  await meter.close();
  await Promise.all(sidecars.map((sidecar) => sidecar.stop("SIGKILL")));
  await server.stop("SIGKILL");
}

async function subscribe(line: Line, listeners: readonly Hand[], options: FleetOptions): Promise<void> {
  const { workers, channels = () => [SHARED_CHANNEL], chatAt } = options;
  await Promise.all(
    listeners.map(async (hand, pod) => {
      const names = channels(pod);
      if (names.length === 0) return;
      const timed = chatAt === undefined ? {} : { chatAt };
      const request = { group: line.way, port: line.ports[pod]!, connections: workers, names, ...timed };
      await hand.ask("open", request satisfies OpenRequest);
    }),
  );
}

async function registerUsers(line: Line, { pods, users }: FleetOptions): Promise<void> {
  if (users === undefined) return;
  for (let pod = 0; pod < pods; pod++) {
    const client = await RespClient.connect({ port: line.ports[pod]! });
    try {
      for (const [i, user] of users(pod).entries()) await connected(client, user, `${pod}_${i}`);
    } finally {
      await client.close();
    }
  }
}
