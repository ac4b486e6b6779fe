/**
 * Figures in documents come from one run's file and from nowhere else: between `<!-- bench NAME -->` and `<!-- /bench -->`
 * stands the table of that name, written by `npm run bench -- --quote FILE.json`. Pure.
 */
import { markdownTable } from "./markdown.js";
import { type Shown, tableText, verdict } from "./report.js";
import type { Table } from "./section.js";

const block = /(<!-- bench ([\w.-]+) -->\n)([\s\S]*?)(<!-- \/bench -->)/g;

/** What can be quoted: all tables by name, all plots by name, and the goals. */
export function quotable(shown: readonly Shown[], base: string): Map<string, string> {
  const texts = new Map<string, string>();
  for (const { tables, plots } of shown) {
    for (const table of tables) texts.set(table.name, tableText(table));
    for (const { name, plot } of plots) texts.set(`plot-${name}`, `![${plot.title}](${base}-${name}.svg)\n`);
  }
  const goals: Table["rows"] = shown.flatMap(({ goals: list }) =>
    list.map((goal) => [goal.what, goal.aim, goal.measured, verdict(goal)]),
  );
  texts.set("goals", `${markdownTable({ head: ["what", "goal", "measured", "met"], rows: goals, words: 4 })}\n`);
  return texts;
}

/**
 * A document with its quotes brought up to date.
 * @returns the text, and the names that stand in it and are in no table
 */
export function quote(text: string, texts: ReadonlyMap<string, string>): { text: string; unknown: string[] } {
  const unknown: string[] = [];
  const filled = text.replace(block, (all, open: string, name: string, _old: string, close: string) => {
    const found = texts.get(name);
    if (found === undefined) {
      unknown.push(name);
      return all;
    }
    return `${open}\n${found.trim()}\n\n${close}`;
  });
  return { text: filled, unknown };
}
