/**
 * What the codec costs and saves, next to what else could carry a growing frame: run it with `npm run bench:codec`.
 *
 * Made frames of 4 to 256 KiB in five kinds of change; for each, microseconds and bytes of our diff, apply and CRC-32,
 * of fossil-delta (the same idea, general purpose, no memcmp), of deflating the frame, and of JSON Patch (RFC 6902) on
 * parsed JSON: `compare` alone with both sides parsed, and the whole way of a sender that is handed bytes. The peers
 * take turns within each round, so that a busy machine slows all of them alike. Options: --rounds N, --out FILE.
 */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { deflateRawSync } from "node:zlib";
import { crc32 } from "../src/frame/checksum.js";
import { apply, diff } from "../src/frame/splice.js";
import { envelope, outputFrame, tokens } from "../test/unit/frame/support.js";

// Both peers are CommonJS without usable types for an ES module.
const require = createRequire(import.meta.url);
const fossil = require("fossil-delta") as {
  create(base: Uint8Array, next: Uint8Array): ArrayLike<number>;
  apply(base: Uint8Array, delta: ArrayLike<number>): ArrayLike<number>;
};
const { compare } = require("fast-json-patch") as { compare(base: object, next: object): unknown[] };

const SIZES_KIB = [4, 16, 64, 256];
/** A sample runs a task until this much time has passed, and at least once. */
const SAMPLE_US = 1500;
/** Samples of each task that are thrown away: the compiler is still at work on the first ones. */
const WARM_UP_ROUNDS = 3;

interface Pair {
  base: Buffer;
  next: Buffer;
}

/** The kinds of change, each as a frame of about `bytes` bytes and its successor. */
const CHANGES: Record<string, (bytes: number) => Pair> = {
  append: (bytes) => {
    const text = textOf(bytes);
    return { base: outputFrame(text), next: outputFrame(`${text} word`) };
  },
  "two growth points": (bytes) => {
    const text = textOf(bytes / 2);
    const frame = (grown: string) =>
      envelope("chat:completion", {
        content: grown,
        output: [{ type: "message", status: "in_progress", content: [{ type: "output_text", text: grown }] }],
      });
    return { base: frame(text), next: frame(`${text} word`) };
  },
  "mid-string": (bytes) => {
    const head = textOf(bytes * 0.7);
    const tail = textOf(bytes * 0.3);
    const frame = (middle: string) => envelope("chat:completion", { content: `${head}${middle}\n</details>\n${tail}` });
    return { base: frame(""), next: frame(" word") };
  },
  "head change": (bytes) => {
    const text = textOf(bytes);
    const frame = (head: string, tail: string) =>
      envelope("chat:completion", {
        content: `<details type="reasoning" ${head}</summary>\n> ${text}\n</details>${tail}`,
      });
    return {
      base: frame('done="false">\n<summary>Thinking…', ""),
      next: frame('done="true" duration="2">\n<summary>Thought for 2 seconds', "\nword"),
    };
  },
  equal: (bytes) => {
    const frame = outputFrame(textOf(bytes));
    return { base: frame, next: Buffer.from(frame) };
  },
};

/** Text that takes about `bytes` bytes as JSON in a frame. */
function textOf(bytes: number): string {
  const words = tokens(Math.ceil(bytes / 5), 11).join("");
  const most = Math.max(bytes - 400, 0);
  const scale = words.length / envelope("", words).length;
  return words.slice(0, Math.floor(most * scale));
}

interface Task {
  peer: string;
  /** What this way of sending puts on the wire, bytes; absent where the task is not about sending. */
  bytes?: number;
  run(): unknown;
}

function tasksFor({ base, next }: Pair): Task[] {
  const hunks = diff(base, next, next.length);
  if (hunks === null || !apply(base, hunks, next.length).equals(next)) throw new Error("our own round trip failed");
  const delta = fossil.create(base, next);
  if (!Buffer.from(Array.from(fossil.apply(base, delta))).equals(next))
    throw new Error("fossil-delta's round trip failed");
  const parsedBase = JSON.parse(base.toString()) as object;
  const parsedNext = JSON.parse(next.toString()) as object;
  const patch = (): Buffer => Buffer.from(JSON.stringify(compare(parsedBase, JSON.parse(next.toString()) as object)));
  return [
    { peer: "ours: diff", bytes: hunks.length, run: () => diff(base, next, next.length) },
    { peer: "ours: apply", run: () => apply(base, hunks, next.length) },
    { peer: "ours: crc32", run: () => crc32(next) },
    { peer: "fossil-delta: create", bytes: delta.length, run: () => fossil.create(base, next) },
    { peer: "fossil-delta: apply", run: () => fossil.apply(base, delta) },
    { peer: "deflateRaw of the frame", bytes: deflateRawSync(next).length, run: () => deflateRawSync(next) },
    { peer: "RFC 6902: compare only", run: () => compare(parsedBase, parsedNext) },
    { peer: "RFC 6902: parse, compare, stringify", bytes: patch().length, run: patch },
  ];
}

interface Row {
  kib: number;
  change: string;
  frameBytes: number;
  peer: string;
  bytes: number | null;
  medianUs: number;
  p10Us: number;
  p90Us: number;
}

let sink: unknown;

/** One sample: microseconds for one run, on the mean over SAMPLE_US. */
function sample(task: Task): number {
  const start = performance.now();
  let runs = 0;
  let spent = 0;
  do {
    sink = task.run();
    runs++;
    spent = (performance.now() - start) * 1000;
  } while (spent < SAMPLE_US);
  return spent / runs;
}

function measure(kib: number, change: string, pair: Pair, rounds: number): Row[] {
  const tasks = tasksFor(pair);
  for (let round = 0; round < WARM_UP_ROUNDS; round++) for (const task of tasks) sample(task);
  const samples = tasks.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another peer, so that none always follows the one that leaves most garbage.
    for (let k = 0; k < tasks.length; k++) {
      const at = (k + round) % tasks.length;
      samples[at]!.push(sample(tasks[at]!));
    }
  }
  return tasks.map((task, at) => {
    const sorted = samples[at]!.sort((a, b) => a - b);
    const quantile = (q: number) => Math.round(sorted[Math.floor((sorted.length - 1) * q)]! * 100) / 100;
    return {
      kib,
      change,
      frameBytes: pair.next.length,
      peer: task.peer,
      bytes: task.bytes ?? null,
      medianUs: quantile(0.5),
      p10Us: quantile(0.1),
      p90Us: quantile(0.9),
    };
  });
}

function print(rows: readonly Row[]): void {
  const line = (...cells: string[]) =>
    console.log(
      [
        cells[0]!.padEnd(6),
        cells[1]!.padEnd(18),
        cells[2]!.padEnd(36),
        ...cells.slice(3).map((c) => c.padStart(12)),
      ].join(""),
    );
  line("KiB", "change", "peer", "bytes", "median us", "p10", "p90");
  let last = "";
  for (const row of rows) {
    const group = `${row.kib} ${row.change}`;
    if (group !== last) console.log("");
    line(
      group === last ? "" : String(row.kib),
      group === last ? "" : row.change,
      row.peer,
      row.bytes === null ? "" : String(row.bytes),
      row.medianUs.toFixed(2),
      row.p10Us.toFixed(2),
      row.p90Us.toFixed(2),
    );
    last = group;
  }
}

const { values } = parseArgs({ options: { rounds: { type: "string", default: "15" }, out: { type: "string" } } });
const rows: Row[] = [];
// The first case would pay for compiling everybody's code.
measure(4, "warm-up", CHANGES["two growth points"]!(4096), 5);
for (const kib of SIZES_KIB) {
  for (const [change, make] of Object.entries(CHANGES))
    rows.push(...measure(kib, change, make(kib * 1024), Number(values.rounds)));
}
print(rows);
if (values.out !== undefined) {
  const about = { node: process.version, arch: process.arch, rounds: Number(values.rounds), sampleUs: SAMPLE_US };
  writeFileSync(values.out, `${JSON.stringify({ about, rows }, null, 1)}\n`);
}
if (sink === undefined) console.log("");
