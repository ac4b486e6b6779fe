/**
 * Part of the scene `load`: one pod publishes and another listens, so that what a sidecar spends on a frame that it sends and
 * on one that it receives are told apart.
 */

import type { Shape } from "../generate.js";
import type { Spread } from "../statistics.js";
import { type Goal, goal, type Leg, spreadOf } from "./figures.js";
import { startFleet } from "./fleet.js";
import { runLeg } from "./leg.js";
import { Pace } from "./pace.js";
import { STOP_S, warmUp } from "./turns.js";

export interface OneWay {
  streams: number;
  meanFrameBytes: number;
  sentUs: Spread | null;
  receivedUs: Spread | null;
  /** What a bare Node process spends to write such a frame and read its answer, and to read one: the bench's own. */
  bareSentUs: Spread | null;
  bareReceivedUs: Spread | null;
  framesPerSecond: Spread | null;
  foreignCores: Spread | null;
  goals: Goal[];
}

const SHAPE: Shape = "0.9.5";
/** Tokens of an answer and the first that is published: payloads of about 2 KB and of about 12 KB in the mean. */
const SIZES = [
  { tokens: 700, from: 0, kilobytes: 2 },
  { tokens: 2_700, from: 1_800, kilobytes: 12 },
];
const STREAMS = 60;
const FPS = 50;
/** The issue sets a bound at this size. */
const GOAL_KB = 12;
const SENT_US = 25;
const WARM_S = 1.5;

export async function oneWay(
  options: { seconds: number; rounds: number },
  say: (text: string) => void,
): Promise<OneWay[]> {
  say(`load: one pod publishes, one listens, ${STREAMS} streams`);
  const pace = new Pace(options.seconds - STOP_S, SIZES.length * options.rounds, WARM_S + 0.7);
  const fleet = await startFleet({
    pods: 2,
    workers: 1,
    ways: ["sidecar"],
    channels: (pod) => (pod === 1 ? ["socketio"] : []),
  });
  const legs = SIZES.map((): Leg[] => []);
  try {
    await warmUp(fleet);
    for (let round = 0; round < options.rounds; round++) {
      for (const [i, { tokens, from }] of SIZES.entries()) {
        const job = { shape: SHAPE, fps: FPS, tokens, from, anywhere: true };
        legs[i]!.push(
          await runLeg(fleet, { way: "sidecar", streams: [STREAMS, 0], job, warm: WARM_S, seconds: pace.next() }),
        );
      }
    }
  } finally {
    await fleet.stop();
  }
  return SIZES.map(({ kilobytes }, i) => resultOf(legs[i]!, kilobytes, say));
}

function resultOf(legs: readonly Leg[], kilobytes: number, say: (text: string) => void): OneWay {
  const of = (figure: (leg: Leg) => number) => spreadOf(legs, figure);
  const sentUs = of((leg) => (leg.sidecarsMs[0]! * 1000) / leg.published);
  const receivedUs = of((leg) => (leg.sidecarsMs[1]! * 1000) / leg.published);
  const bytes = legs.reduce((sum, leg) => sum + leg.publishedBytes, 0);
  const meanFrameBytes = Math.round(bytes / legs.reduce((sum, leg) => sum + leg.published, 0));
  say(
    `  ${meanFrameBytes} B: ${sentUs?.median.toFixed(1)} µs a frame sent, ${receivedUs?.median.toFixed(1)} µs a frame received`,
  );
  const bounded = [
    goal(`sidecar CPU a frame sent at ${kilobytes} KB, µs`, "most", SENT_US, sentUs?.median),
    goal(`sidecar CPU a frame received at ${kilobytes} KB, µs`, "most", SENT_US, receivedUs?.median),
  ];
  return {
    streams: STREAMS,
    meanFrameBytes,
    sentUs,
    receivedUs,
    bareSentUs: of((leg) => (leg.publisherMs * 1000) / leg.published),
    bareReceivedUs: of((leg) => (leg.workerMs * 1000) / leg.published),
    framesPerSecond: of((leg) => leg.published / leg.seconds),
    foreignCores: of((leg) => leg.foreignCores),
    goals: kilobytes === GOAL_KB ? bounded : [],
  };
}
