/**
 * What the pure parts of the house may ask of the world: time, a log, counters.
 * The composition root hands real ones in; tests hand in their own.
 */

/** Monotonic time in milliseconds. Its zero is arbitrary: only differences mean something. */
export interface Clock {
  now(): number;
}

export type LogFields = Record<string, unknown>;

/** One line per event that an operator acts on. `event` is a stable kebab-case name, part of the interface. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A counter's or gauge's handle. Calling it must cost no more than an addition. */
export interface Counter {
  inc(by?: number): void;
}

export interface Histogram {
  observe(value: number): void;
}

export const nullCounter: Counter = { inc() {} };
export const nullHistogram: Histogram = { observe() {} };

export type Labels = Readonly<Record<string, string>>;

/** Hands out metric handles by catalogue name. Handles are taken once, at construction, never per frame. */
export interface Meter {
  counter(name: string, labels?: Labels): Counter;
  histogram(name: string, labels?: Labels): Histogram;
  /** `read` is called when metrics are scraped. */
  gauge(name: string, read: () => number, labels?: Labels): void;
}

export const nullMeter: Meter = {
  counter: () => nullCounter,
  histogram: () => nullHistogram,
  gauge() {},
};
