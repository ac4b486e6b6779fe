/** What the failover bench makes of what its pods have written down. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { figuresOf, type PodResult, type SentFrame } from "../../../bench/failover/figures.js";
import { spread } from "../../../bench/statistics.js";

const times = { fault: 100, early: 101, end: 116 };
/** Frame `i` of each chat is due at 99.5 + i seconds. */
const sent = (count: number, failed: number[] = []): SentFrame[] =>
  Array.from({ length: count }, (_, i) => [i, 99.5 + i, 99.6 + i, !failed.includes(i)]);
const heard = (chat: string, numbers: number[]) => numbers.map((n): [string, number, number] => [chat, n, 99.7 + n]);
const upTo = (count: number, without: number[] = []) =>
  Array.from({ length: count }, (_, i) => i).filter((i) => !without.includes(i));

function pods(a: SentFrame[], heardByB: [string, number, number][][]): PodResult[] {
  return [
    { chats: [{ name: "a0", worker: 0, sent: a }], workers: [[], heard("a0", upTo(a.length))] },
    { chats: [], workers: heardByB },
  ];
}

test("all heard: nothing lost, and the longest silence is that between two frames", () => {
  const figures = figuresOf(pods(sent(16), [heard("a0", upTo(16))]), times);
  assert.deepEqual(
    [figures.lostWords, figures.lostWholes, figures.errors, figures.twice, figures.disorder],
    [0, 0, 0, 0, 0],
  );
  assert.equal(figures.expected, 16 * 2, "the other worker of the pod and the other pod");
  assert.deepEqual(figures.earlyEnds, [2, 2]);
  assert.equal(figures.deaf.length, 1, "the pod without foreign chats is not asked");
  assert.ok(Math.abs(figures.deaf[0]! - 1.3) < 0.01, `from the last frame to the end: ${figures.deaf[0]}`);
});

test("words and whole texts that were not heard are told apart; an error is no loss", () => {
  const figures = figuresOf(pods(sent(16, [7]), [heard("a0", upTo(16, [3, 4, 5, 7]))]), times);
  assert.deepEqual([figures.lostWords, figures.lostWholes, figures.errors], [2, 1, 1]);
  assert.ok(Math.abs(figures.deaf.at(-1)! - 4) < 0.01, `from frame 2 to frame 6: ${figures.deaf.at(-1)}`);
});

test("who hears nothing more is deaf for good, from the fault to the end", () => {
  const figures = figuresOf(pods(sent(16), [heard("a0", [0])]), times);
  assert.equal(figures.silentAtEnd, 1);
  assert.ok(Math.abs(figures.deaf.at(-1)! - 16) < 0.01, String(figures.deaf.at(-1)));
  assert.deepEqual(figures.earlyEnds, [1, 2]);
});

test("repeats and frames behind later ones are counted, and what was said long before the fault is not looked at", () => {
  const early: SentFrame[] = [[0, 90, 90, true], ...sent(16).map(([n, ...rest]): SentFrame => [n + 1, ...rest])];
  const events = heard("a0", [1, 2, 2, 4, 3, ...upTo(17).slice(5)]);
  const figures = figuresOf(pods(early, [events]), times);
  assert.deepEqual([figures.twice, figures.disorder, figures.lostWords + figures.lostWholes], [1, 1, 0]);
});

test("spread", () => {
  assert.deepEqual(spread([3, 1, 2, 10]), { median: 2.5, least: 1, most: 10 });
});
