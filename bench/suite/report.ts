/** The report of a run: JSON with everything, Markdown with what a reader wants, SVG plots. Pure, apart from writing. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.js";
import { markdownTable, number } from "./markdown.js";
import type { AnySection, Goal, NamedPlot, Outcome, Table } from "./section.js";
import { svg } from "./svg.js";

export interface Run {
  command: string;
  machine: Machine;
  quick: boolean;
  seconds: number;
  sections: Outcome[];
}

/** What the sections make of their results; a section that cannot read its own result says so as a failure. */
export interface Shown {
  outcome: Outcome;
  tables: Table[];
  plots: NamedPlot[];
  goals: Goal[];
}

/** Tables, plots and verdicts of every section of a run. */
export function show(run: Run, sections: readonly AnySection[]): Shown[] {
  return run.sections.map((outcome) => {
    const section = sections.find(({ name }) => name === outcome.name);
    const nothing = { outcome, tables: [], plots: [], goals: [] };
    if (section === undefined || outcome.result === undefined) return nothing;
    try {
      const { result } = outcome;
      return { outcome, tables: section.tables(result), plots: section.plots(result), goals: section.goals(result) };
    } catch (error) {
      outcome.failure ??= `its tables: ${(error as Error).stack}`;
      return nothing;
    }
  });
}

/** `2026-11-26-64887af`, and `-quick` behind it where that is all it was. */
export function runName({ machine, quick }: Run): string {
  return `${machine.date}-${machine.commit}${quick ? "-quick" : ""}`;
}

/** What a goal's last column says. */
export function verdict({ met }: Goal): string {
  if (met === null) return "";
  return met ? "yes" : "**no**";
}

const percent = (fraction: number) => `${(fraction * 100).toFixed(0)} %`;

function aboutSection({ seconds, noisy, othersBefore, othersDuring, stolen, failure }: Outcome): string {
  const kept = stolen > 0.005 ? `, the hypervisor kept ${percent(stolen)}` : "";
  const quiet =
    `${number(seconds)} s; other processes took ${percent(othersDuring)} of the cores (${percent(othersBefore)} just before)` +
    `${kept}.${noisy ? " **A noisy run**: look at ratios, and at how far the runs lie apart." : ""}`;
  return failure === undefined ? quiet : `${quiet}\n\n**Failed:** \`${failure.split("\n")[0]}\``;
}

/** A table with its title and notes. */
export function tableText(table: Table): string {
  const words = table.words === undefined ? {} : { words: table.words };
  const notes = (table.notes ?? []).map((note) => `\n${note}\n`).join("");
  return `**${table.title}**\n\n${markdownTable({ ...table, ...words })}\n${notes}`;
}

/** The whole report as Markdown. */
export function markdownReport(run: Run, shown: readonly Shown[]): string {
  const { machine } = run;
  const lines = [
    `# Bench of ${machine.date}, commit ${machine.commit}${machine.dirty ? " with changes" : ""}`,
    "",
    `\`${run.command}\`; ${machine.shape}; Node ${machine.node.replace(/^v/, "")}, ${machine.server}; load average ` +
      `${machine.load} before the run, which took ${number(run.seconds / 60, 1)} minutes. Servers, sidecars, apps and load share ` +
      `the cores, nothing is pinned. Peers take turns within each round. Where a figure has brackets: median (lowest–highest).`,
    "",
  ];
  if (run.quick)
    lines.push("A quick run: everything in small, to see that it works. Its figures are not for quoting.", "");
  const goals = shown.flatMap(({ outcome, goals: list }) => list.map((goal) => ({ section: outcome.name, ...goal })));
  if (goals.length > 0) {
    const rows = goals.map((goal) => [goal.section, goal.what, goal.aim, goal.measured, verdict(goal)]);
    lines.push(
      "## Goals",
      "",
      markdownTable({ head: ["section", "what", "goal", "measured", "met"], rows, words: 5 }),
      "",
    );
  }
  for (const { outcome, tables, plots } of shown) {
    lines.push(`## ${outcome.name}`, "", `${outcome.about} ${aboutSection(outcome)}`, "");
    for (const table of tables) lines.push(tableText(table));
    for (const { name, plot } of plots) lines.push(`![${plot.title}](${runName(run)}-${name}.svg)`, "");
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}

/** Writes all files of a run and answers their paths. */
export function writeRun(run: Run, shown: readonly Shown[], out: string): string[] {
  mkdirSync(out, { recursive: true });
  const base = join(out, runName(run));
  const written: string[] = [];
  const write = (path: string, text: string) => {
    writeFileSync(path, text);
    written.push(path);
  };
  write(`${base}.json`, `${JSON.stringify(run, rounded, 1)}\n`);
  write(`${base}.md`, markdownReport(run, shown));
  for (const { plots } of shown) for (const { name, plot } of plots) write(`${base}-${name}.svg`, svg(plot));
  return written;
}
