/**
 * A pod's publishing apps, in a process of their own: every stream's frames at their times, whatever happened to those
 * before (an open loop), but each frame of a chat only once the one before it has been answered, as the apps do.
 */

import { nearestRank } from "../statistics.js";
import { type Answer, growingAnswer, idsOf, listedAnswer, makeText, type Text } from "./answers.js";
import { clock, serve } from "./ipc.js";
import { type PublishEnd, type PublishJob, type PublishMark, SAMPLE } from "./jobs.js";
import { Pool } from "./pool.js";

/** Connections: what a release's pool has, and the most that it may grow to. */
const WARM_CONNECTIONS = 8;
const MOST_CONNECTIONS = 48;
const LATENESS_KEPT = 20_000;
const MANY_TOKENS = 2_000;
const GOLDEN = 0.618034;

const pools = new Map<number, Pool>();
const texts = new Map<string, Text | undefined>();
let round = 0;

class Stream {
  readonly due: number[] = [];
  readonly phase: number;
  #answer: Answer;
  #at: number;
  #cycle: number;
  #busy = false;
  ended = false;

  constructor(
    readonly run: Run,
    readonly number: number,
  ) {
    // Every run has chats of its own.
    this.#cycle = round * 64;
    this.phase = (number * GOLDEN + run.job.phase) % 1;
    this.#answer = this.#next();
    this.#at = run.job.anywhere ? Math.floor(((number * GOLDEN + 0.5) % 1) * (this.#answer.length - 1)) : 0;
  }

  offer(due: number): void {
    if (this.ended) return;
    this.due.push(due);
    if (!this.#busy) this.#send();
  }

  #next(): Answer {
    const { job } = this.run;
    const ids = idsOf(job.pod, this.number, this.#cycle++, job.users?.[this.number]);
    // Texts of thousands of tokens take long to make: one of them is enough.
    const seed = job.tokens > MANY_TOKENS ? 0 : this.number % 4;
    const key = `${job.shape} ${job.tokens} ${seed}`;
    if (!texts.has(key)) texts.set(key, makeText(job.shape, job.tokens, seed + 1));
    const text = texts.get(key);
    if (text !== undefined) return growingAnswer(text, ids, job.from);
    return listedAnswer(job.shape, job.tokens, seed + 1, ids);
  }

  #send(): void {
    this.#busy = true;
    const { run } = this;
    const due = this.due.shift()!;
    const answer = this.#answer;
    const at = this.#at++;
    const cycle = this.#cycle - 1;
    run.pool.request(
      () => {
        const { request, bytes } = requestOf(answer, at);
        const now = clock();
        run.wrote(now - due, bytes);
        if (this.number === 0) run.sample(cycle * SAMPLE + bytes, now);
        return request;
      },
      () => {
        this.#busy = false;
        if (this.#at === answer.length) {
          this.#at = 0;
          this.#answer = this.#next();
        }
        if (run.job.closed) this.offer(clock());
        else if (this.due.length > 0 && !this.ended) this.#send();
      },
    );
  }
}

/** A PUBLISH in one piece of memory. */
function requestOf(answer: Answer, at: number): { request: Buffer; bytes: number } {
  const pieces = answer.pieces(at);
  const channel = answer.channel(at).toString("latin1");
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  const head = `*3\r\n$7\r\nPUBLISH\r\n$${channel.length}\r\n${channel}\r\n$${bytes}\r\n`;
  const request = Buffer.allocUnsafe(head.length + bytes + 2);
  let end = request.write(head, "latin1");
  for (const piece of pieces) end += piece.copy(request, end);
  request.write("\r\n", end, "latin1");
  return { request, bytes };
}

class Run {
  readonly pool: Pool;
  readonly streams: Stream[];
  #offered = 0;
  #published = 0;
  #bytes = 0;
  #lateness: number[] = [];
  readonly #samples = new Map<number, number>();
  readonly #period: number;
  readonly #begun: number;
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #errorsBefore: number;

  constructor(
    readonly job: PublishJob,
    pool: Pool,
  ) {
    this.pool = pool;
    this.#errorsBefore = pool.errors;
    this.streams = Array.from({ length: job.streams }, (_, i) => new Stream(this, i));
    this.streams.sort((a, b) => a.phase - b.phase);
    this.#period = 1000 / job.fps;
    this.#begun = clock();
    if (job.closed) for (const stream of this.streams) stream.offer(this.#begun);
    else this.#tick();
  }

  wrote(late: number, bytes: number): void {
    this.#published++;
    this.#bytes += bytes;
    if (this.#lateness.length < LATENESS_KEPT) this.#lateness.push(late);
  }

  /** Texts are stripped, so two frames may be equal: the first of them is the one that is timed. */
  sample(key: number, now: number): void {
    if (!this.#samples.has(key)) this.#samples.set(key, now);
  }

  mark(): PublishMark {
    this.#lateness = [];
    return this.#mark();
  }

  end(): PublishEnd {
    clearTimeout(this.#timer);
    this.pool.forget();
    const backlog = this.streams.reduce((sum, { due }) => sum + due.length, 0);
    const mark = this.#mark();
    for (const stream of this.streams) {
      stream.ended = true;
      stream.due.length = 0;
    }
    const lateness = Array.from({ length: 200 }, (_, i) => nearestRank(this.#lateness, (i + 0.5) / 200));
    const kept = this.#lateness.length > 0 ? [...lateness, nearestRank(this.#lateness, 1)] : [];
    return { ...mark, backlog, keys: [...this.#samples.keys()], times: [...this.#samples.values()], lateness: kept };
  }

  #mark(): PublishMark {
    const errors = this.pool.errors - this.#errorsBefore;
    return { at: clock(), offered: this.#offered, published: this.#published, bytes: this.#bytes, errors };
  }

  /** Streams have one period, so their order by phase is the order in which their frames are due, for good. */
  #tick(): void {
    const count = this.streams.length;
    if (count === 0) return;
    const now = clock();
    for (;;) {
      const stream = this.streams[this.#turn % count]!;
      const due = this.#begun + (stream.phase + Math.floor(this.#turn / count)) * this.#period;
      if (due > now) {
        this.#timer = setTimeout(() => this.#tick(), Math.max(1, due - now));
        return;
      }
      this.#turn++;
      if (!stream.ended) this.#offered++;
      stream.offer(due);
    }
  }
}

/** One at a time for each port: both ways may be at work at once. */
const running = new Map<number, Run>();

serve({
  run: async (job: PublishJob) => {
    let pool = pools.get(job.port);
    if (pool === undefined) {
      pool = new Pool(job.port, MOST_CONNECTIONS);
      pools.set(job.port, pool);
      await pool.warm(WARM_CONNECTIONS);
    }
    round++;
    running.set(job.port, new Run(job, pool));
  },
  mark: (port: number) => running.get(port)!.mark(),
  end: (port: number) => {
    const end = running.get(port)!.end();
    running.delete(port);
    return end;
  },
});
