/**
 * Both ways in turns over a list of loads: what `load` and `growth` have in common.
 */

import type { Shape } from "../generate.js";
import type { Spread } from "../statistics.js";
import { type Latency, type Leg, type LegSummary, summarize, timesLess, type Way, ways } from "./figures.js";
import type { Fleet } from "./fleet.js";
import { type LoadOptions, quiet, runLeg, spreadStreams } from "./leg.js";
import { Pace } from "./pace.js";

export interface SceneOptions {
  /** About how long the scene may take, all that it starts and ends included. */
  seconds: number;
  /** How often each leg is run. */
  rounds?: number;
  /** Fewer loads and one round: whether everything works, and roughly what comes of it. */
  quick?: boolean;
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
export const WARM_S = 0.6;
/** What a leg takes beside the measured seconds: warming, starting and ending. */
export const ASIDE_S = WARM_S + 0.7;
/** Ending a fleet. */
export const STOP_S = 1;
/** Before the first leg. */
const WARM_STREAMS = 60;
const WARM_UP_S = 4;

/** Part of a scene: its seconds, rounds and loads. */
export interface Part {
  seconds: number;
  rounds: number;
  loads: readonly number[];
}

/** Ends in time, with what ends the part. */
export function paceOf({ seconds, rounds, loads }: Part): Pace {
  return new Pace(seconds - STOP_S, loads.length * ways.length * rounds, ASIDE_S);
}

/**
 * Lets every process of a fleet work for some seconds before anything is measured: code that has just been started is slow for
 * its first thousands of frames, and pods live for days.
 * @param streams as many as its workers manage
 * @param heard what real workers have heard: they may still be at it
 */
export async function warmUp(fleet: Fleet, streams = WARM_STREAMS, heard?: () => Promise<number>): Promise<void> {
  const load = { streams: spreadStreams(streams, fleet.options.pods), job: JOB, warm: 0, seconds: WARM_UP_S };
  await Promise.all(Object.values(fleet.lines).map(({ way }) => runLeg(fleet, { way, ...load })));
  if (heard !== undefined) await quiet(heard);
}

/** The most that a way has carried, and what had no room left then; null: nothing was full at the most streams tried. */
export interface Limit {
  way: Way;
  streams: number;
  framesPerSecond: number;
  full: string | null;
}

/** Doubles the streams until something is full. One leg each: this says where, not how much. */
export async function findLimit(
  fleet: Fleet,
  from: number,
  most: number,
  legOf: (way: Way, streams: number) => LoadOptions,
  say: Say,
): Promise<Limit[]> {
  const limits: Limit[] = [];
  for (const way of ways) {
    for (let streams = from; ; streams *= 2) {
      const leg = await runLeg(fleet, legOf(way, streams));
      say(lineOf(leg));
      if (leg.saturated === null && streams * 2 <= most) continue;
      limits.push({ way, streams, framesPerSecond: leg.published / leg.seconds, full: leg.saturated });
      break;
    }
  }
  return limits;
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
  const late = leg.saturated === null ? "" : `, ${leg.saturated} full, ${leg.backlog} behind, ${leg.dropped} dropped`;
  return (
    `  ${leg.way.padEnd(7)} ${String(leg.streams).padStart(5)} streams ${(leg.published / leg.seconds).toFixed(0).padStart(6)} frames/s ` +
    `server ${leg.serverUsPerPublished.toFixed(1).padStart(6)} µs  cores: server ${cores(leg.serverMs)}, sidecars ${cores(leg.sidecarMs)}, ` +
    `workers ${cores(leg.workerMs)}, others' ${leg.foreignCores.toFixed(2)}  latency ${ms(leg.latency)} ms, ` +
    `late ${ms(leg.lateness)} ms${late}`
  );
}

/** p50 and p99, as far as there are enough samples. */
function ms(latency: Latency | null): string {
  const one = (value: number | undefined) =>
    value === undefined || Number.isNaN(value) ? "-" : value.toFixed(value < 10 ? 2 : 1);
  return `${one(latency?.p50)}/${one(latency?.p99)}`;
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
