/** Tables as Markdown, and numbers as a reader wants them. Pure. */
import type { Spread } from "../statistics.js";

export interface MarkdownTable {
  head: readonly string[];
  rows: readonly (readonly (string | undefined)[])[];
  words?: number;
}

/** A Markdown table whose columns are padded, so that it can be read as text too. */
export function markdownTable({ head, rows, words = 1 }: MarkdownTable): string {
  const cells = [head, ...rows].map((row) => head.map((_, i) => (row[i] ?? "").replaceAll("|", "\\|")));
  const widths = head.map((_, i) => Math.max(4, ...cells.map((row) => [...row[i]!].length)));
  const pad = (text: string, i: number) => {
    const fill = " ".repeat(widths[i]! - [...text].length);
    return i < words ? text + fill : fill + text;
  };
  const line = (row: readonly string[]) => `| ${row.map(pad).join(" | ")} |`;
  const rule = head.map((_, i) => (i < words ? "-".repeat(widths[i]!) : `${"-".repeat(widths[i]! - 1)}:`));
  return [line(cells[0]!), `| ${rule.join(" | ")} |`, ...cells.slice(1).map(line)].join("\n");
}

/** A number with separated thousands and so many decimals; an empty text where there is none. */
export function number(value: number | undefined, decimals = 0): string {
  if (value === undefined || !Number.isFinite(value)) return "";
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Bytes in the unit that leaves one to three digits before the point. */
export function bytes(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "";
  if (value < 1_000) return `${number(value, value < 100 && value % 1 !== 0 ? 1 : 0)} B`;
  const [unit, size] = value < 1e6 ? ["kB", 1e3] : value < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  const scaled = value / size;
  return `${number(scaled, scaled < 10 ? 2 : scaled < 100 ? 1 : 0)} ${unit}`;
}

/** `12.3 x`; more digits where the ratio is small. */
export function times(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "";
  return `${number(value, value < 1 ? 2 : value < 100 ? 1 : 0)} x`;
}

/** `1.20 (1.10–1.45)`. */
export function spreadText(value: Spread | undefined, decimals = 0): string {
  if (value === undefined || !Number.isFinite(value.median)) return "";
  return `${number(value.median, decimals)} (${number(value.least, decimals)}–${number(value.most, decimals)})`;
}
