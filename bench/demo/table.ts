/** The demo's words and table. Nothing here measures. */

export interface Row {
  name: string;
  frames: number;
  appBytes: number;
  wireBytes: number;
  /** Milliseconds that the sidecars added; undefined on the line of totals. */
  p50: number | undefined;
  p99: number | undefined;
  keyframes: number;
  raw: number;
  resyncs: number;
}

const tty = process.stdout.isTTY === true;
export const bold = (text: string): string => (tty ? `\u001b[1m${text}\u001b[22m` : text);
export const dim = (text: string): string => (tty ? `\u001b[2m${text}\u001b[22m` : text);

export function say(text = ""): void {
  process.stdout.write(`${text === "" ? "" : `  ${text}`}\n`);
}

/** Says on a terminal what is being played; the next line takes its place. */
export function progress(name: string): void {
  if (tty) process.stdout.write(`\r\u001b[K${name === "" ? "" : dim(`  ${name} ...`)}`);
}

/** 1234567 -> "1.23 MB". */
export function size(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(bytes >= 1e8 ? 0 : bytes >= 1e7 ? 1 : 2)} MB`;
  return `${(bytes / 1e3).toFixed(bytes >= 1e5 ? 0 : 1)} kB`;
}

export const count = (value: number): string => value.toLocaleString("en");

/** The value below which `share` of the sorted values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

const columns: [title: string, width: number, cell: (row: Row) => string][] = [
  ["frames", 7, (row) => count(row.frames)],
  ["apps sent", 10, (row) => size(row.appBytes)],
  ["on the wire", 12, (row) => size(row.wireBytes)],
  ["ratio", 8, (row) => (row.wireBytes > 0 ? `${(row.appBytes / row.wireBytes).toFixed(1)}x` : "-")],
  ["added p50", 10, (row) => (row.p50 === undefined ? "" : `${row.p50.toFixed(2)} ms`)],
  ["added p99", 10, (row) => (row.p99 === undefined ? "" : `${row.p99.toFixed(2)} ms`)],
  ["keyframes", 10, (row) => count(row.keyframes)],
  ["raw", 5, (row) => count(row.raw)],
  ["resyncs", 8, (row) => count(row.resyncs)],
];
const nameWidth = 19;

export function header(): string {
  return dim("recording".padEnd(nameWidth) + columns.map(([title, width]) => title.padStart(width + 1)).join(""));
}

export function line(row: Row): string {
  return row.name.padEnd(nameWidth) + columns.map(([, width, cell]) => cell(row).padStart(width + 1)).join("");
}

export function totals(name: string, rows: readonly Row[]): Row {
  const sum = (pick: (row: Row) => number) => rows.reduce((total, row) => total + pick(row), 0);
  return {
    name,
    frames: sum((row) => row.frames),
    appBytes: sum((row) => row.appBytes),
    wireBytes: sum((row) => row.wireBytes),
    p50: undefined,
    p99: undefined,
    keyframes: sum((row) => row.keyframes),
    raw: sum((row) => row.raw),
    resyncs: sum((row) => row.resyncs),
  };
}

export const legend: readonly [string, string][] = [
  ["frames", "messages that the apps published; each is one step of an answer"],
  ["apps sent", "their payloads, as the apps wrote them"],
  ["on the wire", "payloads that keyframe put on the server for them"],
  ["ratio", "apps sent / on the wire"],
  ["added", "delay from PUBLISH to delivery through both sidecars, less the same without them"],
  ["keyframes", "frames sent whole, for others to build on"],
  ["raw", "frames sent exactly as without keyframe"],
  ["resyncs", "times a receiver lacked something and asked for it"],
];
