/** The soak's arithmetic and its judgement: pure, so that a unit test can show what it refuses. */
import { nearestRank } from "../statistics.js";

/** One look at one process. Times in seconds since the load began. */
export interface Sample {
  t: number;
  rssMiB: number;
  heapMiB: number;
  externalMiB: number;
  fds: number;
  sockets: number;
  timers: number;
  /** p99 of the event loop's lag since the look before, ms. */
  lagMs: number;
  /** Gauges of what must be empty when nobody does anything. */
  streams: number;
  held: number;
  queued: number;
}

export interface Bounds {
  /** Most that RSS may grow over the last two thirds, MiB an hour. */
  slopeMiBPerHour: number;
  /** Most that the last quarter's median RSS may be above the second quarter's, as a fraction. */
  rise: number;
  /** Event loop lag, p99, ms. */
  lagMs: number;
}

export const defaultBounds: Bounds = { slopeMiBPerHour: 30, rise: 0.1, lagMs: 20 };

export function median(values: readonly number[]): number {
  return nearestRank(values, 0.5);
}

/** Slope of the least-squares line through the points, in y per x. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  let over = 0;
  let under = 0;
  for (const [x, y] of points) {
    over += (x - meanX) * (y - meanY);
    under += (x - meanX) ** 2;
  }
  return under === 0 ? 0 : over / under;
}

export interface Judged {
  rssStartMiB: number;
  rssSecondQuarterMiB: number;
  rssLastQuarterMiB: number;
  slopeMiBPerHour: number;
  /** Least heap in each fifth of the run: about what is alive, whatever the collector leaves lying. */
  heapTroughsMiB: number[];
  lagP99Ms: number;
  lagWorstMs: number;
  fdsBefore: number;
  fdsMost: number;
  fdsAfter: number;
  problems: string[];
}

/**
 * @param loaded  looks while apps were at work, in order
 * @param before  the look before the first app came
 * @param after   the look after the last one had gone and time had passed
 * @param idleMs  lag p99 of an idle process of the same machine in the same minutes
 */
export function judge(
  loaded: readonly Sample[],
  before: Sample,
  after: Sample,
  idleMs: number,
  bounds: Bounds,
): Judged {
  const end = loaded.at(-1)?.t ?? 0;
  const between = (from: number, to: number) => loaded.filter(({ t }) => t >= end * from && t <= end * to);
  const second = median(between(0.25, 0.5).map(({ rssMiB }) => rssMiB));
  const last = median(between(0.75, 1).map(({ rssMiB }) => rssMiB));
  const perHour = slope(between(1 / 3, 1).map(({ t, rssMiB }) => [t / 3600, rssMiB] as const));
  const lag = median(loaded.map(({ lagMs }) => lagMs));
  const problems: string[] = [];
  const check = (fine: boolean, problem: string) => {
    if (!fine) problems.push(problem);
  };
  check(perHour <= bounds.slopeMiBPerHour, `RSS grows by ${perHour.toFixed(1)} MiB an hour`);
  check(last <= second * (1 + bounds.rise), `RSS: ${last.toFixed(1)} MiB at the end, ${second.toFixed(1)} MiB early`);
  check(after.fds <= before.fds, `${after.fds} files open at the end, ${before.fds} at the start`);
  check(after.sockets <= before.sockets, `${after.sockets} sockets at the end, ${before.sockets} at the start`);
  check(after.timers <= before.timers, `${after.timers} timers at the end, ${before.timers} at the start`);
  for (const gauge of ["streams", "held", "queued"] as const) {
    check(after[gauge] === 0, `${gauge}: ${after[gauge]} at the end`);
  }
  // On a shared machine an idle process is late too: only what is clearly more than that is ours.
  check(lag < bounds.lagMs || lag < idleMs + bounds.lagMs, `event loop lag p99 ${lag.toFixed(1)} ms`);
  return {
    rssStartMiB: before.rssMiB,
    rssSecondQuarterMiB: second,
    rssLastQuarterMiB: last,
    slopeMiBPerHour: perHour,
    heapTroughsMiB: [0, 1, 2, 3, 4].map((n) => Math.min(...between(n / 5, (n + 1) / 5).map(({ heapMiB }) => heapMiB))),
    lagP99Ms: lag,
    lagWorstMs: Math.max(...loaded.map(({ lagMs }) => lagMs)),
    fdsBefore: before.fds,
    fdsMost: Math.max(...loaded.map(({ fds }) => fds)),
    fdsAfter: after.fds,
    problems,
  };
}
