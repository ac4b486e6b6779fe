/**
 * Scene `load`: what streams of 50 tokens a second cost a fleet of four pods, straight at the server and through sidecars, and
 * what gives out first. The ways take turns, leg by leg.
 */
import { makeAnswer, type Shape } from "../generate.js";
import { chatAt, userOf } from "./answers.js";
import { type Goal, goal, type Way } from "./figures.js";
import { startFleet } from "./fleet.js";
import { type LoadOptions, spreadStreams } from "./leg.js";
import { type OneWay, oneWay } from "./one-way.js";
import { Pace } from "./pace.js";
import {
  ASIDE_S,
  FPS,
  JOB,
  type LoadPoint,
  type Say,
  type SceneOptions,
  SHAPE,
  STOP_S,
  TOKENS,
  takeTurns,
  WARM_S,
  warmUp,
} from "./turns.js";
import { type Crew, decodedBy, startCrew } from "./workers.js";

export interface LoadSetting {
  pods: number;
  workersPerPod: number;
  /** "light": connections that count and drop. "python-socketio": real servers with a browser for each user of their pod. */
  workers: "light" | "python-socketio";
  points: LoadPoint[];
}

export interface LoadResult {
  scene: "load";
  shape: Shape;
  tokensPerSecond: number;
  settings: LoadSetting[];
  oneWay: OneWay[];
  goals: Goal[];
  notes: string[];
}

const PODS = 4;
const STREAMS = [1, 10, 30, 100, 300];
const PYTHON_STREAMS = [10, 30];
async function light(workersPerPod: number, seconds: number, rounds: number, say: Say): Promise<LoadSetting> {
  const pace = new Pace(seconds - STOP_S, STREAMS.length * 2 * rounds, ASIDE_S);
  say(`load: ${PODS} pods × ${workersPerPod} light workers`);
  const fleet = await startFleet({ pods: PODS, workers: workersPerPod, chatAt: chatAt(SHAPE) });
  try {
    await warmUp(fleet);
    const legOf = (way: Way, streams: number) => ({
      way,
      streams: spreadStreams(streams, PODS),
      job: JOB,
      warm: WARM_S,
      seconds: pace.next(),
    });
    const points = await takeTurns(fleet, STREAMS, rounds, legOf, say);
    return { pods: PODS, workersPerPod, workers: "light", points };
  } finally {
    await fleet.stop();
  }
}

async function real(seconds: number, rounds: number, say: Say): Promise<LoadSetting> {
  const pace = new Pace(seconds - STOP_S, PYTHON_STREAMS.length * 2 * rounds, ASIDE_S);
  say(`load: ${PODS} pods × 1 python-socketio worker`);
  const fleet = await startFleet({ pods: PODS, workers: 0 });
  let crew: Crew | undefined;
  try {
    const most = spreadStreams(Math.max(...PYTHON_STREAMS), PODS);
    crew = await startCrew(fleet, (pod) => Array.from({ length: most[pod]! }, (_, i) => userOf(pod, i)));
    const { workers, browsers } = crew;
    await warmUp(fleet);
    const legOf = (way: Way, streams: number): LoadOptions => ({
      way,
      streams: spreadStreams(streams, PODS),
      job: JOB,
      warm: WARM_S,
      seconds: pace.next(),
      workers: workers[way].map(({ pid }) => pid),
      workersHeard: () => decodedBy(workers[way]),
      bystanders: [browsers.pid],
    });
    const points = await takeTurns(fleet, PYTHON_STREAMS, rounds, legOf, say);
    return { pods: PODS, workersPerPod: 1, workers: "python-socketio", points };
  } finally {
    await crew?.stop();
    await fleet.stop();
  }
}

/** The mean payload of an answer, for a caption. */
function meanBytes(): number {
  const frames = makeAnswer({ shape: SHAPE, tokens: TOKENS, seed: 1 });
  return Math.round(frames.reduce((sum, { payload }) => sum + payload.length, 0) / frames.length);
}

export async function load(options: SceneOptions, say: Say): Promise<LoadResult> {
  const { seconds, rounds = 3 } = options;
  // The shares in which the parts need time: by their legs.
  const share = seconds / 16;
  const four = await light(1, share * 6, rounds, say);
  const sixteen = await light(4, share * 6, rounds, say);
  const python = await real(share * 2.5, rounds, say);
  const ways12 = await oneWay({ seconds: share * 1.5, rounds }, say);
  const settings = [four, sixteen, python];
  const at = (setting: LoadSetting, streams: number) => setting.points.find((point) => point.streams === streams);
  const goals = [
    goal("4 × 4, 100 streams: server CPU, times less", "least", 10, at(sixteen, 100)?.serverTimesLess?.median),
    ...[1, 10, 30].map((streams) =>
      goal(
        `4 × 4, ${streams} streams: server CPU, times less`,
        "least",
        1,
        at(sixteen, streams)?.serverTimesLess?.median,
      ),
    ),
    ...[1, 10, 30].map((streams) =>
      goal(`4 × 1, ${streams} streams: server CPU, times less`, "least", 1, at(four, streams)?.serverTimesLess?.median),
    ),
    ...PYTHON_STREAMS.map((streams) =>
      goal(
        `4 × 1 python-socketio, ${streams} streams: all CPU, times less`,
        "least",
        1,
        at(python, streams)?.totalTimesLess?.median,
      ),
    ),
    ...[10, 30, 100].map((streams) =>
      goal(
        `4 × 4 light, ${streams} streams: all CPU, times less`,
        "least",
        1,
        at(sixteen, streams)?.totalTimesLess?.median,
      ),
    ),
    goal("4 × 4, 100 streams: added latency p50, ms", "most", 1, at(sixteen, 100)?.addedP50Ms),
    goal("4 × 4, 100 streams: added latency p99, ms", "most", 8, at(sixteen, 100)?.addedP99Ms),
    ...ways12.flatMap((one) => one.goals),
  ];
  return {
    scene: "load",
    shape: SHAPE,
    tokensPerSecond: FPS,
    settings,
    oneWay: ways12,
    goals,
    notes: [
      `payloads ${meanBytes()} B in the mean, as recorded answers of 600 tokens have; each stream begins somewhere in its answer`,
      "light workers subscribe, count and drop; they parse nothing, so their CPU is the least that a worker can cost",
      "python-socketio workers receive, decode and send to the browsers of their own pod's users: a quarter of the frames; each has a socket.io-client",
      "all CPU = server + workers + sidecars; the processes that publish in the apps' place are not in it",
      "latency is from PUBLISH written to payload read by a worker of another pod, all frames of one stream of each pod",
    ],
  };
}
