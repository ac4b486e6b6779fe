/**
 * Recorded traffic frame by frame: what each peer takes for a frame against the one that its sender would code it against, in
 * bytes and in microseconds. Heads of messages and records are left out, for all of them.
 */
import { diff } from "../../src/frame/splice.js";
import { packHunks, packWhole } from "../../src/frame/whole.js";
import { captureFiles, readCapture } from "../../test/support/captures.js";
import { nameOf } from "../../test/unit/frame/support.js";
import { type Pair, type Task, tasksFor, type Vcdiff } from "./peers.js";

/** A stream whose frames do not hold all before them keeps its base until a delta takes more than this. */
const REPIN_BYTES = 48;
/** One pair in so many is timed, and one in so many goes through a process of xdelta3. */
const TIMED = 4;
const VCDIFF_SAMPLE = 100;
/** A pass over the timed pairs is repeated until it has taken this long: clocks and caches must not be what is measured. */
const PASS_US = 4_000;

export interface CaptureRow {
  name: string;
  frames: number;
  /** Of a frame as the app published it. */
  meanFrame: number;
  peer: string;
  /** Mean of a frame's bytes, first frames of streams included (those are sent whole and deflated, whoever codes the rest). */
  bytes: number;
  /** Mean microseconds of the sender and of the receiver for a frame against its base, median over rounds. */
  sendUs: number | null;
  receiveUs: number | null;
}

interface Recording {
  name: string;
  frames: number;
  frameBytes: number;
  pairs: Pair[];
  /** Bytes of the frames without a base. */
  firsts: number;
  /** What deltas of ours take as they are sent: hunks, deflated where that is smaller, or the frame whole. */
  ours: number;
}

function read(name: string, path: string): Recording {
  const bases = new Map<string, Buffer>();
  const recording: Recording = { name, frames: 0, frameBytes: 0, pairs: [], firsts: 0, ours: 0 };
  for (const frame of readCapture(path)) {
    const { payload } = frame;
    const { stream, cumulative } = nameOf(frame);
    const base = bases.get(stream);
    recording.frames++;
    recording.frameBytes += payload.length;
    if (base === undefined) {
      recording.firsts += packWhole(payload).body.length;
      bases.set(stream, payload);
      continue;
    }
    recording.pairs.push({ base, next: payload });
    const hunks = diff(base, payload, payload.length);
    const delta = hunks === null ? Number.POSITIVE_INFINITY : packHunks(hunks).body.length;
    recording.ours += delta <= 128 ? delta : Math.min(delta, packWhole(payload).body.length);
    if (cumulative || delta > REPIN_BYTES) bases.set(stream, payload);
  }
  return recording;
}

const SENDERS: Record<string, { send: string; receive?: string }> = {
  ours: { send: "ours: diff", receive: "ours: apply" },
  "fossil-delta": { send: "fossil-delta: create", receive: "fossil-delta: apply" },
  "RFC 6902": { send: "RFC 6902: parse, compare, stringify" },
  deflate: { send: "deflateRaw of the frame" },
  "deflate, dictionary": { send: "deflateRaw, last frame as dictionary" },
};

/** How thoroughly it is measured. */
export interface Effort {
  /** Of timing, in which the peers take turns. */
  rounds: number;
  /** One pair in so many is looked at for the peers' bytes. */
  every: number;
}

interface Sum {
  bytes: number;
  count: number;
  times: number[];
}

/** CPU time of this process so far, microseconds: others on the same core do not count. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** One pass of a peer's task over all timed pairs, again and again: microseconds for one. */
function pass(timed: readonly Task[][], place: number): number {
  const began = cpuUs();
  let count = 0;
  do {
    for (const tasks of timed) {
      if (tasks[place] === undefined) continue;
      tasks[place].run();
      count++;
    }
  } while (count > 0 && cpuUs() - began < PASS_US);
  return (cpuUs() - began) / Math.max(1, count);
}

async function measure(
  recording: Recording,
  { rounds, every }: Effort,
  vcdiff: Vcdiff | undefined,
): Promise<CaptureRow[]> {
  const sums = new Map<string, Sum>();
  const timed: Task[][] = [];
  const looked = recording.pairs.filter((_, i) => i % every === 0);
  for (const [i, pair] of looked.entries()) {
    const tasks = tasksFor(pair);
    if ((i * every) % TIMED < every) timed.push(tasks);
    for (const { peer, bytes } of tasks) {
      const sum = sums.get(peer) ?? { bytes: 0, count: 0, times: [] };
      sums.set(peer, sum);
      sum.bytes += bytes ?? 0;
      sum.count++;
    }
    if (i % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const peers = [...sums.keys()];
  for (let round = 0; round <= rounds; round++) {
    for (let k = 0; k < peers.length; k++) {
      const place = (k + round) % peers.length;
      const us = pass(timed, place);
      // The first round is the compiler's.
      if (round > 0) sums.get(peers[place]!)!.times.push(us);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const median = (peer: string | undefined): number | null => {
    const times = peer === undefined ? undefined : sums.get(peer)?.times.sort((a, b) => a - b);
    return times === undefined || times.length === 0 ? null : times[times.length >> 1]!;
  };
  const { name, frames, frameBytes, firsts, ours } = recording;
  const row = { name, frames, meanFrame: frameBytes / frames };
  const rows: CaptureRow[] = [];
  for (const [peer, { send, receive }] of Object.entries(SENDERS)) {
    const sum = sums.get(send);
    // Pickle is no JSON.
    if (sum === undefined || sum.count < looked.length) continue;
    const deltas = peer === "ours" ? ours : (sum.bytes / sum.count) * recording.pairs.length;
    rows.push({ ...row, peer, bytes: (deltas + firsts) / frames, sendUs: median(send), receiveUs: median(receive) });
  }
  rows.push({ ...row, peer: "our CRC-32", bytes: Number.NaN, sendUs: median("ours: crc32"), receiveUs: null });
  if (vcdiff !== undefined) {
    const some = recording.pairs.filter((_, i) => i % VCDIFF_SAMPLE === 0);
    const mean = some.reduce((sum, pair) => sum + vcdiff.bytes(pair), 0) / Math.max(1, some.length);
    const bytes = (mean * recording.pairs.length + firsts) / frames;
    rows.push({ ...row, peer: "VCDIFF", bytes, sendUs: null, receiveUs: null });
  }
  return rows;
}

/** Measures every recording. */
export async function measureCaptures(
  effort: Effort,
  vcdiff: Vcdiff | undefined,
  say: (line: string) => void,
): Promise<CaptureRow[]> {
  const rows: CaptureRow[] = [];
  for (const { name, path } of captureFiles()) {
    const began = performance.now();
    rows.push(...(await measure(read(name, path), effort, vcdiff)));
    say(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }
  return rows;
}
