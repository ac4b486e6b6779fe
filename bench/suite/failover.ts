/**
 * Failover is measured by its own commands, which take long: `npm run bench:failover` and `npm run test:chaos`. This section reads
 * what they have written and shows it.
 */
import { readFileSync } from "node:fs";
import { inRoot } from "../../test/support/root.js";
import type { Spread } from "../statistics.js";
import { number } from "./markdown.js";
import type { Goal, Section, Table } from "./section.js";

interface FailoverRow {
  fault: string;
  way: string;
  runs: number;
  lostWords: Spread;
  lostWholes: Spread;
  errors: Spread;
  deafSeconds: Spread;
  silentAtEnd: number;
  workers: number;
  earlyEndsHeard: [number, number];
  lateEndsHeard: [number, number];
}

export interface FailoverResult {
  failover: { command: string; on: string; rows: FailoverRow[] };
  chaos: {
    command: string;
    on: string;
    rounds: number;
    published: number;
    heard: number;
    owed: number;
    unheard: number;
    violations: Record<string, number>;
  };
}

function read<T>(name: string): T {
  return JSON.parse(readFileSync(inRoot("bench", "results", name), "utf8")) as T;
}

function quoted(): FailoverResult {
  const { command, on, rows } = read<FailoverResult["failover"]>("failover.json");
  const chaos = read<FailoverResult["chaos"]>("chaos.json");
  const { rounds, published, heard, owed, unheard, violations } = chaos;
  return {
    failover: { command, on, rows },
    chaos: { command: chaos.command, on: chaos.on, rounds, published, heard, owed, unheard, violations },
  };
}

const names: Record<string, string> = {
  crash: "master killed",
  planned: "planned failover",
  frozen: "master frozen",
  unseen: "subscriber cut unseen",
};

function tables({ failover, chaos }: FailoverResult): Table[] {
  const range = ({ median, least, most }: Spread, digits = 0) =>
    `${number(median, digits)} (${number(least, digits)}–${number(most, digits)})`;
  const violations = Object.values(chaos.violations).reduce((sum, count) => sum + count, 0);
  return [
    {
      name: "failover",
      title: "What apps notice of a failover",
      head: ["fault", "way", "words lost", "wholes lost", "errors", "s deaf", "silent at the end", "last frames heard"],
      words: 2,
      rows: failover.rows.map((row) => [
        names[row.fault] ?? row.fault,
        row.way,
        range(row.lostWords),
        range(row.lostWholes),
        range(row.errors),
        range(row.deafSeconds, 1),
        `${row.silentAtEnd} of ${row.workers}`,
        `${row.earlyEndsHeard[0] + row.lateEndsHeard[0]} of ${row.earlyEndsHeard[1] + row.lateEndsHeard[1]}`,
      ]),
      notes: [
        `From \`${failover.command}\`; ${failover.on}. Median (lowest–highest) of ${failover.rows[0]?.runs ?? 0} runs. A lost ` +
          "_word_ is a hole until a whole text comes; a lost _whole_ is made good by the next.",
        `\`${chaos.command}\`; ${chaos.on}: ${number(chaos.published)} frames in ${number(chaos.rounds)} rounds of faults, ` +
          `${number(chaos.heard)} heard, ${number(violations)} violations of what must hold (wrong bytes, twice, out of order, ` +
          "a last frame missing, a loss that nobody counted).",
      ],
    },
  ];
}

function goals({ chaos, failover }: FailoverResult): Goal[] {
  const violations = Object.values(chaos.violations).reduce((sum, count) => sum + count, 0);
  const ends = failover.rows.filter(({ way }) => way === "sidecar");
  const heard = ends.reduce((sum, row) => sum + row.earlyEndsHeard[0] + row.lateEndsHeard[0], 0);
  const of = ends.reduce((sum, row) => sum + row.earlyEndsHeard[1] + row.lateEndsHeard[1], 0);
  return [
    { what: "violations in the chaos run", aim: "0", measured: number(violations), met: violations === 0 },
    { what: "last frames heard in failovers", aim: "all", measured: `${heard} of ${of}`, met: heard === of },
  ];
}

export const failover: Section<FailoverResult> = {
  name: "failover",
  about: "Quoted from the last runs of the failover bench and of the chaos test, not measured in this run.",
  budgetSeconds: { full: 1, quick: 1 },
  run: async () => quoted(),
  tables,
  plots: () => [],
  goals,
};
