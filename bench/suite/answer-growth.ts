/**
 * What a token costs as its answer grows: one long answer, looked at in several places, at a pace at which every frame goes by
 * itself, as those of one chat do. Bytes and the server's CPU must stay flat with sidecars; without them they grow with the answer.
 * What a sidecar spends has a part that grows: it reads and writes the whole frame for its app.
 */
import type { MadeFrame } from "../generate.js";
import { ratio, spread } from "../statistics.js";
import { answerOf } from "./answer/frames.js";
import { type LegResult, runLeg } from "./answer/leg.js";
import { Stack } from "./answer/stack.js";
import { bytes, number, spreadText, times } from "./markdown.js";
import type { Goal, NamedPlot, Section, Table } from "./section.js";

const SHAPE = "0.11.0";
const PODS = 2;
const WAYS = ["direct", "sidecar"] as const;
type Way = (typeof WAYS)[number];

/** Frames of a window, and of its approach, in which the chat gets there and which does not count. */
const WINDOW = 300;
const APPROACH = 20;
/** Frames farther apart than the flush window are not gathered. */
const PACE = 150;
const PLACES = [100, 1_000, 2_000, 4_000, 8_000];
const QUICK_PLACES = [100, 4_000];

export interface GrowthResult {
  places: number[];
  pace: number;
  /** For each way one list a run: what the window at each place took. */
  runs: Record<Way, LegResult[][]>;
}

/** The frames of each window with those before it; what lies between is left out. */
function partsOf(frames: readonly MadeFrame[], places: readonly number[]) {
  return places.flatMap((place) => [
    { frames: frames.slice(place - APPROACH, place), measured: false },
    { frames: frames.slice(place, place + WINDOW), measured: true },
  ]);
}

async function run(quick: boolean, say: (line: string) => void): Promise<GrowthResult> {
  const places = quick ? QUICK_PLACES : PLACES;
  const result: GrowthResult = { places, pace: PACE, runs: { direct: [], sidecar: [] } };
  const stack = await Stack.start(PODS);
  try {
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const way of round % 2 === 0 ? WAYS : WAYS.toReversed()) {
        const { frames, channel } = answerOf(SHAPE, places.at(-1)! + WINDOW, 900 + round);
        // A warm-up first: the script is loaded and code compiled before anything counts.
        if (round === 0) await runLeg(stack, { way, parts: partsOf(frames, [APPROACH]), channel, listeners: [0, 1] });
        const parts = partsOf(frames, places);
        result.runs[way].push(await runLeg(stack, { way, parts, channel, listeners: [0, 1], pace: PACE }));
      }
      say(`round ${round + 1}`);
    }
  } finally {
    await stack.stop();
  }
  return result;
}

/** A figure a frame in each window: its spread over the runs. */
function perFrame({ runs }: GrowthResult, way: Way, figure: (run: LegResult) => number) {
  const windows = runs[way][0] ?? [];
  return windows.map((_, i) => spread(runs[way].map((list) => figure(list[i]!) / list[i]!.frames)));
}

const total = (run: LegResult) => run.bytesIn + run.bytesOut;
const serverCpu = (run: LegResult) => run.serverCpu;
const sidecarCpu = (run: LegResult) => run.sidecarCpu;

function tables(result: GrowthResult): Table[] {
  const [directBytes, ourBytes] = WAYS.map((way) => perFrame(result, way, total));
  const [directCpu, ourCpu] = WAYS.map((way) => perFrame(result, way, serverCpu));
  const sidecars = perFrame(result, "sidecar", sidecarCpu);
  return [
    {
      name: "answer-growth",
      title: `What a token costs as an answer of ${SHAPE} grows (${PODS} pods, ${result.pace} tokens a second)`,
      head: [
        "tokens so far",
        "direct, bytes",
        "sidecars, bytes",
        "direct, server µs",
        "sidecars, server µs",
        "all sidecars, µs",
      ],
      rows: (ourBytes ?? []).map((_, i) => [
        number(result.places[i]),
        bytes(directBytes?.[i]?.median),
        bytes(ourBytes?.[i]?.median),
        spreadText(directCpu?.[i], 1),
        spreadText(ourCpu?.[i], 1),
        spreadText(sidecars[i], 1),
      ]),
      notes: [
        "Bytes into and out of the server. The sidecars of both pods read and write the whole frame for their apps, compare it and " +
          "compute its checksum, which is the part that grows.",
      ],
    },
  ];
}

function plots(result: GrowthResult): NamedPlot[] {
  const line = (name: string, way: Way, figure: (run: LegResult) => number, dashed = false) => ({
    name,
    dashed,
    points: perFrame(result, way, figure).map(({ median }, i) => [result.places[i]!, median] as const),
  });
  const x = "tokens of the answer so far";
  return [
    {
      name: "growth-bytes",
      plot: {
        title: `Bytes a token, in and out of the server (${SHAPE}, ${PODS} pods)`,
        x,
        y: "bytes a token",
        yLog: true,
        series: [line("direct", "direct", total), line("sidecars", "sidecar", total)],
      },
    },
    {
      name: "growth-cpu",
      plot: {
        title: `CPU a token (${SHAPE}, ${PODS} pods)`,
        x,
        y: "µs a token",
        series: [
          line("server, direct", "direct", serverCpu),
          line("server, sidecars", "sidecar", serverCpu),
          line("both sidecars together", "sidecar", sidecarCpu, true),
        ],
      },
    },
  ];
}

function goals(result: GrowthResult): Goal[] {
  const flat = (what: string, list: { median: number }[], most: number): Goal => {
    const grown = ratio(list.at(-1)?.median, list[0]?.median) ?? Number.NaN;
    return { what, aim: `flat: ≤ ${most} x that at its beginning`, measured: times(grown), met: grown <= most };
  };
  return [
    flat("bytes a token at the end of the answer", perFrame(result, "sidecar", total), 1.2),
    flat("server CPU a token at the end of the answer", perFrame(result, "sidecar", serverCpu), 1.5),
  ];
}

export const answerGrowth: Section<GrowthResult> = {
  name: "answer-growth",
  about: "One long answer looked at in several places, direct and sidecars in turn: bytes and CPU a token as it grows.",
  budgetSeconds: { full: 80, quick: 15 },
  run: ({ quick }, say) => run(quick, say),
  tables,
  plots,
  goals,
};
