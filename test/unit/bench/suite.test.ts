/** The pure parts of `npm run bench`: statistics, Markdown, SVG, quotes in documents, and reports that survive a failed section. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mean, quantile, ratio, spread } from "../../../bench/statistics.js";
import { bytes, markdownTable, number, spreadText, times } from "../../../bench/suite/markdown.js";
import { quotable, quote } from "../../../bench/suite/quote.js";
import { markdownReport, type Run, runName, show } from "../../../bench/suite/report.js";
import { runSection } from "../../../bench/suite/run.js";
import type { AnySection, Outcome } from "../../../bench/suite/section.js";
import { svg } from "../../../bench/suite/svg.js";

test("quantiles lie between neighbours; a spread holds the ends", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
  assert.equal(quantile([10, 2, 33], 1), 33);
  assert.ok(Number.isNaN(quantile([], 0.5)));
  assert.deepEqual(spread([5, 1, 9]), { median: 5, least: 1, most: 9 });
  assert.equal(mean([]), 0);
  assert.equal(ratio(1, 0), undefined);
});

test("numbers are written for readers", () => {
  assert.equal(number(1234567.891, 1), "1,234,567.9");
  assert.equal(number(Number.NaN), "");
  assert.deepEqual([bytes(40), bytes(1_234), bytes(45_600_000), bytes(undefined)], ["40 B", "1.23 kB", "45.6 MB", ""]);
  assert.deepEqual([times(0.5), times(5.04), times(496.2)], ["0.50 x", "5.0 x", "496 x"]);
  assert.equal(spreadText({ median: 1, least: 0.5, most: 2 }, 1), "1.0 (0.5–2.0)");
});

test("a table is padded, its numbers stand right, and a bar in a cell breaks nothing", () => {
  const text = markdownTable({
    head: ["way", "n"],
    rows: [
      ["a|b", "1"],
      ["direct", undefined],
    ],
  });
  assert.equal(text, "| way    |    n |\n| ------ | ---: |\n| a\\|b   |    1 |\n| direct |      |");
});

test("a plot has a line for each series and leaves out what a logarithm cannot show", () => {
  const text = svg({
    title: "a < b & c",
    x: "x",
    y: "y",
    xLog: true,
    yLog: true,
    series: [
      {
        name: "n²",
        points: [
          [1, 1],
          [10, 100],
          [100, 10_000],
        ],
      },
      {
        name: "flat",
        dashed: true,
        points: [
          [0, 5],
          [10, 0],
          [100, 5],
        ],
      },
    ],
  });
  assert.equal(text.match(/<polyline/g)?.length, 2);
  assert.equal(text.match(/<circle/g)?.length, 4, "x = 0 and y = 0 are left out");
  assert.match(text, /a &lt; b &amp; c/);
  assert.doesNotMatch(text, /NaN|Infinity|undefined/);
  // n² on two logarithmic axes is a straight line.
  const [a, b, c] = [...text.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [
    Number(x),
    Number(y),
  ]);
  const slope = (p: number[], q: number[]) => (q[1]! - p[1]!) / (q[0]! - p[0]!);
  assert.ok(Math.abs(slope(a!, b!) - slope(b!, c!)) < 0.01);
});

test("plots without points, with one, and with equal values are still plots", () => {
  for (const points of [
    [],
    [[5, 5]],
    [
      [1, 7],
      [2, 7],
    ],
  ] as [number, number][][]) {
    for (const log of [true, false]) {
      const text = svg({ title: "t", x: "x", y: "y", xLog: log, yLog: log, series: [{ name: "s", points }] });
      assert.doesNotMatch(text, /NaN|Infinity/);
    }
  }
});

const outcome = (name: string, more: Partial<Outcome> = {}): Outcome => ({
  name,
  about: `About ${name}.`,
  seconds: 3,
  budgetSeconds: 4,
  othersBefore: 0.01,
  othersDuring: 0.02,
  stolen: 0,
  noisy: false,
  ...more,
});

const counting: AnySection = {
  name: "counting",
  about: "Counts.",
  budgetSeconds: { full: 1, quick: 1 },
  run: async () => ({ n: 3 }),
  tables: ({ n }: { n: number }) => [
    { name: "count", title: "How many", head: ["what", "n"], rows: [["all", String(n)]] },
  ],
  plots: () => [{ name: "count", plot: { title: "Count", x: "x", y: "y", series: [] } }],
  goals: ({ n }: { n: number }) => [{ what: "enough", aim: "≥ 4", measured: String(n), met: n >= 4 }],
};

const run: Run = {
  command: "npm run bench",
  machine: {
    shape: "2 × cores",
    node: "v20.0.0",
    server: "valkey 8",
    load: 0.1,
    commit: "abcdef0",
    dirty: false,
    date: "2026-01-02",
  },
  quick: false,
  seconds: 60,
  sections: [
    outcome("counting", { result: { n: 3 } }),
    outcome("broken", { failure: "Error: no server\n    at x", noisy: true }),
  ],
};

test("a report has goals, tables, plots and what failed", () => {
  const text = markdownReport(run, show(run, [counting]));
  assert.match(text, /\| counting \| enough +\| ≥ 4 +\| 3 +\| \*\*no\*\*/);
  assert.match(text, /\*\*How many\*\*/);
  assert.match(text, /!\[Count\]\(2026-01-02-abcdef0-count\.svg\)/);
  assert.match(text, /\*\*Failed:\*\* `Error: no server`/);
  assert.match(text, /noisy run/);
  assert.equal(runName({ ...run, quick: true }), "2026-01-02-abcdef0-quick");
});

test("a section that fails is recorded, and one whose tables fail as well", async () => {
  const failing: AnySection = { ...counting, run: () => Promise.reject(new Error("gone")) };
  const lines: string[] = [];
  const failed = await runSection(failing, true, (line) => lines.push(line));
  assert.match(failed.failure ?? "", /gone/);
  assert.equal(failed.result, undefined);
  const unreadable = outcome("counting", { result: null });
  assert.deepEqual(show({ ...run, sections: [unreadable] }, [counting])[0]?.tables, []);
  assert.match(unreadable.failure ?? "", /its tables/);
});

test("a document is brought up to date between its marks, again and again, and says what it lacks", () => {
  const texts = quotable(show(run, [counting]), "../bench/results/x");
  const document =
    "before\n<!-- bench count -->\nold\n<!-- /bench -->\nafter\n<!-- bench plot-none-0.11.0 -->\n<!-- /bench -->\n";
  const once = quote(document, texts);
  assert.deepEqual(once.unknown, ["plot-none-0.11.0"]);
  assert.match(
    once.text,
    /^before\n<!-- bench count -->\n\n\*\*How many\*\*[\s\S]*\| all +\| +3 \|\n\n<!-- \/bench -->\nafter\n/,
  );
  assert.doesNotMatch(once.text, /old/);
  assert.equal(quote(once.text, texts).text, once.text);
  assert.match(texts.get("goals") ?? "", /enough/);
  assert.equal(texts.get("plot-count"), "![Count](../bench/results/x-count.svg)\n");
});
