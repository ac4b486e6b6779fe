/**
 * Scene `idle-workers`: what a pod's worker spends on frames that none of its users is to see. Pod A publishes on the channel
 * that all pods share (0.9.5), first for users whose sockets are at A, then for users whose sockets are at C. Pod B has users of
 * its own, for whom nothing comes. All workers are real python-socketio servers.
 */
import type { Spread } from "../statistics.js";
import { userOf } from "./answers.js";
import { type Goal, goal, type Leg, spreadOf, timesLess, type Way, ways } from "./figures.js";
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

/** One place of the sockets, both ways. */
export interface IdleCase {
  ways: IdleWorkers[];
  /** The idle worker's processor time with sidecars as a share of direct, and with its sidecar's own added. */
  workerShare: Spread | null;
  podShare: Spread | null;
}

/** The case in which pod A publishes for users of its own, and beside it the one in which their sockets are at pod C. */
export interface IdleWorkersResult extends IdleCase {
  scene: "idle-workers";
  streams: number;
  elsewhere: IdleCase;
  goals: Goal[];
  notes: string[];
}

const STREAMS = 30;
/** Real workers manage fewer streams than light ones. */
const WARM_STREAMS = 12;
const JOB = { shape: "0.9.5", fps: 50, tokens: 600, from: 0, anywhere: true } as const;
const PODS = 3;
const [A, B, C] = [0, 1, 2];
const SOCKETS = ["sticky", "elsewhere"] as const;
type Sockets = (typeof SOCKETS)[number];

function usersOf(pod: number): string[] {
  return Array.from({ length: STREAMS }, (_, i) => userOf(pod, i));
}

/** For whom pod A publishes. */
const audience: Record<Sockets, string[]> = { sticky: usersOf(A), elsewhere: usersOf(C) };

type Legs = Record<Way, Leg[]>;

export async function idleWorkers(options: SceneOptions, say: Say): Promise<IdleWorkersResult> {
  const rounds = options.quick ? 1 : (options.rounds ?? 3);
  const pace = new Pace(options.seconds - STOP_S, SOCKETS.length * ways.length * rounds, ASIDE_S);
  const fleet = await startFleet({ pods: PODS, workers: 0 });
  const legs: Record<Sockets, Legs> = {
    sticky: { direct: [], sidecar: [] },
    elsewhere: { direct: [], sidecar: [] },
  };
  let crew: Crew | undefined;
  try {
    crew = await startCrew(fleet, usersOf);
    const { workers, browsers } = crew;
    await warmUp(fleet, WARM_STREAMS, () => decodedBy([...workers.direct, ...workers.sidecar]));
    for (const sockets of SOCKETS) {
      say(
        `idle-workers: pod A publishes, its users' sockets are ${sockets === "sticky" ? "at A" : "at C"}, pod B is idle`,
      );
      for (let round = 0; round < rounds; round++) {
        for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
          const leg = await runLeg(fleet, {
            way,
            streams: [STREAMS],
            job: JOB,
            usersAt: () => audience[sockets],
            warm: WARM_S,
            seconds: pace.next(),
            workers: workers[way].map(({ pid }) => pid),
            bystanders: [browsers.pid],
            workersHeard: () => workers[way][B]!.decoded(),
          });
          legs[sockets][way].push(leg);
          say(lineOf(leg));
        }
      }
    }
  } finally {
    await crew?.stop();
    await fleet.stop();
  }
  const [sticky, elsewhere] = SOCKETS.map((sockets) => caseOf(legs[sockets])) as [IdleCase, IdleCase];
  const bound = 0.05;
  return {
    scene: "idle-workers",
    streams: STREAMS,
    ...sticky,
    elsewhere,
    goals: [
      goal("CPU of an idle pod's worker, share of direct", "most", bound, sticky.workerShare?.median),
      goal("the same, users' sockets at a third pod", "most", bound, elsewhere.workerShare?.median),
    ],
    notes: [
      "each sidecar has a state directory, as the injector gives it: from there on it may know its pod's users",
      "each user has a socket.io-client at its own pod; the worker notes it in the session pool, through the pod's sidecar, and then lets it join its room",
    ],
  };
}

function lineOf(leg: Leg): string {
  const us = (ms: number | undefined) => (((ms ?? 0) * 1000) / leg.published).toFixed(1);
  return (
    `  ${leg.way.padEnd(7)} µs a frame published: idle worker ${us(leg.workersMs[B])}, its sidecar ${us(leg.sidecarsMs[B])}, ` +
    `publishing pod's worker ${us(leg.workersMs[A])}; decoded ${leg.delivered} of ${leg.published}, others' ${leg.foreignCores.toFixed(2)}`
  );
}

/** The legs' `delivered` is what the idle worker has decoded. */
function caseOf(legs: Legs): IdleCase {
  const us = (way: Way, ms: (leg: Leg) => number | undefined) =>
    spreadOf(legs[way], (leg) => ((ms(leg) ?? Number.NaN) * 1000) / leg.published);
  const share = (ms: (leg: Leg) => number) => timesLess(legs.sidecar, legs.direct, (leg) => ms(leg) / leg.published);
  const sum = (way: Way, of: (leg: Leg) => number) => legs[way].reduce((total, leg) => total + of(leg), 0);
  return {
    ways: ways.map((way) => ({
      way,
      framesPerSecond: spreadOf(legs[way], (leg) => leg.published / leg.seconds),
      decodedShare: sum(way, (leg) => leg.delivered) / sum(way, (leg) => leg.published),
      idleWorkerUs: us(way, (leg) => leg.workersMs[B]),
      idleSidecarUs: us(way, (leg) => leg.sidecarsMs[B]),
      busyWorkerUs: us(way, (leg) => leg.workersMs[A]),
      serverUs: us(way, (leg) => leg.serverMs),
      foreignCores: spreadOf(legs[way], (leg) => leg.foreignCores),
    })),
    workerShare: share((leg) => leg.workersMs[B]!),
    podShare: share((leg) => leg.workersMs[B]! + (leg.sidecarsMs[B] ?? 0)),
  };
}
