/**
 * The catalogue over a prom-client registry of its own. Handles are plain additions on fields; prom-client, which
 * hashes labels and makes a closure on every call, sees the sums at the scrape only.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { collectDefaultMetrics, Gauge, type Metric, Counter as PromCounter, Registry } from "prom-client";
import type { Counter, Histogram, Labels, Meter } from "../core/ports.js";
import { catalog, type MetricSpec } from "./catalog.js";

/** A counter's sum. Prometheus counters never go down, so a negative or absent number is refused where it happens. */
class Sum implements Counter {
  value = 0;
  readonly labels: Labels;
  constructor(labels: Labels) {
    this.labels = labels;
  }
  inc(by = 1): void {
    if (by > 0) this.value += by;
  }
}

/** A histogram's counts, one a bucket and one for what lies above all of them. */
class Distribution implements Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }
  observe(value: number): void {
    if (!Number.isFinite(value)) return;
    let bucket = 0;
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++;
    this.#counts[bucket]! += 1;
    this.#sum += value;
  }
  /** The samples of a scrape: cumulative buckets, sum, count. */
  samples(name: string) {
    let total = 0;
    const buckets = [...this.#bounds, "+Inf"].map((le, i) => {
      total += this.#counts[i]!;
      return { metricName: `${name}_bucket`, labels: { le }, value: total };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, value: total },
    ];
  }
}

interface Reading {
  readonly labels: Labels;
  readonly read: () => number;
}

export type Catalog = Readonly<Record<string, MetricSpec>>;

export interface MetricsOptions {
  /** The sidecar's, unless another process has its own. */
  readonly catalog?: Catalog;
  /** Also export prom-client's process and Node.js metrics, and the event loop's lag. Off in unit tests: it starts timers. */
  readonly process?: boolean;
}

// Each of these wakes the loop: at 20 ms and at the library's own 10, that was half of what an idle sidecar cost.
const LAG_RESOLUTION_MS = 50;
const LIBRARY_RESOLUTION_MS = 500;

/** Throws a plain Error on unknown names, wrong kinds and labels outside the catalogue: all are slips in our own code. */
export class Metrics implements Meter {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #sums = new Map<string, Map<string, Sum>>();
  readonly #histograms = new Map<string, Distribution>();
  readonly #gauges = new Map<string, Map<string, Reading>>();
  readonly #catalog: Catalog;
  #stop = () => {};

  constructor(options: MetricsOptions = {}) {
    this.contentType = this.#registry.contentType;
    this.#catalog = options.catalog ?? catalog;
    for (const [name, spec] of Object.entries(this.#catalog)) {
      if (spec.type === "counter") this.#addCounter(name, spec);
      else if (spec.type === "gauge") this.#addGauge(name, spec);
      else this.#addHistogram(name, spec);
    }
    if (options.process) this.#addProcess();
  }

  /** The handle of a counter; the same labels give the same handle. */
  counter(name: string, labels: Labels = {}): Counter {
    const key = checked(this.#catalog, name, "counter", labels);
    return this.#sums.get(name)!.get(key)!;
  }

  histogram(name: string, labels: Labels = {}): Histogram {
    checked(this.#catalog, name, "histogram", labels);
    return this.#histograms.get(name)!;
  }

  /** Registers where a gauge is read from. A second reader for the same name and labels throws. */
  gauge(name: string, read: () => number, labels: Labels = {}): void {
    const key = checked(this.#catalog, name, "gauge", labels);
    const readings = this.#gauges.get(name)!;
    if (readings.has(key)) throw new Error(`metric ${name}{${key}} already has a reader`);
    readings.set(key, { labels, read });
  }

  /** The text of a scrape, to be served with `contentType`. */
  async render(): Promise<string> {
    return await this.#registry.metrics();
  }

  /** Stops watching the event loop. */
  close(): void {
    this.#stop();
  }

  #addCounter(name: string, spec: MetricSpec): void {
    // Every combination exists from the start: a series that first appears with its first event has no rate for it.
    const sums = new Map(combinations(spec).map((labels) => [keyOf(labels), new Sum(labels)]));
    this.#sums.set(name, sums);
    new PromCounter({
      ...this.#common(name, spec),
      collect() {
        this.reset();
        for (const sum of sums.values()) this.inc(sum.labels, sum.value);
      },
    });
  }

  #addGauge(name: string, spec: MetricSpec): void {
    const readings = new Map<string, Reading>();
    this.#gauges.set(name, readings);
    new Gauge({
      ...this.#common(name, spec),
      collect() {
        // What nobody reads, or cannot be read just now, is absent rather than 0.
        this.reset();
        this.remove({});
        for (const { labels, read } of readings.values()) {
          const value = attempt(read);
          if (value !== undefined) this.set(labels, value);
        }
      },
    });
  }

  #addHistogram(name: string, { help, buckets }: MetricSpec): void {
    const distribution = new Distribution(buckets);
    this.#histograms.set(name, distribution);
    // The registry asks its metrics for no more than this; its own type names the library's classes only.
    const get = async () => ({ name, help, type: "histogram", aggregator: "sum", values: distribution.samples(name) });
    this.#registry.registerMetric({ name, help, get, reset() {} } as unknown as Metric);
  }

  #common(name: string, spec: MetricSpec) {
    return { name, help: spec.help, labelNames: Object.keys(spec.labels), registers: [this.#registry] };
  }

  #addProcess(): void {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LIBRARY_RESOLUTION_MS });
    const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
    delay.enable();
    this.#stop = () => delay.disable();
    const gauge = "keyframe_event_loop_lag_seconds";
    // The histogram holds whole timer intervals, of which the resolution is no lag. Readers are asked in the order in
    // which they were registered, so the last percentile is the one that starts it afresh.
    const lag = (percentile: number) => Math.max(0, delay.percentile(percentile) / 1e9 - LAG_RESOLUTION_MS / 1e3);
    this.gauge(gauge, () => lag(50), { percentile: "50" });
    this.gauge(
      gauge,
      () => {
        const value = lag(99);
        delay.reset();
        return value;
      },
      { percentile: "99" },
    );
  }
}

function attempt(read: () => number): number | undefined {
  try {
    const value = read();
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function keyOf(labels: Labels): string {
  return Object.keys(labels)
    .sort()
    .map((name) => `${name}="${labels[name]}"`)
    .join(",");
}

/** All label sets of a metric; one empty set for a metric without labels. */
export function combinations(spec: MetricSpec): Labels[] {
  let sets: Labels[] = [{}];
  for (const [name, values] of Object.entries(spec.labels)) {
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [name]: value })));
  }
  return sets;
}

function checked(known: Catalog, name: string, type: MetricSpec["type"], labels: Labels): string {
  const spec = Object.hasOwn(known, name) ? known[name] : undefined;
  if (spec === undefined) throw new Error(`metric ${name} is not in the catalogue`);
  if (spec.type !== type) throw new Error(`metric ${name} is a ${spec.type}, not a ${type}`);
  for (const [label, value] of Object.entries(labels)) {
    const values = Object.hasOwn(spec.labels, label) ? spec.labels[label] : undefined;
    if (values === undefined) throw new Error(`metric ${name} has no label ${label}`);
    if (!values.includes(value)) throw new Error(`metric ${name} has no ${label}="${value}"`);
  }
  for (const label of Object.keys(spec.labels)) {
    if (!Object.hasOwn(labels, label)) throw new Error(`metric ${name} needs the label ${label}`);
  }
  return keyOf(labels);
}
