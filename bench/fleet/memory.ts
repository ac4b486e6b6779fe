/**
 * Scene `memory`: what sidecars hold. RSS of a sending and of a receiving one with more and more living streams of 32 KB, and
 * whether it stays where it is over as many frames as there is time for, up to a million.
 */
import { median } from "../statistics.js";
import { type Goal, goal } from "./figures.js";
import { type Fleet, startFleet } from "./fleet.js";
import type { PublishJob, PublishMark } from "./jobs.js";
import { rssMiB } from "./meter.js";
import type { Say, SceneOptions } from "./turns.js";

export interface MemoryPoint {
  streams: number;
  /** Streams that the sidecars say they remember, as a sender and as a receiver. */
  remembered: { sender: number; receiver: number };
  rssMiB: { sender: number; receiver: number };
}

export interface MemoryResult {
  scene: "memory";
  streamBytes: number;
  points: MemoryPoint[];
  flat: {
    frames: number;
    seconds: number;
    streams: number;
    /** Once a second, of the two sidecars together. */
    rssMiB: number[];
    secondQuarterMiB: number;
    lastQuarterMiB: number;
    /** The last quarter's median above the second quarter's, as a share. */
    rise: number;
  };
  goals: Goal[];
  notes: string[];
}

const STREAMS = [0, 100, 500, 5_000];
const QUICK_STREAMS = [0, 500];
/** 0.9.5's frames are of 32 KB here. */
const TOKENS = { tokens: 6_150, from: 6_000 };
const FRAMES_A_STREAM = 3;
const FRAMES_PER_S = 2_000;
const FLAT_FRAMES = 1_000_000;
/** In less time the heap is still finding its size. */
const FLAT_SECONDS = 30;
const FLAT_STREAMS = 32;
const RSS_MIB = 96;
const RISE = 0.1;
const SENDER = 0;

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

export async function memory(options: SceneOptions, say: Say): Promise<MemoryResult> {
  const began = performance.now();
  const points = await held(options.quick ? QUICK_STREAMS : STREAMS, say);
  const used = (performance.now() - began) / 1000;
  const flat = await flatness(Math.max(5, options.seconds - used - 6), say);
  const at500 = points.find(({ streams }) => streams === 500)!;
  return {
    scene: "memory",
    streamBytes: 32 * 1024,
    points,
    flat,
    goals: [
      goal(
        "RSS of a sidecar at 500 streams of 32 KB, MiB",
        "most",
        RSS_MIB,
        Math.max(at500.rssMiB.sender, at500.rssMiB.receiver),
      ),
      goal(
        `RSS rise over ${flat.frames} frames, last quarter above second`,
        "most",
        RISE,
        flat.seconds < FLAT_SECONDS ? null : flat.rise,
      ),
    ],
    notes: [
      "one pod sends and one receives; at 5,000 streams KEYFRAME_STREAM_BYTES (64 MiB) is what holds it, and what does not fit is forgotten",
      "RSS does not fall again soon after a peak, so each point is at least that of the one before",
    ],
  };
}

async function pods(workersAt: (pod: number) => boolean, env: Record<string, string> = {}): Promise<Fleet> {
  return startFleet({
    pods: 2,
    workers: 1,
    ways: ["sidecar"],
    channels: (pod) => (workersAt(pod) ? ["socketio"] : []),
    env,
  });
}

async function held(loads: readonly number[], say: Say): Promise<MemoryPoint[]> {
  const fleet = await pods((pod) => pod !== SENDER);
  const { sidecars, ports } = fleet.line("sidecar");
  const publisher = fleet.publishers[SENDER]!;
  const points: MemoryPoint[] = [];
  try {
    let living = 0;
    for (const streams of loads) {
      const more = streams - living;
      living = streams;
      if (more > 0) {
        const job: PublishJob = {
          ...TOKENS,
          port: ports[SENDER]!,
          pod: SENDER,
          shape: "0.9.5",
          streams: more,
          fps: FRAMES_PER_S / more,
          anywhere: false,
          phase: 0,
        };
        await publisher.ask("run", job, 60_000);
        await published(fleet, more * FRAMES_A_STREAM);
        await publisher.ask("end", ports[SENDER]);
      }
      await sleep(2);
      const [sender, receiver] = await Promise.all(sidecars.map((sidecar) => sidecar.metric("keyframe_streams")));
      const rss = sidecars.map(({ pid }) => rssMiB(pid));
      points.push({
        streams,
        remembered: { sender: sender!, receiver: receiver! },
        rssMiB: { sender: rss[0]!, receiver: rss[1]! },
      });
      say(
        `memory: ${streams} streams of 32 KB (${sender} and ${receiver} remembered): ${rss.map((one) => one.toFixed(0)).join(" and ")} MiB`,
      );
    }
  } finally {
    await fleet.stop();
  }
  return points;
}

/** Waits until the sender's apps have published that many frames, a minute at most. */
async function published(fleet: Fleet, frames: number): Promise<void> {
  const port = fleet.line("sidecar").ports[SENDER];
  for (let i = 0; i < 300; i++) {
    const mark = await fleet.publishers[SENDER]!.ask<PublishMark>("mark", port);
    if (mark.published >= frames) return;
    await sleep(0.2);
  }
}

async function flatness(seconds: number, say: Say): Promise<MemoryResult["flat"]> {
  say(`memory: up to ${FLAT_FRAMES} frames as fast as they are answered, ${seconds.toFixed(0)} s at most`);
  // Answers end and begin: were they remembered for two minutes, it would be the table of streams that fills.
  const fleet = await pods(() => true, { KEYFRAME_STREAM_IDLE: "2s" });
  const { sidecars, ports } = fleet.line("sidecar");
  const rss: number[] = [];
  let frames = 0;
  const began = performance.now();
  const gone = () => (performance.now() - began) / 1000;
  try {
    for (const [pod, hand] of fleet.publishers.entries()) {
      const job = { shape: "0.9.5", fps: 1, tokens: 100, from: 0, anywhere: true, closed: true, phase: 0 } as const;
      await hand.ask("run", { ...job, port: ports[pod]!, pod, streams: FLAT_STREAMS / 2 } satisfies PublishJob);
    }
    while (gone() < seconds && frames < FLAT_FRAMES) {
      await sleep(1);
      rss.push(sidecars.reduce((sum, { pid }) => sum + rssMiB(pid), 0));
      const marks = await Promise.all(fleet.publishers.map((hand, pod) => hand.ask<PublishMark>("mark", ports[pod])));
      frames = marks.reduce((sum, mark) => sum + mark.published, 0);
    }
  } finally {
    await fleet.stop();
  }
  const quarter = (n: number) =>
    median(rss.slice(Math.floor((rss.length * n) / 4), Math.ceil((rss.length * (n + 1)) / 4)));
  const [second, last] = [quarter(1), quarter(3)];
  say(
    `  ${frames} frames in ${gone().toFixed(0)} s; RSS of both: ${second.toFixed(0)} MiB in the second quarter, ${last.toFixed(0)} in the last`,
  );
  return {
    frames,
    seconds: gone(),
    streams: FLAT_STREAMS,
    rssMiB: rss,
    secondQuarterMiB: second,
    lastQuarterMiB: last,
    rise: last / second - 1,
  };
}
