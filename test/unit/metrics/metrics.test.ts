/** The catalogue as it is scraped, and that slips with names and labels fail where handles are taken. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { injectorCatalog } from "../../../src/injector/metrics.js";
import { catalog, type MetricSpec } from "../../../src/metrics/catalog.js";
import { combinations, Metrics } from "../../../src/metrics/registry.js";

const specs = Object.entries<MetricSpec>(catalog);

/** Sample lines by `name{labels}`. */
function samples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

/** Metrics with every gauge read. */
function complete(): Metrics {
  const metrics = new Metrics();
  for (const [name, spec] of specs) {
    if (spec.type === "gauge") for (const labels of combinations(spec)) metrics.gauge(name, () => 7, labels);
  }
  return metrics;
}

describe("the catalogue", () => {
  it("names things as Prometheus asks for", () => {
    for (const [name, spec] of [...specs, ...Object.entries<MetricSpec>(injectorCatalog)]) {
      assert.match(name, /^keyframe_[a-z][a-z_]*[a-z]$/);
      assert.equal(name.endsWith("_total"), spec.type === "counter", name);
      assert.match(spec.help, /^[A-Z1].*\.$/, name);
      assert.ok(!/[\n\\]/.test(spec.help), name);
      for (const [label, values] of Object.entries(spec.labels)) {
        assert.match(label, /^[a-z_]+$/);
        assert.equal(new Set(values).size, values.length, `${name} ${label}`);
        for (const value of values) assert.match(value, /^[A-Za-z0-9_.]+$/);
      }
      assert.equal(spec.buckets.length > 0, spec.type === "histogram", name);
      assert.deepEqual(
        spec.buckets,
        [...spec.buckets].sort((a, b) => a - b),
        name,
      );
      assert.ok(combinations(spec).length <= 32, `${name} has too many series`);
    }
  });

  it("is rendered whole: HELP, TYPE and every series, from the first scrape on", async () => {
    const text = await complete().render();
    const found = samples(text);
    for (const [name, spec] of specs) {
      assert.ok(text.includes(`# HELP ${name} ${spec.help}\n`), name);
      assert.ok(text.includes(`# TYPE ${name} ${spec.type}\n`), name);
      for (const labels of combinations(spec)) {
        if (spec.type === "histogram") {
          for (const le of [...spec.buckets, "+Inf"]) assert.equal(found.get(`${name}_bucket{le="${le}"}`), 0, name);
          assert.equal(found.get(`${name}_sum`), 0);
          assert.equal(found.get(`${name}_count`), 0);
        } else {
          assert.equal(found.get(keyOf(name, labels)), spec.type === "gauge" ? 7 : 0, keyOf(name, labels));
        }
      }
    }
    const expected = specs.reduce((sum, [, spec]) => {
      return sum + (spec.type === "histogram" ? spec.buckets.length + 3 : combinations(spec).length);
    }, 0);
    assert.equal(found.size, expected, "nothing else is exported");
  });
});

describe("a counter", () => {
  it("adds up, whoever holds the handle", async () => {
    const metrics = new Metrics();
    metrics.counter("keyframe_frames_total", { direction: "in", kind: "delta" }).inc();
    metrics.counter("keyframe_frames_total", { kind: "delta", direction: "in" }).inc(41);
    for (let scrape = 0; scrape < 2; scrape++) {
      const found = samples(await metrics.render());
      assert.equal(found.get('keyframe_frames_total{direction="in",kind="delta"}'), 42);
      assert.equal(found.get('keyframe_frames_total{direction="out",kind="delta"}'), 0);
    }
  });
  it("never goes down and never becomes no number", async () => {
    const metrics = new Metrics();
    const counter = metrics.counter("keyframe_connections_total");
    counter.inc(2);
    counter.inc(-1);
    counter.inc(Number.NaN);
    assert.equal(samples(await metrics.render()).get("keyframe_connections_total"), 2);
  });
});

describe("a histogram", () => {
  it("counts into cumulative buckets whose bounds belong to them", async () => {
    const metrics = new Metrics();
    const histogram = metrics.histogram("keyframe_flush_frames");
    for (const value of [1, 2, 3, 64, 65, Number.NaN]) histogram.observe(value);
    const found = samples(await metrics.render());
    const counts = [1, 2, 4, 8, 16, 32, 64, "+Inf"].map((le) => found.get(`keyframe_flush_frames_bucket{le="${le}"}`));
    assert.deepEqual(counts, [1, 2, 3, 3, 3, 3, 4, 5]);
    assert.equal(found.get("keyframe_flush_frames_sum"), 135);
    assert.equal(found.get("keyframe_flush_frames_count"), 5);
  });
});

describe("a gauge", () => {
  it("is read at the scrape", async () => {
    const metrics = new Metrics();
    let value = 1;
    metrics.gauge("keyframe_connections", () => value);
    assert.equal(samples(await metrics.render()).get("keyframe_connections"), 1);
    value = 5;
    assert.equal(samples(await metrics.render()).get("keyframe_connections"), 5);
  });
  it("is absent while nobody reads it or its reader fails, and the scrape goes on", async () => {
    const metrics = new Metrics();
    let broken = false;
    const read = () => {
      if (broken) throw new Error("no");
      return 3;
    };
    metrics.gauge("keyframe_streams", read, { side: "sender" });
    metrics.gauge("keyframe_held_frames", () => Number.NaN);
    assert.equal(samples(await metrics.render()).get('keyframe_streams{side="sender"}'), 3);
    broken = true;
    const found = samples(await metrics.render());
    for (const name of ['keyframe_streams{side="sender"}', "keyframe_held_frames", "keyframe_ready"]) {
      assert.ok(!found.has(name), name);
    }
    assert.ok(found.has("keyframe_connections_total"));
  });
  it("has one reader for each set of labels", () => {
    const metrics = new Metrics();
    metrics.gauge("keyframe_ready", () => 1);
    assert.throws(() => metrics.gauge("keyframe_ready", () => 1), /already has a reader/);
  });
});

describe("a slip", () => {
  const metrics = new Metrics();
  const slips: [string, () => void, RegExp][] = [
    [
      "an unknown name",
      () => metrics.counter("keyframe_nothing_total"),
      /keyframe_nothing_total is not in the catalogue/,
    ],
    ["an inherited name", () => metrics.counter("constructor"), /not in the catalogue/],
    ["a wrong kind", () => metrics.counter("keyframe_ready"), /is a gauge, not a counter/],
    ["a wrong kind", () => metrics.histogram("keyframe_frames_total"), /is a counter, not a histogram/],
    ["a wrong kind", () => metrics.gauge("keyframe_flush_frames", () => 1), /is a histogram, not a gauge/],
    ["an unknown label", () => metrics.counter("keyframe_connections_total", { pod: "a" }), /has no label pod/],
    [
      "an inherited label",
      () => metrics.counter("keyframe_connections_total", { toString: "a" }),
      /has no label toString/,
    ],
    ["an unknown value", () => metrics.counter("keyframe_repairs_total", { direction: "up" }), /has no direction="up"/],
    ["a missing label", () => metrics.counter("keyframe_frames_total", { direction: "in" }), /needs the label kind/],
    ["no labels", () => metrics.counter("keyframe_frames_total"), /needs the label/],
  ];
  for (const [name, take, words] of slips) it(`with ${name} throws: ${words.source}`, () => assert.throws(take, words));
});

describe("process metrics", () => {
  it("are there when asked for, with the event loop's lag", async () => {
    const metrics = new Metrics({ process: true });
    await setTimeout(100);
    const found = samples(await metrics.render());
    metrics.close();
    assert.ok(found.get("process_resident_memory_bytes")! > 0);
    for (const percentile of ["50", "99"]) {
      const lag = found.get(`keyframe_event_loop_lag_seconds{percentile="${percentile}"}`);
      assert.ok(lag !== undefined && lag >= 0 && lag < 5, `lag ${lag}`);
    }
  });
  it("tell the lag of the time since the last scrape, and of no other", async () => {
    const metrics = new Metrics({ process: true });
    const key = 'keyframe_event_loop_lag_seconds{percentile="99"}';
    const scrape = async () => samples(await metrics.render()).get(key)!;
    try {
      await setTimeout(60);
      const until = performance.now() + 400;
      while (performance.now() < until);
      await setTimeout(60);
      const blocked = await scrape();
      assert.ok(blocked > 0.3, `a loop blocked for 0.4 s has a lag of ${blocked}`);
      await setTimeout(200);
      const after = await scrape();
      assert.ok(after < 0.2, `the scrape behind it says ${after}`);
    } finally {
      metrics.close();
    }
  });
  it("have no label that Prometheus keeps for summaries", () => {
    for (const [name, spec] of specs) {
      for (const label of ["quantile", "le"]) assert.ok(!Object.hasOwn(spec.labels, label), `${name} ${label}`);
    }
  });
  it("of two instances do not meet", async () => {
    const [first, second] = [new Metrics(), new Metrics()];
    first.counter("keyframe_connections_total").inc();
    assert.equal(samples(await second.render()).get("keyframe_connections_total"), 0);
    assert.match(first.contentType, /^text\/plain; version=0\.0\.4/);
  });
});
