/** What a run has to say at its end: closing lines, a result for docs, and on failure everything that was logged. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { history } from "./model.js";
import type { Run } from "./run.js";

/** Writes the logs of sidecars, servers and Python apps into a directory of their own; returns its path. */
export function writeLogs(run: Run): string {
  const dir = mkdtempSync(join(tmpdir(), "keyframe-chaos-"));
  const write = (name: string, lines: readonly string[]) => writeFileSync(join(dir, name), `${lines.join("\n")}\n`);
  for (const pod of run.fleet?.pods ?? []) {
    for (const [i, lines] of pod.logs.entries()) write(`sidecar-${pod.number}.${i}.log`, lines);
  }
  for (const server of [...(run.fleet?.group.servers ?? []), ...(run.fleet?.group.sentinels ?? [])])
    write(`server-${server.port}.${server.pid}.log`, server.logs);
  for (const { name, lines } of run.pythonLogs) write(`python-${name}.log`, lines);
  const all = run.model.violations.map(
    ({ kind, at, text, frame }) =>
      `${(at / 1000).toFixed(3)} s ${kind}: ${text}\n${frame === undefined ? "" : history(run.model, frame)}\n`,
  );
  write("violations.txt", all);
  return dir;
}

function totals(run: Run) {
  const sum = (
    key: "published" | "ok" | "error" | "unsure" | "late" | "unheard" | "excused" | "roughEnds" | "roughEndsHeard",
  ) => run.results.reduce((total, { frames }) => total + frames[key], 0);
  const found: Record<string, number> = {};
  for (const kind of ["wrong", "channel", "duplicate", "reorder", "lost", "final", "refused", "cut-off", "uncounted"])
    found[kind] = run.model.violations.filter((one) => one.kind === kind).length;
  return {
    rounds: run.results.length,
    published: sum("published"),
    answered: sum("ok"),
    errors: sum("error"),
    unsure: sum("unsure"),
    late: sum("late"),
    heard: run.model.checked.payloads,
    owed: run.model.checked.strict,
    finals: run.model.checked.finals,
    roughEnds: sum("roughEnds"),
    roughEndsHeard: sum("roughEndsHeard"),
    unheard: sum("unheard"),
    unheardOfKilled: sum("excused"),
    deltas: run.fleet?.counted("keyframe_frames_total", { direction: "in", kind: "delta" }) ?? 0,
    keyframes: run.fleet?.counted("keyframe_frames_total", { direction: "in", kind: "keyframe" }) ?? 0,
    raw: run.fleet?.counted("keyframe_frames_total", { direction: "in", kind: "raw" }) ?? 0,
    undelivered: Object.fromEntries(run.fleet?.undeliveredByReason() ?? []),
    violations: found,
  };
}

/** How long the probes were deaf, by the one fault that can have made them so; rounds with more of those are left out. */
function deafness(run: Run) {
  const table: Record<string, Record<string, number>> = {};
  for (const kind of ["none", "master-kill", "failover", "cut", "sidecar-kill"] as const) {
    const rounds = run.results.filter(({ deafening }) =>
      kind === "none" ? deafening.length === 0 : deafening.length === 1 && deafening[0] === kind,
    );
    if (rounds.length === 0) continue;
    const of = (way: "sidecar" | "direct", key: "seconds" | "lost" | "refused") => rounds.map((one) => one[way][key]);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const row: Record<string, number> = { rounds: rounds.length };
    for (const way of ["sidecar", "direct"] as const) {
      const seconds = of(way, "seconds").sort((a, b) => a - b);
      row[`${way}MedianSeconds`] = seconds[Math.floor((seconds.length - 1) / 2)]!;
      row[`${way}MostSeconds`] = seconds.at(-1)!;
      row[`${way}LostTicks`] = sum(of(way, "lost"));
      row[`${way}RefusedTicks`] = sum(of(way, "refused"));
    }
    table[kind] = row;
  }
  return table;
}

export function closing(run: Run, failure: unknown, logs: string | undefined): string {
  const sums = totals(run);
  const undelivered = Object.entries(sums.undelivered).map(([reason, count]) => `${reason} ${count}`);
  const lines = [
    "",
    `chaos: seed ${run.options.seed}, ${sums.rounds} rounds, ${(run.now() / 1000).toFixed(0)} s`,
    `  frames: published ${sums.published}, answered ${sums.answered}, errors ${sums.errors}, unsure ${sums.unsure}, late ${sums.late}; by the sidecars as deltas ${sums.deltas}, keyframes ${sums.keyframes}, raw ${sums.raw}`,
    `  heard: ${sums.heard} payloads; owed in calm ${sums.owed}, of them finals ${sums.finals}; of ${sums.roughEnds} finals in the middle of a fault ${sums.roughEndsHeard} arrived`,
    `  heard by nobody: ${sums.unheard} (${sums.unheardOfKilled} with a killed sidecar); counted as undelivered: ${undelivered.join(", ") || "none"}`,
    ...Object.entries(deafness(run)).map(
      ([kind, row]) =>
        `  deaf (${kind}, ${row.rounds} rounds): median ${row.sidecarMedianSeconds!.toFixed(1)} s, most ${row.sidecarMostSeconds!.toFixed(1)} s, ` +
        `${row.sidecarLostTicks}+${row.sidecarRefusedTicks} ticks; direct ${row.directMedianSeconds!.toFixed(1)} s, ` +
        `${row.directMostSeconds!.toFixed(1)} s, ${row.directLostTicks}+${row.directRefusedTicks}`,
    ),
    `  violations: ${Object.entries(sums.violations)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", ")}`,
  ];
  const [first] = run.model.violations;
  if (first !== undefined) {
    lines.push("", `first violation, at ${(first.at / 1000).toFixed(3)} s: ${first.kind}: ${first.text}`);
    if (first.frame !== undefined) lines.push(history(run.model, first.frame));
  }
  if (failure !== undefined) lines.push("", `the run failed: ${(failure as Error).stack ?? String(failure)}`);
  if (logs !== undefined) lines.push("", `again with --seed ${run.options.seed}; logs are in ${logs}`);
  return lines.join("\n");
}

export function writeResult(run: Run, file: string, args: readonly string[]): void {
  const round = (_key: string, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Math.round(value * 100) / 100 : value;
  const server = run.fleet?.group.servers[0];
  const shown = args.filter((word, i) => word !== "--out" && args[i - 1] !== "--out");
  const result = {
    command: `npm run test:chaos -- ${shown.join(" ")}`,
    on: `${server?.kind} ${server?.version}, Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}`,
    ...totals(run),
    deafness: deafness(run),
    byRound: run.results,
  };
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, round, 2)}\n`);
}
