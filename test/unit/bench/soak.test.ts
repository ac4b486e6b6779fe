/** The soak's judgement: a flat run passes, and each thing that grows is named. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultBounds, judge, type Sample, slope } from "../../../bench/soak/verdict.js";

const quiet: Sample = {
  t: 0,
  rssMiB: 80,
  heapMiB: 17,
  externalMiB: 3,
  fds: 24,
  sockets: 3,
  timers: 5,
  lagMs: 3,
  streams: 0,
  held: 0,
  queued: 0,
};

/** Twenty minutes of looks, each as `change` makes it. */
function run(change: (t: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: 240 }, (_, i) => ({ ...quiet, t: i * 5, ...change(i * 5) }));
}
const noise = (t: number) => 80 + 6 * Math.sin(t * 1.7);
const problems = (change: (t: number) => Partial<Sample>, after: Partial<Sample> = {}, idleMs = 2) =>
  judge(run(change), quiet, { ...quiet, ...after }, idleMs, defaultBounds).problems;

test("a line's slope", () => {
  assert.equal(
    slope([
      [0, 1],
      [1, 3],
      [2, 5],
    ]),
    2,
  );
  assert.equal(slope([[1, 1]]), 0);
});

test("memory that only breathes is flat, memory that grows is not", () => {
  assert.deepEqual(
    problems((t) => ({ rssMiB: noise(t) })),
    [],
  );
  assert.deepEqual(
    problems((t) => ({ rssMiB: t < 300 ? 60 + t / 15 : noise(t) })),
    [],
    "a warm-up is no leak",
  );
  assert.match(problems((t) => ({ rssMiB: noise(t) + t / 60 })).join(), /RSS grows by 60\.\d MiB an hour/);
  // A step in the third quarter: the median sees it where the line may not.
  assert.match(problems((t) => ({ rssMiB: t < 780 ? 80 : 95 })).join(), /RSS: 95\.0 MiB at the end, 80\.0 MiB early/);
});

test("what lingers when the apps have gone is named", () => {
  const flat = () => ({});
  assert.match(problems(flat, { fds: 25 }).join(), /25 files open at the end, 24 at the start/);
  assert.match(problems(flat, { sockets: 4 }).join(), /sockets/);
  assert.match(problems(flat, { timers: 6 }).join(), /timers/);
  for (const gauge of ["streams", "held", "queued"]) {
    assert.deepEqual(problems(flat, { [gauge]: 2 }), [`${gauge}: 2 at the end`]);
  }
});

test("lag is judged beside that of an idle process", () => {
  assert.match(problems(() => ({ lagMs: 25 })).join(), /event loop lag p99 25\.0 ms/);
  assert.deepEqual(
    problems(() => ({ lagMs: 25 }), {}, 15),
    [],
  );
});
