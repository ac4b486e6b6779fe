/**
 * Scene `load`: what streams of 50 tokens a second cost a fleet of four pods, straight at the server and through sidecars, and
 * what gives out first. The ways take turns, leg by leg.
 */
import { makeAnswer, type Shape } from "../generate.js";
import { chatAt, userOf } from "./answers.js";
import { type Goal, goal, type Way, ways } from "./figures.js";
import { type Fleet, startFleet } from "./fleet.js";
import { type LoadOptions, runLeg, spreadStreams } from "./leg.js";
import { type OneWay, oneWay } from "./one-way.js";
import {
  FPS,
  findLimit,
  JOB,
  type Limit,
  type LoadPoint,
  type Part,
  paceOf,
  type Say,
  type SceneOptions,
  SHAPE,
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
  /** Cores that a way takes while nobody publishes; what is measured at one stream is little more. */
  idle: Idle[];
  /** Where each way gives out, if that was looked for. */
  limits: Limit[];
}

export interface Idle {
  way: Way;
  serverCores: number;
  /** All sidecars together. */
  sidecarCores: number;
}

export interface LoadResult {
  scene: "load";
  shape: Shape;
  tokensPerSecond: number;
  /** Light workers, whose users are unknown, so that every pod hears every frame; and real ones with sticky sockets. */
  settings: LoadSetting[];
  /** Light workers whose users are in the session pool of the pod that publishes for them: nothing need leave it. */
  known: LoadSetting;
  /** Real workers, every socket at another pod than the one that publishes for it. */
  elsewhere: LoadSetting;
  oneWay: OneWay[];
  goals: Goal[];
  notes: string[];
}

const PODS = 4;
const STREAMS = [1, 10, 30, 100, 300];
const PYTHON_STREAMS = [10, 30];
/** Where the search for what gives out begins, and where it ends. */
const LIMIT_STREAMS = [300, 1_200] as const;
const LIMIT_S = 2.5;
const LIMIT_ALL_S = 20;
const IDLE_S = 2;
const KNOWN_STREAMS = [1, 10, 100];
const QUICK = { light: [1, 10, 100], python: [10] };
/** Real workers manage fewer streams than light ones. */
const PYTHON_WARM_STREAMS = 12;
/** Users of a pod whose sockets are at the next one are numbered from here. */
const MOVED = 0x100;

async function idleOf(fleet: Fleet, way: Way): Promise<Idle> {
  const leg = await runLeg(fleet, { way, streams: [], job: JOB, warm: 0, seconds: IDLE_S });
  const cores = (ms: number) => ms / 1000 / leg.seconds;
  return { way, serverCores: cores(leg.serverMs), sidecarCores: cores(leg.sidecarMs) };
}

/** @param known the users whose sockets are at their chats' pods are in the session pool; then no pod hears another's chats */
async function light(
  workersPerPod: number,
  part: Part & { limit?: boolean; known?: boolean },
  say: Say,
): Promise<LoadSetting> {
  const pace = paceOf({ ...part, seconds: part.seconds - (part.limit ? LIMIT_ALL_S : 0) });
  say(`load: ${PODS} pods × ${workersPerPod} light workers${part.known ? ", sticky sockets" : ""}`);
  const each = spreadStreams(Math.max(...part.loads), PODS);
  const users = (pod: number) => Array.from({ length: each[pod]! }, (_, i) => userOf(pod, i));
  const fleet = await startFleet({
    pods: PODS,
    workers: workersPerPod,
    ...(part.known ? { users } : { chatAt: chatAt(SHAPE) }),
  });
  try {
    await warmUp(fleet);
    const legOf = (way: Way, streams: number) => ({
      way,
      streams: spreadStreams(streams, PODS),
      job: JOB,
      warm: WARM_S,
      seconds: pace.next(),
    });
    const idle: Idle[] = [];
    for (const way of ways) idle.push(await idleOf(fleet, way));
    const points = await takeTurns(fleet, part.loads, part.rounds, legOf, say);
    const limitOf = (way: Way, streams: number) => ({ ...legOf(way, streams), seconds: LIMIT_S });
    const limits = part.limit ? await findLimit(fleet, ...LIMIT_STREAMS, limitOf, say) : [];
    return { pods: PODS, workersPerPod, workers: "light", idle, points, limits };
  } finally {
    await fleet.stop();
  }
}

/** Users' sockets are at the pod that publishes for them, and then at the next one. */
async function real(part: Part, say: Say): Promise<{ sticky: LoadSetting; elsewhere: LoadSetting }> {
  const most = Math.max(...part.loads);
  const pace = paceOf({ ...part, loads: [...part.loads, most] });
  const fleet = await startFleet({ pods: PODS, workers: 0 });
  let crew: Crew | undefined;
  try {
    const each = spreadStreams(most, PODS);
    const usersOf = (pod: number) => Array.from({ length: each[pod]! }, (_, i) => userOf(pod, i));
    // Each pod's browsers: those for whom it publishes, and those for whom the pod before it does.
    const moved = (pod: number) => usersOf(pod).map((_, i) => userOf(pod + MOVED, i));
    crew = await startCrew(fleet, (pod) => [...usersOf(pod), ...moved((pod + PODS - 1) % PODS)]);
    const { workers, browsers } = crew;
    await warmUp(fleet, PYTHON_WARM_STREAMS, () => decodedBy([...workers.direct, ...workers.sidecar]));
    const legOf =
      (usersAt: (pod: number) => string[]) =>
      (way: Way, streams: number): LoadOptions => ({
        way,
        streams: spreadStreams(streams, PODS),
        job: JOB,
        usersAt,
        warm: WARM_S,
        seconds: pace.next(),
        workers: workers[way].map(({ pid }) => pid),
        workersHeard: () => decodedBy(workers[way]),
        bystanders: [browsers.pid],
      });
    const setting = { pods: PODS, workersPerPod: 1, workers: "python-socketio" } as const;
    say(`load: ${PODS} pods × 1 python-socketio worker, sockets at the publishing pod`);
    const sticky = await takeTurns(fleet, part.loads, part.rounds, legOf(usersOf), say);
    say(`load: ${PODS} pods × 1 python-socketio worker, sockets at the next pod`);
    const elsewhere = await takeTurns(fleet, [most], part.rounds, legOf(moved), say);
    return {
      sticky: { ...setting, idle: [], limits: [], points: sticky },
      elsewhere: { ...setting, idle: [], limits: [], points: elsewhere },
    };
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

function goalsOf(settings: readonly LoadSetting[], which = ""): Goal[] {
  return settings.flatMap(({ workersPerPod, workers, points }) =>
    points.flatMap((point) => {
      const { streams, serverTimesLess, totalTimesLess, addedP50Ms, addedP99Ms } = point;
      const where = `${PODS} × ${workersPerPod} ${workers}${which}, ${streams} streams:`;
      const goals: Goal[] = [];
      if (streams < 100) goals.push(goal(`${where} server CPU, times less`, "least", 1, serverTimesLess?.median));
      if (streams >= 10) goals.push(goal(`${where} all CPU, times less`, "least", 1, totalTimesLess?.median));
      if (streams === 100 && workersPerPod === 4) {
        goals.push(goal(`${where} server CPU, times less`, "least", 10, serverTimesLess?.median));
      }
      if (workers === "light" && which === "" && (streams === 30 || streams === 100)) {
        goals.push(goal(`${where} added latency p50, ms`, "most", 1, addedP50Ms));
        goals.push(goal(`${where} added latency p99, ms`, "most", 8, addedP99Ms));
      }
      return goals;
    }),
  );
}

export async function load(options: SceneOptions, say: Say): Promise<LoadResult> {
  const { quick = false } = options;
  const rounds = quick ? 1 : (options.rounds ?? 3);
  // The shares in which the parts need time: by their legs.
  const share = options.seconds / (quick ? 13 : 19);
  const loads = quick ? QUICK.light : STREAMS;
  const settings: LoadSetting[] = [];
  if (!quick) settings.push(await light(1, { seconds: share * 6, rounds, loads }, say));
  settings.push(await light(4, { seconds: share * 6, rounds, loads, limit: !quick }, say));
  const known = await light(4, { seconds: share * 2, rounds, loads: KNOWN_STREAMS, known: true }, say);
  const pythonLoads = quick ? QUICK.python : PYTHON_STREAMS;
  const { sticky, elsewhere } = await real({ seconds: share * 3.5, rounds, loads: pythonLoads }, say);
  settings.push(sticky);
  const apart = await oneWay({ seconds: share * 1.5, rounds }, say);
  return {
    scene: "load",
    shape: SHAPE,
    tokensPerSecond: FPS,
    settings,
    known,
    elsewhere,
    oneWay: apart,
    goals: [
      ...goalsOf(settings),
      ...goalsOf([known], ", sticky sockets"),
      ...goalsOf([elsewhere], ", sockets elsewhere"),
      ...apart.flatMap(({ goals }) => goals),
    ],
    notes: [
      `payloads ${meanBytes()} B in the mean, as recorded answers of 600 tokens have; each stream begins somewhere in its answer`,
      "light workers' users are not in the session pool, so no frame is kept from a pod that does not need it: the worst case, and that of releases without user rooms",
      "light workers subscribe, count and drop; they parse nothing, so their CPU is the least that a worker can cost, and so is what sidecars can save of it",
      "python-socketio workers receive, decode and send to the browsers of their own pod's users, each of whom has a socket.io-client and is in the session pool",
      "all CPU = server + workers + sidecars; the processes that publish in the apps' place are not in it",
      "latency is from PUBLISH written to payload read by a worker of another pod, all frames of one stream of each pod",
    ],
  };
}
