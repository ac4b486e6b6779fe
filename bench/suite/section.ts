/**
 * What a section of `npm run bench` is: something that measures and answers plain JSON, and pure functions that make tables,
 * plots and verdicts of that JSON, so that a report can be made again from the file without measuring.
 */
import type { Plot } from "./svg.js";

export interface Options {
  /** Everything in small: the whole run takes about four minutes. */
  quick: boolean;
  /** How long the section may take. */
  seconds: number;
}

export interface Table {
  /** Named like this the table can be quoted in a document: see quote.ts. */
  name: string;
  title: string;
  head: readonly string[];
  /** Cells as text; undefined is shown as an empty cell. */
  rows: readonly (readonly (string | undefined)[])[];
  /** How many columns from the left are words, and stand left (1). */
  words?: number;
  /** Sentences below the table. */
  notes?: readonly string[];
}

export interface Goal {
  what: string;
  aim: string;
  measured: string;
  /** null: not measured. */
  met: boolean | null;
}

export interface NamedPlot {
  /** Of the file, behind the run's own name. */
  name: string;
  plot: Plot;
}

export interface Section<Result = unknown> {
  name: string;
  /** One sentence: what is measured against what. */
  about: string;
  budgetSeconds: { full: number; quick: number };
  /** Measures; whatever it has opened is closed when the promise settles. */
  run(options: Options, say: (line: string) => void): Promise<Result>;
  tables(result: Result): Table[];
  plots(result: Result): NamedPlot[];
  goals(result: Result): Goal[];
}

/** A section of whatever result: what the list of all sections holds. */
// biome-ignore lint/suspicious/noExplicitAny: a list of sections of different results; each is only given its own
export type AnySection = Section<any>;

/** How a section went. */
export interface Outcome {
  name: string;
  about: string;
  seconds: number;
  budgetSeconds: number;
  /** CPU of the machine that was not ours, as a fraction of all cores: before and while the section ran. */
  othersBefore: number;
  othersDuring: number;
  /** The processor time that the hypervisor gave to others, likewise. */
  stolen: number;
  /** Others took so much that times of this section mean little; ratios still do. */
  noisy: boolean;
  failure?: string;
  result?: unknown;
}
