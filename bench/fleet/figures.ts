/**
 * What the fleet bench measures, as plain JSON, and its little statistics. Pure: reports read this file and need no other.
 * Every CPU figure is processor time, every latency milliseconds, every memory figure MiB, unless its name says otherwise.
 */

import { nearestRank, type Spread, spread } from "../statistics.js";

export type Way = "direct" | "sidecar";
export const ways: readonly Way[] = ["direct", "sidecar"];

/** The spread of one figure over several rounds; figures that a round does not have are left out. */
export function spreadOf<T>(rounds: readonly T[], figure: (round: T) => number | null): Spread | null {
  const values = rounds.map(figure).filter((value): value is number => value !== null && Number.isFinite(value));
  return values.length === 0 ? null : spread(values);
}

export interface Latency {
  samples: number;
  p50: number;
  p99: number;
  p999: number;
}

/** Of few samples the far percentiles are nobody's word: they are NaN (null in JSON). */
export function latencyOf(values: readonly number[]): Latency | null {
  if (values.length === 0) return null;
  return {
    samples: values.length,
    p50: nearestRank(values, 0.5),
    p99: values.length < 200 ? Number.NaN : nearestRank(values, 0.99),
    p999: values.length < 2_000 ? Number.NaN : nearestRank(values, 0.999),
  };
}

/** One way, at one load, for some seconds. */
export interface Leg {
  way: Way;
  streams: number;
  seconds: number;
  /** Frames that apps were told to publish in that time, and those that they published. */
  offered: number;
  published: number;
  publishedBytes: number;
  /** Copies that workers heard. */
  delivered: number;
  serverMs: number;
  sidecarMs: number;
  workerMs: number;
  /** Each worker process's own: the light ones of each pod, then real ones. */
  workersMs: number[];
  publisherMs: number;
  /** Server, sidecars and workers: what the fleet costs. The publishing processes stand for apps and are not in it. */
  totalMs: number;
  serverUsPerPublished: number;
  serverUsPerDelivered: number;
  totalUsPerPublished: number;
  /** Processor time of all sidecars by frames that each handles: those of its own pod and those of all others. */
  sidecarUsPerFrame: number | null;
  /** Each sidecar's own, in the order of the pods. */
  sidecarsMs: number[];
  sidecarRssMiB: number[];
  /** Share of one core that the server, and the busiest sidecar, took. */
  serverCores: number;
  busiestSidecarCores: number | null;
  /** Cores that processes took which are not of this bench. */
  foreignCores: number;
  bytesIn: number;
  bytesOut: number;
  commands: number;
  /** From PUBLISH written to payload seen in another pod. */
  latency: Latency | null;
  /** By how much frames were published later than their time. */
  lateness: Latency | null;
  /** Frames whose time had come and that were still to be published at the end. */
  backlog: number;
  errors: number;
  /** Listeners that the server or a sidecar has closed because they read too slowly. */
  dropped: number;
  /** What had no room left: "server", "sidecar", "machine", "publisher", "listeners" (some were dropped), or null. */
  saturated: string | null;
}

/** The rounds of one way at one load, each figure with its spread. */
export interface LegSummary {
  way: Way;
  streams: number;
  rounds: number;
  publishedPerSecond: Spread | null;
  deliveredPerSecond: Spread | null;
  meanFrameBytes: number;
  serverUsPerPublished: Spread | null;
  serverUsPerDelivered: Spread | null;
  sidecarUsPerFrame: Spread | null;
  workerUsPerDelivered: Spread | null;
  totalUsPerPublished: Spread | null;
  serverCores: Spread | null;
  sidecarCores: Spread | null;
  workerCores: Spread | null;
  totalCores: Spread | null;
  sidecarRssMiB: Spread | null;
  latencyP50Ms: Spread | null;
  latencyP99Ms: Spread | null;
  latencyP999Ms: Spread | null;
  latenessP50Ms: Spread | null;
  latenessP99Ms: Spread | null;
  foreignCores: Spread | null;
  backlog: number;
  errors: number;
  dropped: number;
  saturated: string[];
  noisy: boolean;
}

/** Other work of that many cores makes a figure doubtful on two. */
const FOREIGN_CORES = 0.2;
/** Rounds that lie this much of the median apart do not agree. */
const DISAGREEMENT = 0.35;

/** The rounds do not agree in what they have measured, or somebody else was at work. */
export function isNoisy(figure: Spread | null, foreignCores: Spread | null): boolean {
  const apart = figure !== null && figure.most - figure.least > DISAGREEMENT * figure.median;
  return apart || (foreignCores?.median ?? 0) > FOREIGN_CORES;
}

export function summarize(rounds: readonly Leg[]): LegSummary {
  const of = (figure: (leg: Leg) => number | null) => spreadOf(rounds, figure);
  const { way, streams } = rounds[0]!;
  const published = rounds.reduce((sum, leg) => sum + leg.published, 0);
  const bytes = rounds.reduce((sum, leg) => sum + leg.publishedBytes, 0);
  const serverUsPerPublished = of((leg) => leg.serverUsPerPublished);
  const foreignCores = of((leg) => leg.foreignCores);
  return {
    way,
    streams,
    rounds: rounds.length,
    publishedPerSecond: of((leg) => leg.published / leg.seconds),
    deliveredPerSecond: of((leg) => leg.delivered / leg.seconds),
    meanFrameBytes: Math.round(bytes / published),
    serverUsPerPublished,
    serverUsPerDelivered: of((leg) => leg.serverUsPerDelivered),
    sidecarUsPerFrame: of((leg) => leg.sidecarUsPerFrame),
    workerUsPerDelivered: of((leg) => (leg.workerMs * 1000) / leg.delivered),
    totalUsPerPublished: of((leg) => leg.totalUsPerPublished),
    serverCores: of((leg) => leg.serverCores),
    sidecarCores: of((leg) => leg.sidecarMs / 1000 / leg.seconds),
    workerCores: of((leg) => leg.workerMs / 1000 / leg.seconds),
    totalCores: of((leg) => leg.totalMs / 1000 / leg.seconds),
    sidecarRssMiB: of((leg) => (leg.sidecarRssMiB.length > 0 ? Math.max(...leg.sidecarRssMiB) : null)),
    latencyP50Ms: of((leg) => leg.latency?.p50 ?? null),
    latencyP99Ms: of((leg) => leg.latency?.p99 ?? null),
    latencyP999Ms: of((leg) => leg.latency?.p999 ?? null),
    latenessP50Ms: of((leg) => leg.lateness?.p50 ?? null),
    latenessP99Ms: of((leg) => leg.lateness?.p99 ?? null),
    foreignCores,
    backlog: Math.max(...rounds.map((leg) => leg.backlog)),
    errors: rounds.reduce((sum, leg) => sum + leg.errors, 0),
    dropped: rounds.reduce((sum, leg) => sum + leg.dropped, 0),
    saturated: [...new Set(rounds.map((leg) => leg.saturated).filter((what) => what !== null))],
    noisy: isNoisy(serverUsPerPublished, foreignCores),
  };
}

/** Round by round, `of` direct divided by `of` the sidecars: how many times less it is with them. */
export function timesLess(
  direct: readonly Leg[],
  sidecar: readonly Leg[],
  of: (leg: Leg) => number | null,
): Spread | null {
  const pairs = direct.map((leg, i) => {
    const other = sidecar[i];
    const [a, b] = [of(leg), other === undefined ? null : of(other)];
    return a === null || b === null ? null : a / b;
  });
  return spreadOf(pairs, (pair) => pair);
}

/** A goal of the issue and what was measured. */
export interface Goal {
  goal: string;
  measured: number | null;
  bound: number;
  /** "least": the figure must be at least the bound. */
  is: "least" | "most";
  met: boolean | null;
}

export function goal(name: string, is: Goal["is"], bound: number, measured: number | null | undefined): Goal {
  const value = measured === undefined || measured === null || !Number.isFinite(measured) ? null : measured;
  const met = value === null ? null : is === "least" ? value >= bound : value <= bound;
  return { goal: name, measured: value, bound, is, met };
}
