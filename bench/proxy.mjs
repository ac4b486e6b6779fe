// `npm run bench:proxy`: what a sidecar costs beside the way that needs none, beside HAProxy (a proxy in C that reads
// nothing) and beside a bare Node pipe. All ways lead to one server and take turns within every round, so that
// whatever else the machine does falls on all of them alike. Nothing is pinned to a core.
//
//   --quick          one short round (under a minute)
//   --rounds N       rounds (3)
//   --ways LIST      of direct,haproxy,nutcracker,pipe,sidecar
//   --connections LIST  (1,20,200)
//   --seconds N      when to stop, whatever is left (340; 55 with --quick)
//   --out FILE       everything as JSON

import { writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildSidecar, launch, sleep, startServer } from "../test/conformance/processes.mjs";
import { run as command } from "../test/setup/lib.mjs";
import { serverBinaries, setUpServer } from "../test/setup/server.mjs";
import { benchmarkBinary, measure } from "./proxy/measure.mjs";
import { CHANNEL, PAYLOAD_BYTES } from "./proxy/payload.mjs";
import { ratesOf } from "./proxy/rate.mjs";
import { summarise, table } from "./proxy/report.mjs";
import { direct, haproxy, nutcracker, pipe, sidecar } from "./proxy/ways.mjs";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    ways: { type: "string", default: "direct,haproxy,nutcracker,pipe,sidecar" },
    connections: { type: "string", default: "1,20,200" },
    seconds: { type: "string" },
    out: { type: "string" },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const targetSeconds = options.quick ? 0.25 : 0.7;
const endBy = performance.now() + 1000 * Number(options.seconds ?? (options.quick ? 55 : 340));
const RATE = { rate: 2_000, connections: 20, seconds: options.quick ? 1.5 : 2.5, rounds: options.quick ? 2 : 4 };
const connectionCounts = options.connections.split(",").map(Number);

const CASES = [
  { title: "SET 100 B", command: "set", pipeline: 1 },
  { title: "GET 100 B", command: "get", pipeline: 1 },
  { title: "SET 100 B, pipeline 16", command: "set", pipeline: 16 },
  { title: "GET 100 B, pipeline 16", command: "get", pipeline: 16 },
  { title: "PUBLISH 2 KiB frame", command: "publish", pipeline: 1 },
  { title: "PUBLISH 2 KiB frame, 1 listener", command: "publish", pipeline: 1, listener: true, only: 20 },
];

await setUpServer();
const binaries = serverBinaries();
if (options.ways.split(",").includes("sidecar")) await buildSidecar();
const benchmark = await benchmarkBinary(binaries);
const version = (await command(binaries.server, ["--version"], { env: binaries.env })).output.trim();
const server = await startServer(binaries);
const ways = [];
for (const [name, open] of Object.entries({ direct, haproxy, nutcracker, pipe, sidecar })) {
  if (!options.ways.split(",").includes(name)) continue;
  const way = await open(server.port);
  if (way === undefined) console.log(`${name}: not installed, left out`);
  else ways.push(way);
}
const machine = `${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`;
console.log(`machine: ${machine}; load: ${benchmark.file}`);
console.log(`server: ${version}`);
console.log("load, proxy and server share these cores, nothing is pinned");
// Of one minute. What others run on the machine shows here before the run, and in the spread after it.
const loadBefore = loadavg()[0].toFixed(1);
for (const way of ways) console.log(`${way.name}: ${way.about}`);

/** Starts a listener on a way and says how many frames it has heard since then. */
async function listen(way) {
  const script = fileURLToPath(new URL("./proxy/listener.mjs", import.meta.url));
  let hear = () => {};
  const heard = () =>
    new Promise((resolve) => {
      hear = resolve;
    });
  const ready = heard();
  const child = launch(process.execPath, [script, String(way.port), CHANNEL, String(PAYLOAD_BYTES)], {
    onLine: (line) => hear(line),
  });
  await Promise.race([ready, sleep(5_000)]);
  const count = async () => {
    const line = heard();
    process.kill(child.pid, "SIGUSR2");
    return JSON.parse(await Promise.race([line, sleep(2_000).then(() => '{"messages":-1}')])).messages;
  };
  return { count, stop: child.stop };
}

/** With many connections, making them must not be what is measured. */
function secondsFor(connections) {
  return connections < 100 ? targetSeconds : targetSeconds * 2;
}

/** Requests for about so many seconds, from a short run that also warms the way up. */
const planned = new Map();
async function requestsFor(kind, connections, way) {
  const key = `${kind.title}|${connections}|${way.name}`;
  if (!planned.has(key)) {
    const probe = await measure(benchmark, kind, connections, options.quick ? 1_000 : 3_000, way, server.pid);
    planned.set(key, Math.min(2_000_000, Math.max(1_000, Math.round(probe.rps * secondsFor(connections)))));
  }
  return planned.get(key);
}

async function once(kind, connections, way) {
  const requests = await requestsFor(kind, connections, way);
  const listener = kind.listener ? await listen(way) : undefined;
  const result = await measure(benchmark, kind, connections, requests, way, server.pid);
  const run = { title: kind.title, connections, way: way.name, requests, ...result };
  if (listener !== undefined) {
    // What was answered may still be on its way: wait until the count stands still.
    run.delivered = await listener.count();
    for (let last = -1; run.delivered < requests && run.delivered !== last; ) {
      last = run.delivered;
      await sleep(200);
      run.delivered = await listener.count();
    }
    await listener.stop();
  }
  return run;
}

async function counters(way) {
  if (way.admin === undefined) return undefined;
  const text = await (await fetch(`http://${way.admin}/metrics`)).text();
  return Object.fromEntries(
    text
      .split("\n")
      .filter((line) => /^keyframe_(frames|wire_bytes|app_bytes|undelivered_frames|refused_batches|unnamed)/.test(line))
      .map((line) => line.split(/ (?=[^ ]+$)/))
      .map(([name, value]) => [name, Number(value)]),
  );
}

const runs = [];
const failed = [];
let done = 0;
let rates = [];
try {
  rates = await ratesOf(ways, RATE);
} catch (error) {
  failed.push(`at ${RATE.rate} commands a second: ${error.message}`);
}
measuring: for (let round = 0; round < rounds; round++) {
  for (const kind of CASES) {
    for (const connections of connectionCounts) {
      if (kind.only !== undefined && kind.only !== connections) continue;
      // Another order in every round: who runs behind whom must not matter.
      for (const way of round % 2 === 0 ? ways : [...ways].reverse()) {
        if (way.commandsOnly && kind.command === "publish") continue;
        if (performance.now() > endBy) {
          console.log("the time is up: later runs were left out");
          break measuring;
        }
        try {
          // Now and then redis-benchmark ends without a result.
          const run = await once(kind, connections, way).catch(() => once(kind, connections, way));
          runs.push({ round, ...run });
        } catch (error) {
          failed.push(`${kind.title}, ${connections} connections, ${way.name}: ${error.message}`);
        }
      }
    }
  }
  done += 1;
}

const rows = summarise(runs);
console.log(
  `\n${done} whole rounds; medians; CPU in µs a request; load average ${loadBefore} before, ${loadavg()[0].toFixed(1)} after\n`,
);
for (const line of table(rows)) console.log(line);
for (const { round, way, p50, p99, late } of rates) {
  const figures = `p50 ${p50.toFixed(3)} ms, p99 ${p99.toFixed(3)} ms, sent late p99 ${late.toFixed(2)} ms`;
  console.log(`at ${RATE.rate}/s, round ${round}, ${way.padEnd(10)} ${figures}`);
}
const delivered = runs.filter((run) => run.delivered !== undefined);
for (const run of delivered) {
  const verdict = run.delivered === run.requests ? "all" : `${run.delivered} of`;
  console.log(`listener, round ${run.round}, ${run.way}: ${verdict} ${run.requests} frames arrived`);
}
const said = {};
for (const way of ways) {
  const found = await counters(way);
  if (found === undefined) continue;
  said[way.name] = found;
  console.log(`\n${way.name} says:`);
  for (const [name, value] of Object.entries(found)) if (value !== 0) console.log(`  ${name} ${value}`);
}
for (const line of failed) console.log(`FAILED ${line}`);
if (options.out) {
  const about = Object.fromEntries(ways.map((way) => [way.name, way.about]));
  const all = {
    machine,
    server: version,
    rounds: done,
    targetSeconds,
    ways: about,
    rate: RATE,
    rates,
    rows,
    runs,
    counters: said,
    failed,
  };
  writeFileSync(options.out, `${JSON.stringify(all, null, 2)}\n`);
}
for (const way of ways) await way.stop();
await server.stop();
process.exitCode = failed.length === 0 ? 0 : 1;
