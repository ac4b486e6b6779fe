/**
 * Scene `idle-workers`: what a pod's worker spends on frames that none of its users is to see. Pod A publishes for its own
 * users on the channel that all pods share (0.9.5); pod B has users of its own, for whom nothing comes. Both workers are
 * real python-socketio servers.
 */
import { userOf } from "./answers.js";
import { type Goal, goal, type Leg, type Spread, spreadOf, timesLess, type Way, ways } from "./figures.js";
import { startFleet } from "./fleet.js";
import { runLeg } from "./leg.js";
import { Pace } from "./pace.js";
import { ASIDE_S, type Say, type SceneOptions, STOP_S, WARM_S, warmUp } from "./turns.js";
import { type Crew, decodedBy, startCrew } from "./workers.js";

/** One way's rounds. Microseconds are of processor time, by frames that pod A published. */
export interface IdleWorkers {
  way: Way;
  framesPerSecond: Spread | null;
  /** Frames that the idle worker received and decoded, by those published: 1 where it hears them all. */
  decodedShare: number;
  idleWorkerUs: Spread | null;
  idleSidecarUs: Spread | null;
  busyWorkerUs: Spread | null;
  serverUs: Spread | null;
  foreignCores: Spread | null;
}

export interface IdleWorkersResult {
  scene: "idle-workers";
  streams: number;
  ways: IdleWorkers[];
  /** The idle worker's processor time with sidecars as a share of direct, and with its sidecar's own added. */
  workerShare: Spread | null;
  podShare: Spread | null;
  goals: Goal[];
  notes: string[];
}

const STREAMS = 30;
/** Real workers manage fewer streams than light ones. */
const WARM_STREAMS = 12;
const JOB = { shape: "0.9.5", fps: 50, tokens: 600, from: 0, anywhere: true } as const;
const [A, B] = [0, 1];

const users = (pod: number) => Array.from({ length: STREAMS }, (_, i) => userOf(pod, i));

export async function idleWorkers(options: SceneOptions, say: Say): Promise<IdleWorkersResult> {
  const rounds = options.quick ? 1 : (options.rounds ?? 3);
  say("idle-workers: pod A publishes for its own users, pod B's users get nothing");
  const pace = new Pace(options.seconds - STOP_S, 2 * rounds, ASIDE_S);
  const fleet = await startFleet({ pods: 2, workers: 0 });
  const legs: Record<Way, Leg[]> = { direct: [], sidecar: [] };
  const decoded: Record<Way, number> = { direct: 0, sidecar: 0 };
  let crew: Crew | undefined;
  try {
    crew = await startCrew(fleet, users);
    const { workers, browsers } = crew;
    await warmUp(fleet, WARM_STREAMS, () => decodedBy([...workers.direct, ...workers.sidecar]));
    for (let round = 0; round < rounds; round++) {
      for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
        const idle = workers[way][B]!;
        const pids = workers[way].map(({ pid }) => pid);
        const workersHeard = () => idle.decoded();
        const leg = await runLeg(fleet, {
          way,
          streams: [STREAMS, 0],
          job: JOB,
          warm: WARM_S,
          seconds: pace.next(),
          workers: pids,
          bystanders: [browsers.pid],
          workersHeard,
        });
        legs[way].push(leg);
        decoded[way] += leg.delivered;
        const us = (ms: number | undefined) => (((ms ?? 0) * 1000) / leg.published).toFixed(1);
        say(
          `  ${way.padEnd(7)} µs a frame published: idle worker ${us(leg.workersMs[B])}, its sidecar ${us(leg.sidecarsMs[B])}, ` +
            `publishing pod's worker ${us(leg.workersMs[A])}; decoded ${leg.delivered} of ${leg.published}, others' ${leg.foreignCores.toFixed(2)}`,
        );
      }
    }
  } finally {
    await crew?.stop();
    await fleet.stop();
  }
  return resultOf(legs, decoded);
}

function resultOf(legs: Record<Way, Leg[]>, decoded: Record<Way, number>): IdleWorkersResult {
  const us = (way: Way, ms: (leg: Leg) => number | undefined) =>
    spreadOf(legs[way], (leg) => ((ms(leg) ?? Number.NaN) * 1000) / leg.published);
  const share = (ms: (leg: Leg) => number) => timesLess(legs.sidecar, legs.direct, (leg) => ms(leg) / leg.published);
  const published = (way: Way) => legs[way].reduce((sum, leg) => sum + leg.published, 0);
  const workerShare = share((leg) => leg.workersMs[B]!);
  return {
    scene: "idle-workers",
    streams: STREAMS,
    ways: ways.map((way) => ({
      way,
      framesPerSecond: spreadOf(legs[way], (leg) => leg.published / leg.seconds),
      decodedShare: decoded[way] / published(way),
      idleWorkerUs: us(way, (leg) => leg.workersMs[B]),
      idleSidecarUs: us(way, (leg) => leg.sidecarsMs[B]),
      busyWorkerUs: us(way, (leg) => leg.workersMs[A]),
      serverUs: us(way, (leg) => leg.serverMs),
      foreignCores: spreadOf(legs[way], (leg) => leg.foreignCores),
    })),
    workerShare,
    podShare: share((leg) => leg.workersMs[B]! + (leg.sidecarsMs[B] ?? 0)),
    goals: [goal("CPU of an idle pod's worker, share of direct", "most", 0.05, workerShare?.median)],
    notes: [
      "each sidecar has a state directory, as the injector gives it: from there on it may know its pod's users",
      "each user has a socket.io-client at its own pod; the worker notes it in the session pool, through the pod's sidecar, and then lets it join its room",
    ],
  };
}
