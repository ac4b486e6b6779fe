/**
 * Both ways in turns over a list of loads: what `load` and `growth` have in common.
 */
import type { Shape } from "../generate.js";
import { type Leg, type LegSummary, type Spread, summarize, timesLess, type Way, ways } from "./figures.js";
import type { Fleet } from "./fleet.js";
import { type LoadOptions, runLeg, spreadStreams } from "./leg.js";

export interface SceneOptions {
  /** About how long the scene may take, all that it starts and ends included. */
  seconds: number;
  /** How often each leg is run. */
  rounds?: number;
}
export type Say = (text: string) => void;

/** One load, both ways. */
export interface LoadPoint {
  streams: number;
  direct: LegSummary;
  sidecar: LegSummary;
  /** How many times less the server works with sidecars; below 1 it works more. */
  serverTimesLess: Spread | null;
  totalTimesLess: Spread | null;
  workerTimesLess: Spread | null;
  bytesInTimesLess: Spread | null;
  bytesOutTimesLess: Spread | null;
  addedP50Ms: number | null;
  addedP99Ms: number | null;
}

/** The load of most scenes. */
export const SHAPE: Shape = "0.9.5";
export const FPS = 50;
/** Made text is a little shorter than that of the recordings: with these, payloads are of 2 KB in the mean, as theirs with 600. */
export const TOKENS = 700;
export const JOB: LoadOptions["job"] = {
  shape: SHAPE,
  fps: FPS,
  tokens: TOKENS,
  from: 0,
  anywhere: true,
};

/** Of a leg, beside the seconds that are measured. */
export const WARM_S = 1;
/** What a leg takes beside the measured seconds: warming, starting and ending. */
export const ASIDE_S = WARM_S + 0.7;
/** Ending a fleet. */
export const STOP_S = 1;
/** Before the first leg. */
const WARM_STREAMS = 60;
const WARM_UP_S = 4;
/**
 * Lets every process of a fleet work for some seconds before anything is measured: code that has just been started is slow for
 * its first thousands of frames, and pods live for days.
 */
export async function warmUp(fleet: Fleet): Promise<void> {
  const streams = spreadStreams(WARM_STREAMS, fleet.options.pods);
  const rest = new Promise((resolve) => setTimeout(resolve, (WARM_UP_S + 1.5) * 1000));
  await Promise.all(
    Object.values(fleet.lines).map(({ way }) => runLeg(fleet, { way, streams, job: JOB, warm: 0, seconds: WARM_UP_S })),
  );
  // Real workers may have fallen behind.
  await rest;
}

/** Runs every load both ways, `rounds` times, in turns; which way is first changes from round to round. */
export async function takeTurns(
  fleet: Fleet,
  loads: readonly number[],
  rounds: number,
  legOf: (way: Way, streams: number) => LoadOptions,
  say: Say,
): Promise<LoadPoint[]> {
  const legs = new Map<string, Leg[]>();
  for (let round = 0; round < rounds; round++) {
    for (const streams of loads) {
      for (const way of round % 2 === 0 ? ways : ways.toReversed()) {
        const leg = await runLeg(fleet, legOf(way, streams));
        legs.set(`${way} ${streams}`, [...(legs.get(`${way} ${streams}`) ?? []), leg]);
        say(lineOf(leg));
      }
    }
  }
  return loads.map((streams) => pointOf(legs.get(`direct ${streams}`)!, legs.get(`sidecar ${streams}`)!));
}

function lineOf(leg: Leg): string {
  const cores = (ms: number) => (ms / 1000 / leg.seconds).toFixed(2);
  const late = leg.saturated === null ? "" : `, ${leg.saturated} full, ${leg.backlog} behind`;
  return (
    `  ${leg.way.padEnd(7)} ${String(leg.streams).padStart(5)} streams ${(leg.published / leg.seconds).toFixed(0).padStart(6)} frames/s ` +
    `server ${leg.serverUsPerPublished.toFixed(1).padStart(6)} µs  cores: server ${cores(leg.serverMs)}, sidecars ${cores(leg.sidecarMs)}, ` +
    `workers ${cores(leg.workerMs)}, others' ${leg.foreignCores.toFixed(2)}  latency ${leg.latency?.p50.toFixed(2) ?? "-"}/${leg.latency?.p99.toFixed(1) ?? "-"} ms, ` +
    `late ${leg.lateness?.p50.toFixed(1) ?? "-"}/${leg.lateness?.p99.toFixed(1) ?? "-"} ms${late}`
  );
}

export function pointOf(direct: readonly Leg[], sidecar: readonly Leg[]): LoadPoint {
  const [one, other] = [summarize(direct), summarize(sidecar)];
  const less = (of: (leg: Leg) => number | null) => timesLess(direct, sidecar, of);
  const added = (of: (summary: LegSummary) => Spread | null) => {
    const [a, b] = [of(one), of(other)];
    return a === null || b === null ? null : b.median - a.median;
  };
  return {
    streams: one.streams,
    direct: one,
    sidecar: other,
    serverTimesLess: less((leg) => leg.serverUsPerPublished),
    totalTimesLess: less((leg) => leg.totalUsPerPublished),
    workerTimesLess: less((leg) => leg.workerMs / leg.published),
    bytesInTimesLess: less((leg) => leg.bytesIn / leg.published),
    bytesOutTimesLess: less((leg) => leg.bytesOut / leg.published),
    addedP50Ms: added((summary) => summary.latencyP50Ms),
    addedP99Ms: added((summary) => summary.latencyP99Ms),
  };
}
