/** diff() stays linear whatever it is given: the searches for agreement run on a budget. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, diff } from "../../../src/frame/splice.js";
import { numbers } from "./support.js";

const MIB = 1 << 20;
/** Measured: below 2.5 ms. The bound leaves room for a busy machine and still finds anything quadratic. */
const MOST_MS = 40;

function made(byteAt: (i: number) => number): Buffer {
  const out = Buffer.allocUnsafe(MIB);
  for (let i = 0; i < MIB; i++) out[i] = byteAt(i);
  return out;
}

/** Best of three in milliseconds of this process's CPU, so that a busy machine changes little, after checking the result. */
function time(base: Buffer, next: Buffer): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3; run++) {
    const start = process.cpuUsage();
    const hunks = diff(base, next, Number.MAX_SAFE_INTEGER);
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / 1_000);
    assert.ok(hunks);
    assert.ok(apply(base, hunks, next.length).equals(next));
    assert.ok(hunks.length <= next.length + 16, "never noticeably more than the frame itself");
  }
  return best;
}

const random = numbers(12345);
const PAIRS: Record<string, readonly [Buffer, Buffer]> = {
  "one letter against nearly the same run": [
    made((i) => (i % 20 === 9 ? 98 : 97)),
    made((i) => (i === 0 || i === MIB - 1 ? 99 : 97)),
  ],
  "a needle that fails at its last byte": [
    made((i) => (i % 20 === 19 ? 98 : 97)),
    made((i) => (i === 0 || i === MIB - 1 ? 99 : 97)),
  ],
  "a needle that fails at its first byte": [
    made((i) => (i % 20 === 0 ? 98 : 97)),
    made((i) => (i === 0 || i === MIB - 1 ? 99 : 97)),
  ],
  "two periods that never meet": [made((i) => 97 + (i % 3)), made((i) => 97 + (i % 2) * 2)],
  "every sixteenth byte changed": [made((i) => (i * 7) & 255), made((i) => (i % 16 ? (i * 7) & 255 : 0))],
  "every byte changed": [made((i) => i & 255), made((i) => ~i & 255)],
  "random bytes": [made(() => random(256)), made(() => random(256))],
  "random bits": [made(() => 48 + random(2)), made(() => 48 + random(2))],
  "the halves swapped": (() => {
    const base = made(() => random(256));
    return [base, Buffer.concat([base.subarray(MIB / 2), base.subarray(0, MIB / 2)])] as const;
  })(),
};

for (const [what, [base, next]] of Object.entries(PAIRS)) {
  test(`1 MiB in bounded time: ${what}`, () => {
    for (const ms of [time(base, next), time(next, base)]) assert.ok(ms < MOST_MS, `${ms} ms`);
  });
}

test("1 MiB in bounded time: 16 made pairs of periods and noise", () => {
  for (let run = 0; run < 16; run++) {
    const a = made(() => 0)
      .subarray(0, 1 + random(64))
      .map(() => 97 + (random(3) === 0 ? 1 : 0));
    const b = made(() => 0)
      .subarray(0, 1 + random(64))
      .map(() => 97 + (random(3) === 0 ? 1 : 0));
    const noise = random(2) * (1 + random(5000));
    const base = made((i) => (noise > 0 && random(noise) === 0 ? 99 : a[i % a.length]!));
    const next = made((i) => (i === 0 ? 1 : noise > 0 && random(noise) === 0 ? 100 : b[i % b.length]!));
    const ms = time(base, next);
    assert.ok(ms < MOST_MS, `${ms} ms`);
  }
});
