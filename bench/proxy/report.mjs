// Turns measurements into medians with their spread, and into a table that a person can read. Pure.

/** Median, lowest and highest of a list of numbers. */
export function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

const FIGURES = ["rps", "p50", "p99", "proxyCpu", "serverCpu", "rss"];

/**
 * Gathers the runs of each (case, connections, way).
 *
 * @param {{ title: string, connections: number, way: string, rps: number, p50: number, p99: number, proxyCpu: number,
 *   serverCpu: number, rss: number }[]} runs
 * @returns {object[]} one entry a group: its figures as summaries, and `toDirect`, `toHaproxy`: ratios of median rps
 */
export function summarise(runs) {
  const groups = new Map();
  for (const run of runs) {
    const key = `${run.title}|${run.connections}|${run.way}`;
    const group = groups.get(key) ?? [];
    group.push(run);
    groups.set(key, group);
  }
  const rows = [...groups.values()].map((group) => {
    const { title, connections, way } = group[0];
    const figures = Object.fromEntries(FIGURES.map((name) => [name, summary(group.map((run) => run[name]))]));
    return { title, connections, way, runs: group.length, ...figures };
  });
  for (const row of rows) {
    const median = (way) =>
      rows.find((one) => one.title === row.title && one.connections === row.connections && one.way === way)?.rps.median;
    row.toDirect = ratio(row.rps.median, median("direct"));
    row.toHaproxy = ratio(row.rps.median, median("haproxy"));
  }
  return rows;
}

function ratio(value, base) {
  return base === undefined || base === 0 ? undefined : value / base;
}

/** The rows as lines of text. */
export function table(rows) {
  const head = ["case", "conns", "way", "requests/s", "(lowest–highest)", "p50 ms", "p99 ms"];
  head.push("proxy µs", "server µs", "RSS MiB", "/direct", "/haproxy");
  const cells = rows.map((row) => [
    row.title,
    String(row.connections),
    row.way,
    row.rps.median.toFixed(0),
    `${row.rps.min.toFixed(0)}–${row.rps.max.toFixed(0)}`,
    row.p50.median.toFixed(3),
    row.p99.median.toFixed(3),
    row.way === "direct" ? "-" : row.proxyCpu.median.toFixed(1),
    row.serverCpu.median.toFixed(1),
    row.way === "direct" ? "-" : row.rss.max.toFixed(0),
    row.toDirect === undefined ? "-" : row.toDirect.toFixed(2),
    row.toHaproxy === undefined ? "-" : row.toHaproxy.toFixed(2),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...cells].map((row) => row[column].length)));
  return [head, ...cells].map((row) =>
    row.map((cell, i) => (i === 0 || i === 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
  );
}
