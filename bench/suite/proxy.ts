/** `npm run bench:proxy` as a section: run as its own command, so that it measures the same either way, and read from its file. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eachLine, spawnChild, stopChild } from "../../test/support/children.js";
import { inRoot } from "../../test/support/root.js";
import { quantile, type Spread, spread } from "../statistics.js";
import { number, spreadText } from "./markdown.js";
import type { Goal, Options, Section, Table } from "./section.js";

interface Figure {
  median: number;
  min: number;
  max: number;
}

interface ThroughputRow {
  title: string;
  connections: number;
  way: string;
  runs: number;
  rps: Figure;
  p50: Figure;
  p99: Figure;
  proxyCpu: Figure;
  rss: Figure;
}

interface ThroughputRun {
  round: number;
  title: string;
  connections: number;
  way: string;
  rps: number;
}

export interface ProxyResult {
  server: string;
  rounds: number;
  ways: Record<string, string>;
  rate: { rate: number; connections: number; seconds: number; rounds: number };
  rates: { round: number; way: string; p50: number; p99: number; late: number }[];
  rows: ThroughputRow[];
  runs: ThroughputRun[];
  failed: string[];
}

const WAYS = ["direct", "haproxy", "nutcracker", "pipe", "sidecar"] as const;

async function run({ quick, seconds }: Options, say: (line: string) => void): Promise<ProxyResult> {
  const folder = mkdtempSync(join(tmpdir(), "keyframe-bench-"));
  const file = join(folder, "proxy.json");
  const args = [
    inRoot("bench", "proxy.mjs"),
    "--seconds",
    String(seconds),
    "--out",
    file,
    ...(quick ? ["--quick"] : []),
  ];
  const child = spawnChild(process.execPath, args, { cwd: inRoot() });
  try {
    const lines: string[] = [];
    const hear = (line: string) => {
      lines.push(line);
      if (/^(at \d|FAILED|\d+ whole|haproxy|nutcracker)/.test(line)) say(line);
    };
    eachLine(child.stdout, hear);
    eachLine(child.stderr, hear);
    const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      throw new Error(`bench/proxy.mjs ended with ${code}:\n${lines.slice(-20).join("\n")}`);
    }
    const { server, rounds, ways, rate, rates, rows, runs, failed } = JSON.parse(text) as ProxyResult;
    const short = runs.map(({ round, title, connections, way, rps }) => ({ round, title, connections, way, rps }));
    return { server, rounds, ways, rate, rates, rows, runs: short, failed };
  } finally {
    await stopChild(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Ratios of a way to HAProxy, round by round: both ran within seconds of each other. */
function toHaproxy({ runs }: ProxyResult, title: string, connections: number, way: string): Spread | undefined {
  const of = (name: string, round: number) =>
    runs.find(
      (run) => run.title === title && run.connections === connections && run.way === name && run.round === round,
    );
  const ratios = [...new Set(runs.map(({ round }) => round))].flatMap((round) => {
    const [ours, haproxy] = [of(way, round), of("haproxy", round)];
    return ours === undefined || haproxy === undefined ? [] : [ours.rps / haproxy.rps];
  });
  return ratios.length === 0 ? undefined : spread(ratios);
}

function casesOf({ rows }: ProxyResult): [string, number][] {
  const keys = new Set(rows.map(({ title, connections }) => `${connections}|${title}`));
  return [...keys].map((key) => [key.slice(key.indexOf("|") + 1), Number(key.slice(0, key.indexOf("|")))]);
}

/** What a way adds to direct at the fixed rate, round by round. */
function added({ rates }: ProxyResult, way: string, figure: "p50" | "p99"): Spread {
  return spread(
    rates.flatMap((run) => {
      const direct = rates.find((one) => one.way === "direct" && one.round === run.round);
      return run.way !== way || direct === undefined ? [] : [run[figure] - direct[figure]];
    }),
  );
}

function tables(result: ProxyResult): Table[] {
  const { rows, rate, rates, ways } = result;
  const find = (title: string, connections: number, way: string) =>
    rows.find((row) => row.title === title && row.connections === connections && row.way === way);
  const throughput: Table = {
    name: "proxy-throughput",
    title: "Requests a second",
    head: [
      ...[
        "case",
        "connections",
        "direct",
        "HAProxy",
        "nutcracker",
        "pipe",
        "sidecar",
        "sidecar / HAProxy",
        "pipe / HAProxy",
      ],
      ...["p50 ms", "p99 ms", "RSS MiB"],
    ],
    rows: casesOf(result).map(([title, connections]) => {
      const ours = find(title, connections, "sidecar");
      return [
        title,
        String(connections),
        ...WAYS.map((way) => number(find(title, connections, way)?.rps.median)),
        spreadText(toHaproxy(result, title, connections, "sidecar"), 2),
        spreadText(toHaproxy(result, title, connections, "pipe"), 2),
        number(ours?.p50.median, 2),
        number(ours?.p99.median, 2),
        number(ours?.rss.max),
      ];
    }),
    notes: [
      `Medians of ${result.rounds} rounds; ${Object.values(ways).join("; ")}. _Pipe_ is a bare Node \`socket.pipe(socket)\`: the most ` +
        "that Node can do without looking at a byte. Ratios are of the same round: median (lowest–highest). p50, p99 and RSS " +
        "are the sidecar's. PUBLISH goes to a frame channel, and the sidecar answers it itself.",
      ...result.failed.map((line) => `Failed: ${line}`),
    ],
  };
  const cpu: Table = {
    name: "proxy-cpu",
    title: "Microseconds of the proxy's CPU for a request",
    head: ["case", "connections", "HAProxy", "nutcracker", "pipe", "sidecar"],
    rows: casesOf(result).map(([title, connections]) => [
      title,
      String(connections),
      ...WAYS.slice(1).map((way) => {
        const figure = find(title, connections, way)?.proxyCpu;
        return figure && spreadText({ median: figure.median, least: figure.min, most: figure.max }, 1);
      }),
    ]),
    notes: ["Connections are made and closed within each measurement, which shows where there are 200 of them."],
  };
  const latency: Table = {
    name: "proxy-latency",
    title: `Milliseconds at ${number(rate.rate)} commands a second over ${rate.connections} connections, half GET, half SET`,
    head: ["way", "p50", "p99", "added p50", "added p99"],
    rows: WAYS.filter((way) => rates.some((run) => run.way === way)).map((way) => {
      const own = rates.filter((run) => run.way === way);
      return [
        way,
        spreadText(spread(own.map(({ p50 }) => p50)), 3),
        spreadText(spread(own.map(({ p99 }) => p99)), 3),
        way === "direct" ? "" : spreadText(added(result, way, "p50"), 3),
        way === "direct" ? "" : spreadText(added(result, way, "p99"), 3),
      ];
    }),
    notes: [
      `Open loop, from the write of a command to its whole reply, ${rate.rounds} rounds of ${rate.seconds} s. Commands went out ` +
        `${number(
          quantile(
            rates.map(({ late }) => late),
            0.5,
          ),
          2,
        )} ms late at the 99th percentile, the same for all ways.`,
    ],
  };
  return [throughput, cpu, latency].filter((table) => table.rows.length > 0);
}

function goals(result: ProxyResult): Goal[] {
  const ratios = casesOf(result).flatMap(([title, connections]) => {
    const one = toHaproxy(result, title, connections, "sidecar");
    return one === undefined ? [] : [{ title, connections, median: one.median }];
  });
  const goals: Goal[] = [];
  if (ratios.length > 0) {
    const worst = ratios.reduce((low, one) => (one.median < low.median ? one : low));
    const below = ratios.filter(({ median }) => median < 0.7).length;
    goals.push({
      what: "throughput against HAProxy, worst case",
      aim: "≥ 0.7",
      measured: `${number(worst.median, 2)} (${worst.title}, ${worst.connections} connections); ${below} of ${ratios.length} cases below`,
      met: worst.median >= 0.7,
    });
  }
  const p50 = added(result, "sidecar", "p50").median;
  if (Number.isFinite(p50)) {
    goals.push({
      what: `added latency of commands at ${number(result.rate.rate)}/s, p50`,
      aim: "≤ 0.3 ms",
      measured: `${number(p50, 3)} ms`,
      met: p50 <= 0.3,
    });
  }
  return goals;
}

export const proxy: Section<ProxyResult> = {
  name: "proxy",
  about: "Commands and PUBLISH through the sidecar, against direct, HAProxy, nutcracker and a bare Node pipe.",
  budgetSeconds: { full: 330, quick: 60 },
  run,
  tables,
  plots: () => [],
  goals,
};
