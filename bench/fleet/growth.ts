/**
 * Scene `growth`: how cost grows with pods and with streams. Two pods are real, with sidecars of their own; further ones are
 * simulated by connections that subscribe as an app (direct) or as a sidecar does, and drop what they hear: what they cost
 * the server is real, what they would spend themselves is not looked at.
 */
import { chatAt } from "./answers.js";
import { type Goal, goal, type Way, ways } from "./figures.js";
import { type Fleet, SHARED_CHANNEL, startFleet } from "./fleet.js";
import { Hand } from "./ipc.js";
import type { Heard, OpenRequest } from "./jobs.js";
import { type LoadOptions, spreadStreams } from "./leg.js";
import {
  JOB,
  type LoadPoint,
  type Part,
  paceOf,
  type Say,
  type SceneOptions,
  takeTurns,
  WARM_S,
  warmUp,
} from "./turns.js";

export interface PodsPoint extends LoadPoint {
  pods: number;
  simulated: number;
  /** Simulated pods that the server has dropped because they read too slowly: then its cost is too low. */
  dropped: number;
}

export interface GrowthResult {
  scene: "growth";
  /** Cost by pods, at a fixed load. */
  podsStreams: number;
  pods: PodsPoint[];
  /** What one more pod costs the server, µs a published frame: the slope of a line through the points (a model). */
  serverUsPerPod: Record<Way, number>;
  /** Cost by streams, on two real pods. */
  framesPerSecondAtMost: number;
  streams: LoadPoint[];
  goals: Goal[];
  notes: string[];
}

const REAL = 2;
const PODS = [2, 4, 8, 16, 32, 64];
const PODS_STREAMS = 20;
const STREAMS = [1, 10, 100, 500, 2_000];
const QUICK = { pods: [2, 16, 64], streams: [1, 100, 2_000] };
/** All streams together: with many of them each is slower, so that it is their number that grows and not the frames. */
const FRAMES_PER_S = 1_000;
/** What a sidecar subscribes to for the shared channel, in one command. */
const SIDECAR_NAMES = [SHARED_CHANNEL, `~kf1~${SHARED_CHANNEL}`];

export async function growth(options: SceneOptions, say: Say): Promise<GrowthResult> {
  const rounds = options.quick ? 1 : Math.min(options.rounds ?? 2, 2);
  const loads = options.quick ? QUICK : { pods: PODS, streams: STREAMS };
  const pods = await byPods({ seconds: options.seconds * 0.55, rounds, loads: loads.pods }, say);
  const streams = await byStreams({ seconds: options.seconds * 0.45, rounds, loads: loads.streams }, say);
  const serverUsPerPod = { direct: 0, sidecar: 0 };
  for (const way of ways) serverUsPerPod[way] = slope(pods.map((point) => [point.pods, serverUs(point, way)]));
  const last = streams.at(-1)!;
  const middle = streams.find((point) => point.streams === 100)!;
  return {
    scene: "growth",
    podsStreams: PODS_STREAMS,
    pods,
    serverUsPerPod,
    framesPerSecondAtMost: FRAMES_PER_S,
    streams,
    goals: [
      goal(
        "server CPU that one more pod costs, sidecars as a share of direct",
        "most",
        1,
        serverUsPerPod.sidecar / serverUsPerPod.direct,
      ),
      goal(
        "sidecar CPU a frame, 2,000 streams by 100 streams at the same frames/s",
        "most",
        2,
        (last.sidecar.sidecarUsPerFrame?.median ?? Number.NaN) /
          (middle.sidecar.sidecarUsPerFrame?.median ?? Number.NaN),
      ),
    ],
    notes: [
      `pods beyond ${REAL} are simulated: connections that subscribe to ${SIDECAR_NAMES.join(" and ")} in one command (sidecar) or to ${SHARED_CHANNEL} (direct) and drop what they hear`,
      "worker and total figures are of the two real pods only",
      "what one more pod costs is a straight line fitted to the points",
    ],
  };
}

function serverUs(point: LoadPoint, way: Way): number {
  return point[way].serverUsPerPublished?.median ?? Number.NaN;
}

/** Slope of the least-squares line through the points. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return over / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}

async function byPods(part: Part, say: Say): Promise<PodsPoint[]> {
  const pace = paceOf(part);
  const fleet = await startFleet({ pods: REAL, workers: 1, chatAt: chatAt(JOB.shape) });
  const crowd = new Hand("subscriber");
  const points: PodsPoint[] = [];
  const legOf = (way: Way, streams: number): LoadOptions => ({
    way,
    streams: spreadStreams(streams, REAL),
    job: JOB,
    warm: WARM_S,
    seconds: pace.next(),
    bystanders: [crowd.pid],
  });
  try {
    await warmUp(fleet);
    let simulated = 0;
    for (const pods of part.loads) {
      say(`growth: ${pods} pods, ${pods - REAL} of them simulated, ${PODS_STREAMS} streams`);
      await join(fleet, crowd, pods - REAL - simulated);
      simulated = pods - REAL;
      const [point] = await takeTurns(fleet, [PODS_STREAMS], part.rounds, legOf, say);
      points.push({ pods, simulated, dropped: await mend(crowd), ...point! });
    }
  } finally {
    await crowd.stop();
    await fleet.stop();
  }
  return points;
}

/** That many pods more, on both lines. */
async function join(fleet: Fleet, crowd: Hand, connections: number): Promise<void> {
  if (connections === 0) return;
  for (const way of ways) {
    const names = way === "direct" ? [SHARED_CHANNEL] : SIDECAR_NAMES;
    const port = fleet.line(way).server.port;
    await crowd.ask("open", { group: way, port, connections, names } satisfies OpenRequest);
  }
}

/** How many of the crowd were dropped since the last time; they are connected anew. */
async function mend(crowd: Hand): Promise<number> {
  let dropped = 0;
  for (const way of ways) {
    dropped += (await crowd.ask<Heard>("heard", way)).dropped;
    await crowd.ask("mend", way);
  }
  return dropped;
}

async function byStreams(part: Part, say: Say): Promise<LoadPoint[]> {
  const pace = paceOf(part);
  say(`growth: two pods, ${part.loads.join(", ")} streams, at most ${FRAMES_PER_S} frames/s in all`);
  const fleet = await startFleet({ pods: REAL, workers: 1, chatAt: chatAt(JOB.shape) });
  const legOf = (way: Way, streams: number): LoadOptions => {
    const fps = Math.min(JOB.fps, FRAMES_PER_S / streams);
    // Each stream has had its first frame, which goes whole, before the counters are looked at.
    const warm = WARM_S + 1 / fps;
    return {
      way,
      streams: spreadStreams(streams, REAL),
      job: { ...JOB, fps },
      warm,
      seconds: pace.next(),
    };
  };
  try {
    await warmUp(fleet);
    return await takeTurns(fleet, part.loads, part.rounds, legOf, say);
  } finally {
    await fleet.stop();
  }
}
