/** What the reader of one-answer sees: bytes by length, what smoothness costs, and whether gathering made the figure. Pure. */

import { quantile } from "../../statistics.js";
import { bytes, number, times } from "../markdown.js";
import type { AnswerResult, AnswerRow } from "../one-answer.js";
import type { Goal, NamedPlot, Table } from "../section.js";
import type { LegResult } from "./leg.js";

/** Frames a second of a model, for what a reader gets of it. */
const READER_PACE = 50;

/** Median of a figure over a row's runs. */
function of(row: AnswerRow | undefined, figure: (run: LegResult) => number): number | undefined {
  return row === undefined ? undefined : quantile(row.runs.map(figure), 0.5);
}

const inOut = (run: LegResult) => run.bytesIn + run.bytesOut;
const over = (value: number | undefined, base: number | undefined) =>
  value === undefined || base === undefined ? undefined : value / base;

class Rows {
  constructor(readonly rows: readonly AnswerRow[]) {}

  find(at: { shape: string; tokens: number; pods: number }, way: string, more: Partial<AnswerRow> = {}) {
    const wanted = { listeners: at.pods, pace: undefined, ...more };
    return this.rows.find(
      (row) =>
        row.shape === at.shape &&
        row.tokens === at.tokens &&
        row.pods === at.pods &&
        row.way === way &&
        row.listeners === wanted.listeners &&
        row.pace === wanted.pace,
    );
  }

  /** Every shape, number of pods and length that was measured, in that order. */
  cases(): { shape: string; tokens: number; pods: number }[] {
    const seen = this.rows.filter(({ way, pace }) => way === "direct" && pace === undefined);
    return seen
      .map(({ shape, tokens, pods }) => ({ shape, tokens, pods }))
      .sort(
        (a, b) => a.shape.localeCompare(b.shape, "en", { numeric: true }) || a.pods - b.pods || a.tokens - b.tokens,
      );
  }
}

function byLength({ rows, text }: AnswerResult): Table {
  const all = new Rows(rows);
  return {
    name: "answer-bytes",
    title: "Bytes into and out of the server for one answer, every pod with a listener",
    head: [
      "release",
      "pods",
      "tokens",
      "direct",
      "chunk size 10",
      "deflate 6",
      "sidecars",
      "of it in",
      "fewer",
      "text alone",
    ],
    words: 1,
    rows: all.cases().map((at) => {
      const direct = of(all.find(at, "direct"), inOut);
      const ours = all.find(at, "sidecar");
      return [
        at.shape,
        String(at.pods),
        number(at.tokens),
        bytes(direct),
        bytes(of(all.find(at, "direct, chunk size 10"), inOut)),
        bytes(of(all.find(at, "deflate, level 6"), inOut)),
        bytes(of(ours, inOut)),
        bytes(of(ours, (run) => run.bytesIn)),
        times(over(direct, of(ours, inOut))),
        bytes((text[at.tokens] ?? 0) * (1 + at.pods)),
      ];
    }),
    notes: [
      "In plus out, by the server's own counters, without those of the looks; the sidecars' canaries and first frames are in them. " +
        "_Text alone_: the answer's text once in and once out for each pod, with nothing around it. Chunk size 10 shows the reader " +
        "a tenth of the updates; all others show every one.",
    ],
  };
}

function smoothness({ rows }: AnswerResult): Table {
  const all = new Rows(rows);
  const shown: (string | undefined)[][] = [];
  for (const at of all.cases().filter(({ tokens, pods }) => tokens === 600 && pods === 2)) {
    const direct = of(all.find(at, "direct"), inOut);
    for (const row of rows) {
      if (row.shape !== at.shape || row.tokens !== 600 || row.pods !== 2 || row.pace !== undefined) continue;
      const way = row.way === "sidecar" && row.listeners < row.pods ? "sidecar, user on one pod" : row.way;
      shown.push([
        row.shape,
        way,
        bytes(of(row, (run) => run.bytesIn)),
        bytes(of(row, (run) => run.bytesOut)),
        times(over(direct, of(row, inOut))),
        number(of(row, (run) => run.commands)),
        number(of(row, (run) => run.delivered)),
        row.chunk === 1 ? "every" : `1 in ${row.chunk}`,
        number(READER_PACE / row.chunk, 1),
      ]);
    }
  }
  return {
    name: "answer-ways",
    title: "600 tokens, two pods: what each way costs the server and what the reader gets",
    head: ["release", "way", "bytes in", "bytes out", "fewer", "commands", "delivered", "updates", "frames/s"],
    words: 2,
    rows: shown,
    notes: [
      "_Delivered_: messages that reached apps, each compared byte for byte. _Frames/s_: what a reader sees of 50 tokens a second. " +
        "_User on one pod_: what a room's channel gives where only one pod has the user; 0.12.4 publishes so, for older releases it is " +
        "what it would give. The server counts commands within the sidecars' script as well.",
    ],
  };
}

function paced({ rows }: AnswerResult): Table {
  const all = new Rows(rows);
  const slow = rows.filter(({ pace }) => pace !== undefined);
  return {
    name: "answer-paced",
    title: `The same answer at ${slow[0]?.pace ?? READER_PACE} tokens a second: what gathering frames has to do with it`,
    head: [
      ...["release", "pods", "tokens", "direct", "chunk size 10", "sidecars, at once", "sidecars, paced", "fewer"],
      ...["in, a token", "out, a token and pod"],
    ],
    rows: slow.map((row) => {
      const direct = of(all.find(row, "direct"), inOut);
      const { tokens, pods } = row;
      return [
        row.shape,
        String(pods),
        number(tokens),
        bytes(direct),
        bytes(of(all.find(row, "direct, chunk size 10"), inOut)),
        bytes(of(all.find(row, "sidecar"), inOut)),
        bytes(of(row, inOut)),
        times(over(direct, of(row, inOut))),
        bytes(
          over(
            of(row, (run) => run.bytesIn),
            tokens,
          ),
        ),
        bytes(
          over(
            of(row, (run) => run.bytesOut),
            tokens * pods,
          ),
        ),
      ];
    }),
    notes: [
      "A quiet sidecar sends every frame at once, in a script call of its own; a busy one gathers for at most 5 ms.",
    ],
  };
}

/** Tables of one-answer. */
export function answerTables(result: AnswerResult): Table[] {
  return [byLength(result), smoothness(result), paced(result)].filter(({ rows }) => rows.length > 0);
}

/** Bytes over tokens, one plot a release, four pods. */
export function answerPlots({ rows, text }: AnswerResult): NamedPlot[] {
  const all = new Rows(rows);
  const pods = 4;
  return [...new Set(rows.map(({ shape }) => shape))].map((shape) => {
    const lengths = all.cases().filter((at) => at.shape === shape && at.pods === pods);
    const line = (name: string, way: string) => ({
      name,
      points: lengths.map((at) => [at.tokens, of(all.find(at, way), inOut) ?? Number.NaN] as const),
    });
    return {
      name: `answer-${shape}`,
      plot: {
        title: `One answer of ${shape}, ${pods} pods: bytes in and out of the server`,
        x: "tokens of the answer",
        y: "bytes",
        xLog: true,
        yLog: true,
        series: [
          line("direct", "direct"),
          line("chunk size 10", "direct, chunk size 10"),
          line("deflate, level 6", "deflate, level 6"),
          line("sidecars", "sidecar"),
          {
            name: "the text alone",
            dashed: true,
            points: lengths.map((at) => [at.tokens, (text[at.tokens] ?? 0) * (1 + pods)] as const),
          },
        ],
      },
    };
  });
}

/** The goals of issue and README that this section decides. */
export function answerGoals({ rows }: AnswerResult): Goal[] {
  const all = new Rows(rows);
  const goals: Goal[] = [];
  const fewer = (shape: string, tokens: number, aim: number) => {
    for (const pods of [4]) {
      const at = { shape, tokens, pods };
      const measured = over(of(all.find(at, "direct"), inOut), of(all.find(at, "sidecar"), inOut));
      if (measured === undefined) continue;
      const what = `${shape}, ${number(tokens)} tokens, ${pods} pods: bytes in and out`;
      goals.push({ what, aim: `≥ ${aim} x fewer`, measured: times(measured), met: measured >= aim });
    }
  };
  fewer("0.11.0", 4_000, 200);
  fewer("0.11.0", 600, 40);
  fewer("0.12.4", 600, 5);
  fewer("0.12.4", 4_000, 5);
  for (const row of rows.filter(({ pace, pods }) => pace !== undefined && pods === 4)) {
    const aim = row.shape === "0.12.4" ? 5 : 40;
    const measured = over(of(all.find(row, "direct"), inOut), of(row, inOut));
    if (measured === undefined) continue;
    const what = `${row.shape}, ${row.tokens} tokens, 4 pods, alone at ${row.pace} a second: bytes in and out`;
    goals.push({ what, aim: `≥ ${aim} x fewer`, measured: times(measured), met: measured >= aim });
  }
  const at = { shape: "0.11.0", tokens: 600, pods: 2 };
  const chunk = of(all.find(at, "direct, chunk size 10"), inOut);
  const ours = all.find(at, "sidecar");
  const total = of(ours, inOut);
  if (chunk !== undefined && ours !== undefined && total !== undefined) {
    goals.push({
      what: "0.11.0, 600 tokens, 2 pods, against chunk size 10",
      aim: "fewer bytes and every update",
      measured: `${bytes(total)} against ${bytes(chunk)}, every update`,
      met: total < chunk && ours.chunk === 1,
    });
    const alone = of(
      rows.find((row) => row.pace !== undefined && row.shape === at.shape && row.pods === at.pods),
      inOut,
    );
    if (alone !== undefined) {
      goals.push({
        what: "the same, alone at a model's pace",
        aim: "fewer bytes and every update",
        measured: `${bytes(alone)} against ${bytes(chunk)}, every update`,
        met: alone < chunk,
      });
    }
  }
  return goals;
}
