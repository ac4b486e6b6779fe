/**
 * One leg: a way under a load for some seconds, with every counter before and after. What the legs of all scenes have in
 * common is here; a scene says only who publishes what.
 */
import { availableParallelism } from "node:os";
import { type Latency, type Leg, latencyOf, type Way } from "./figures.js";
import type { Fleet, Line } from "./fleet.js";
import type { Hand } from "./ipc.js";
import type { Heard, PublishEnd, PublishJob, PublishMark, Sightings } from "./jobs.js";
import { cpuMs, difference, machineBusyMs, rssMiB, type ServerCounters } from "./meter.js";

export interface LoadOptions {
  way: Way;
  /** Streams of each pod. */
  streams: readonly number[];
  job: Omit<PublishJob, "port" | "pod" | "streams" | "phase" | "users">;
  /** For whom a pod's streams are; by default each has a user of its own (see userOf). */
  usersAt?: (pod: number) => string[];
  /** Seconds before the counters are looked at, and between the two looks. */
  warm: number;
  seconds: number;
  /** Processes that stand for workers beside the light ones. */
  workers?: readonly number[];
  /** What those have heard so far, all together. */
  workersHeard?: () => Promise<number>;
  /** Other processes of the bench, which are nobody's cost. */
  bystanders?: readonly number[];
}

const cores = availableParallelism();
const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
/** A process this close to a whole core has no room left, nor has a machine with less than this much idle. */
const FULL_CORE = 0.93;
const CORES_LEFT = 0.1;
const QUIET_LOOKS = 50;
/** Streams that fall further behind than this are not keeping up, milliseconds. */
const BEHIND_MS = 100;

/** `streams` spread over `pods` as evenly as can be, the first ones having one more. */
export function spreadStreams(streams: number, pods: number): number[] {
  return Array.from({ length: pods }, (_, pod) => Math.floor(streams / pods) + (pod < streams % pods ? 1 : 0));
}

interface Look {
  at: number;
  server: ServerCounters;
  sidecars: number[];
  /** The light ones of each pod, then the others. */
  workers: number[];
  publishers: number;
  self: number;
  /** All processes of the bench. */
  ours: number;
  machine: number;
  heard: number;
  dropped: number;
}

async function look(fleet: Fleet, line: Line, options: LoadOptions): Promise<Look> {
  const cpu = (pids: readonly number[]) => pids.map(cpuMs);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const workers = cpu([...fleet.listeners.map(({ pid }) => pid), ...(options.workers ?? [])]);
  const publishers = sum(cpu(fleet.publishers.map(({ pid }) => pid)));
  const sidecars = cpu(line.sidecars.map(({ pid }) => pid));
  const lines = Object.values(fleet.lines);
  const others = lines.flatMap((one) => [one.server.pid, ...(one === line ? [] : one.sidecars.map(({ pid }) => pid))]);
  const self = cpuMs(process.pid);
  const machine = machineBusyMs();
  const at = performance.now();
  const server = await line.meter.read();
  const heard = await Promise.all(fleet.listeners.map((hand) => hand.ask<Heard>("heard", line.way)));
  return {
    at,
    server,
    sidecars,
    workers,
    publishers,
    self,
    ours: sum(workers) + publishers + sum(sidecars) + sum(cpu([...others, ...(options.bystanders ?? [])])) + self,
    machine,
    dropped: sum(heard.map(({ dropped }) => dropped)),
    heard: sum(heard.map(({ messages }) => messages)) + ((await options.workersHeard?.()) ?? 0),
  };
}

/** Runs one leg. Publishers stop at its end, and what they had under way has arrived. */
export async function runLeg(fleet: Fleet, options: LoadOptions): Promise<Leg> {
  const line = fleet.line(options.way);
  await Promise.all(fleet.listeners.map((hand) => hand.ask("mend", line.way)));
  const busy = fleet.publishers.filter((_, pod) => (options.streams[pod] ?? 0) > 0);
  await Promise.all(
    busy.map(async (hand) => {
      const pod = fleet.publishers.indexOf(hand);
      const place = { port: line.ports[pod]!, pod, streams: options.streams[pod]!, phase: pod / fleet.options.pods };
      const users = options.usersAt === undefined ? {} : { users: options.usersAt(pod) };
      await hand.ask("run", { ...options.job, ...place, ...users } satisfies PublishJob);
    }),
  );
  const portOf = (hand: Hand) => line.ports[fleet.publishers.indexOf(hand)]!;
  await sleep(options.warm);
  await Promise.all(fleet.listeners.map((hand) => hand.ask("time", true)));
  const before = await look(fleet, line, options);
  const marks = await Promise.all(busy.map((hand) => hand.ask<PublishMark>("mark", portOf(hand))));
  await sleep(options.seconds);
  const after = await look(fleet, line, options);
  const ends = await Promise.all(busy.map((hand) => hand.ask<PublishEnd>("end", portOf(hand))));
  const rss = line.sidecars.map(({ pid }) => rssMiB(pid));
  // What is under way arrives before the next leg begins.
  await sleep(0.25);
  if (options.workersHeard !== undefined) await quiet(options.workersHeard);
  await Promise.all(fleet.listeners.map((hand) => hand.ask("time", false)));
  const seen = await Promise.all(fleet.listeners.map((hand) => hand.ask<Sightings>("sightings", line.way)));
  return legOf(
    options,
    before,
    after,
    marks,
    ends,
    rss,
    latencies(
      busy.map((hand) => fleet.publishers.indexOf(hand)),
      ends,
      seen,
    ),
  );
}

/** Waits until real workers have worked off what they have behind them: the next leg is not to pay for it. */
export async function quiet(heard: () => Promise<number>): Promise<void> {
  let before = -1;
  for (let i = 0; i < QUIET_LOOKS; i++) {
    const now = await heard();
    if (now === before) return;
    before = now;
    await sleep(0.2);
  }
}

/** Times from pod to pod; what a pod hears of itself is not one of them. */
function latencies(pods: readonly number[], ends: readonly PublishEnd[], seen: readonly Sightings[]): Latency | null {
  const written = new Map(
    pods.map((pod, i) => [pod, new Map(ends[i]!.keys.map((key, n) => [key, ends[i]!.times[n]!]))]),
  );
  const values: number[] = [];
  for (const [listener, { pods: from, keys, times }] of seen.entries()) {
    // A repeat of an equal frame has the same key: the first sighting is that of the frame that was timed.
    const met = new Map<string, number>();
    for (const [i, pod] of from.entries()) {
      if (pod === listener) continue;
      const at = written.get(pod)?.get(keys[i]!);
      if (at === undefined) continue;
      const one = `${pod} ${keys[i]}`;
      if (met.has(one)) continue;
      met.set(one, times[i]!);
      values.push(times[i]! - at);
    }
  }
  return latencyOf(values);
}

function legOf(
  options: LoadOptions,
  before: Look,
  after: Look,
  marks: readonly PublishMark[],
  ends: readonly PublishEnd[],
  sidecarRssMiB: number[],
  latency: Latency | null,
): Leg {
  const seconds = (after.at - before.at) / 1000;
  const total = (of: (mark: PublishMark) => number) => ends.reduce((sum, end, i) => sum + of(end) - of(marks[i]!), 0);
  const published = total((mark) => mark.published);
  const delivered = after.heard - before.heard;
  const server = difference(after.server, before.server);
  const sidecarsMs = after.sidecars.map((ms, i) => ms - before.sidecars[i]!);
  const sidecarMs = sidecarsMs.reduce((sum, ms) => sum + ms, 0);
  const workersMs = after.workers.map((ms, i) => ms - before.workers[i]!);
  const workerMs = workersMs.reduce((sum, ms) => sum + ms, 0);
  const totalMs = server.cpuMs + sidecarMs + workerMs;
  const lateness = latencyOf(ends.flatMap((end) => end.lateness));
  const serverCores = server.cpuMs / 1000 / seconds;
  const busiest = sidecarsMs.length > 0 ? Math.max(...sidecarsMs) / 1000 / seconds : null;
  const machineCores = (after.machine - before.machine) / 1000 / seconds;
  const backlog = ends.reduce((sum, end) => sum + end.backlog, 0);
  const full = after.dropped > 0 ? "listeners" : saturation(serverCores, busiest, machineCores, lateness);
  return {
    way: options.way,
    streams: options.streams.reduce((sum, streams) => sum + streams, 0),
    seconds,
    offered: total((mark) => mark.offered),
    published,
    publishedBytes: total((mark) => mark.bytes),
    delivered,
    serverMs: server.cpuMs,
    sidecarMs,
    workerMs,
    workersMs,
    publisherMs: after.publishers - before.publishers,
    totalMs,
    serverUsPerPublished: (server.cpuMs * 1000) / published,
    serverUsPerDelivered: (server.cpuMs * 1000) / delivered,
    totalUsPerPublished: (totalMs * 1000) / published,
    sidecarUsPerFrame: sidecarsMs.length > 0 ? (sidecarMs * 1000) / (published * sidecarsMs.length) : null,
    sidecarsMs,
    sidecarRssMiB,
    serverCores,
    busiestSidecarCores: busiest,
    foreignCores: Math.max(0, (after.machine - before.machine - (after.ours - before.ours)) / 1000 / seconds),
    bytesIn: server.bytesIn,
    bytesOut: server.bytesOut,
    commands: server.commands,
    latency,
    lateness,
    backlog,
    errors: total((mark) => mark.errors),
    dropped: after.dropped,
    saturated: full,
  };
}

/** Only where frames come late has something run out; then the first of these that is used up. */
function saturation(server: number, sidecar: number | null, machine: number, lateness: Latency | null): string | null {
  if (lateness === null || lateness.p50 < BEHIND_MS) return null;
  if (server > FULL_CORE) return "server";
  if ((sidecar ?? 0) > FULL_CORE) return "sidecar";
  return machine > cores - CORES_LEFT ? "machine" : "publisher";
}
