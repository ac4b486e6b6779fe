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

export function closing(run: Run, failure: unknown, logs: string | undefined): string {
  const sums = totals(run);
  const undelivered = Object.entries(sums.undelivered).map(([reason, count]) => `${reason} ${count}`);
  const lines = [
    "",
    `chaos: seed ${run.options.seed}, ${sums.rounds} rounds, ${(run.now() / 1000).toFixed(0)} s`,
    `  frames: published ${sums.published}, answered ${sums.answered}, errors ${sums.errors}, unsure ${sums.unsure}, late ${sums.late}; by the sidecars as deltas ${sums.deltas}, keyframes ${sums.keyframes}, raw ${sums.raw}`,
    `  heard: ${sums.heard} payloads; owed in calm ${sums.owed}, of them finals ${sums.finals}; of ${sums.roughEnds} finals in the middle of a fault ${sums.roughEndsHeard} arrived`,
    `  heard by nobody: ${sums.unheard} (${sums.unheardOfKilled} with a killed sidecar); counted as undelivered: ${undelivered.join(", ") || "none"}`,
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
    byRound: run.results,
  };
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, round, 2)}\n`);
}
