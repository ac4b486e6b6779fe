/**
 * Scene `bytes`: what goes into the server and out of it, by release and by where the users' sockets are. Both ways run at
 * once, each on its own server: bytes do not depend on who else is at work.
 */
import type { Shape } from "../generate.js";
import { userOf } from "./answers.js";
import { type Goal, goal, type Leg, ways } from "./figures.js";
import { SHARED_CHANNEL, startFleet } from "./fleet.js";
import { runLeg } from "./leg.js";
import { Pace } from "./pace.js";
import { type Say, type SceneOptions, STOP_S } from "./turns.js";

/** Bytes of the server's own counters, by frames that apps published. */
export interface BytesRow {
  pods: number;
  shape: Shape;
  /** "sticky": a user's socket is at the pod that publishes for the user. "elsewhere": at the next one. */
  sockets: "sticky" | "elsewhere";
  frames: { direct: number; sidecar: number };
  meanFrameBytes: number;
  in: { direct: number; sidecar: number; timesLess: number };
  out: { direct: number; sidecar: number; timesLess: number };
  both: { direct: number; sidecar: number; timesLess: number };
  /** Copies that workers heard by frames published. With sidecars fewer, where they know who needs them. */
  heard: { direct: number; sidecar: number };
}

export interface BytesResult {
  scene: "bytes";
  streamsPerPod: number;
  tokensPerSecond: number;
  tokens: number;
  rows: BytesRow[];
  goals: Goal[];
  notes: string[];
}

const PODS = [2, 4];
const QUICK_PODS = [4];
const SHAPES: readonly Shape[] = ["0.6.34", "0.9.5", "0.11.4", "0.12.4"];
const SOCKETS = ["sticky", "elsewhere"] as const;
const STREAMS = 4;
const FPS = 50;
const TOKENS = 600;
/** 0.6.34 publishes a token once for each of the user's three sessions. */
const SESSIONS = 3;
const WARM_S = 1.5;
const ASIDE_S = WARM_S + 0.7;
/** A trunk that has just connected looks for other pods for 5 s before it is silent anywhere. */
const GATHERING_S = 5.5;

/** Users that a pod publishes for. Those whose sockets are elsewhere are others. */
function usersOf(pod: number, sockets: (typeof SOCKETS)[number]): string[] {
  return Array.from({ length: STREAMS }, (_, i) => userOf(sockets === "sticky" ? pod : pod + 0x100, i));
}

export async function bytes(options: SceneOptions, say: Say): Promise<BytesResult> {
  const podsTold = options.quick ? QUICK_PODS : PODS;
  const cases = podsTold.length * SHAPES.length * SOCKETS.length;
  const apart = (podsTold.length - 1) * (GATHERING_S + 4);
  const pace = new Pace(options.seconds - apart - STOP_S, cases, ASIDE_S);
  const rows: BytesRow[] = [];
  for (const pods of podsTold) {
    say(`bytes: ${pods} pods`);
    const at = (pod: number) => [...usersOf(pod, "sticky"), ...usersOf((pod + pods - 1) % pods, "elsewhere")];
    const channels = (pod: number) => [SHARED_CHANNEL, ...at(pod).map((user) => `${SHARED_CHANNEL}#/#user:${user}`)];
    const fleet = await startFleet({ pods, workers: 1, channels, users: at });
    try {
      await new Promise((resolve) => setTimeout(resolve, GATHERING_S * 1000));
      for (const shape of SHAPES) {
        for (const sockets of SOCKETS) {
          const fps = shape === "0.6.34" ? FPS * SESSIONS : FPS;
          const job = { shape, fps, tokens: TOKENS, from: 0, anywhere: true };
          const streams = new Array<number>(pods).fill(STREAMS);
          const usersAt = (pod: number) => usersOf(pod, sockets);
          const seconds = pace.next();
          const [direct, sidecar] = await Promise.all(
            ways.map((way) => runLeg(fleet, { way, streams, job, usersAt, warm: WARM_S, seconds })),
          );
          const row = rowOf(pods, shape, sockets, direct!, sidecar!);
          rows.push(row);
          const figure = ({ direct: a, sidecar: b, timesLess }: BytesRow["in"]) =>
            `${a.toFixed(0)} / ${b.toFixed(0)} = ${timesLess.toFixed(1)} x`;
          say(
            `  ${shape.padEnd(6)} ${sockets.padEnd(9)} in ${figure(row.in)}, out ${figure(row.out)}, both ${figure(row.both)}`,
          );
        }
      }
    } finally {
      await fleet.stop();
    }
  }
  return {
    scene: "bytes",
    streamsPerPod: STREAMS,
    tokensPerSecond: FPS,
    tokens: TOKENS,
    rows,
    goals: rows
      .filter(({ pods, shape }) => pods === 4 && (shape === "0.9.5" || shape === "0.12.4"))
      .map((row) => {
        const name = `${row.shape}, 4 pods, ${row.sockets}: bytes in and out, times less`;
        return goal(name, "least", row.shape === "0.12.4" ? 5 : 40, row.both.timesLess);
      }),
    notes: [
      "streams are looked at somewhere in their answers, so a row holds as many first frames as an answer of that length has",
      "sidecars' own traffic (canaries, questions, comparisons) is in the figures",
      "a 0.12.4 user's channel is subscribed by the pod with the user's socket only, a chat's channel by nobody",
      "a channel that no other pod has ever listened to is silent from its second message on, 5 s after the trunk has connected; where one has, a minute after it left",
    ],
  };
}

function rowOf(pods: number, shape: Shape, sockets: BytesRow["sockets"], direct: Leg, sidecar: Leg): BytesRow {
  const pair = (of: (leg: Leg) => number) => {
    const [a, b] = [of(direct) / direct.published, of(sidecar) / sidecar.published];
    return { direct: a, sidecar: b, timesLess: a / b };
  };
  return {
    pods,
    shape,
    sockets,
    frames: { direct: direct.published, sidecar: sidecar.published },
    meanFrameBytes: Math.round(direct.publishedBytes / direct.published),
    in: pair((leg) => leg.bytesIn),
    out: pair((leg) => leg.bytesOut),
    both: pair((leg) => leg.bytesIn + leg.bytesOut),
    heard: { direct: direct.delivered / direct.published, sidecar: sidecar.delivered / sidecar.published },
  };
}
