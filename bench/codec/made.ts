/** Made frames of 4 to 256 KiB in five kinds of change, and what each peer takes for them. */
import { envelope, outputFrame, tokens } from "../../test/unit/frame/support.js";
import { type Pair, type Task, tasksFor } from "./peers.js";

export const SIZES_KIB = [4, 16, 64, 256];
/** A sample runs a task until this much time has passed, and at least once. */
export const SAMPLE_US = 1500;
/** Samples of each task that are thrown away: the compiler is still at work on the first ones. */
const WARM_UP_ROUNDS = 3;

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

export interface MadeRow {
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

function measure(kib: number, change: string, pair: Pair, rounds: number): MadeRow[] {
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

/** Measures all sizes and changes. The peers take turns within each round, so that a busy machine slows all of them alike. */
export async function measureMade(rounds: number): Promise<MadeRow[]> {
  const rows: MadeRow[] = [];
  // The first case would pay for compiling everybody's code.
  measure(4, "warm-up", CHANGES["two growth points"]!(4096), Math.min(5, rounds));
  for (const kib of SIZES_KIB) {
    for (const [change, make] of Object.entries(CHANGES)) {
      rows.push(...measure(kib, change, make(kib * 1024), rounds));
      // The caller's timers run.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (sink === undefined) throw new Error("nothing was measured");
  return rows;
}
