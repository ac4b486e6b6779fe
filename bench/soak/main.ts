/**
 * `npm run soak -- [--minutes N] [--out FILE]`: a server, three sidecars and their apps at a steady, moderate pace for a long
 * time, with cut connections, listeners that come and go, and one that reads slowly. Does anything grow that should not?
 */
import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { eachLine, spawnChild, stopChild } from "../../test/support/children.js";
import { startServer } from "../../test/support/server.js";
import { type Sidecar, startSidecar, sumSamples } from "../../test/support/sidecar.js";
import { PodApps, Published } from "./apps.js";
import { defaultBounds, type Judged, judge, median, type Sample } from "./verdict.js";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "20" },
    chats: { type: "string", default: "8" },
    fps: { type: "string", default: "4" },
    slope: { type: "string", default: String(defaultBounds.slopeMiBPerHour) },
    out: { type: "string", default: "bench/results/soak.json" },
  },
});
const minutes = Number(flags.minutes);
const PODS = 3;
const LOOK_MS = 5_000;
const MiB = 1024 * 1024;
const say = (text: string) => process.stdout.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const began = performance.now();
const seconds = () => (performance.now() - began) / 1000;

/** Says its own event loop's lag, measured as the sidecars measure theirs. */
const IDLE = `
  const { monitorEventLoopDelay } = require("node:perf_hooks");
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  setInterval(() => { console.log(Math.max(0, delay.percentile(99) / 1e6 - 20)); delay.reset(); }, ${LOOK_MS});
`;

async function look(sidecar: Sidecar): Promise<Sample & { cpu: number; metrics: Map<string, number> }> {
  const metrics = await sidecar.metrics();
  const sum = (name: string, labels?: Record<string, string>) => sumSamples(metrics, name, labels);
  return {
    t: seconds(),
    rssMiB: sum("process_resident_memory_bytes") / MiB,
    heapMiB: sum("nodejs_heap_size_used_bytes") / MiB,
    externalMiB: sum("nodejs_external_memory_bytes") / MiB,
    fds: sum("process_open_fds"),
    sockets: sum("nodejs_active_resources", { type: "TCPSocketWrap" }),
    timers: sum("nodejs_active_resources", { type: "Timeout" }),
    lagMs: sum("keyframe_event_loop_lag_seconds", { percentile: "99" }) * 1000,
    streams: sum("keyframe_streams"),
    held: sum("keyframe_held_frames") + sum("keyframe_held_bytes"),
    queued: sum("keyframe_queue_frames") + sum("keyframe_queue_bytes"),
    cpu: sum("process_cpu_seconds_total"),
    metrics,
  };
}

const server = await startServer();
const idleLag: number[] = [];
const idle = spawnChild(process.execPath, ["-e", IDLE]);
eachLine(idle.stdout, (line) => idleLag.push(Number(line)));
const sidecars: Sidecar[] = [];
const env = { KEYFRAME_STREAM_IDLE: "20s" };
for (let i = 0; i < PODS; i++) sidecars.push(await startSidecar({ upstream: server.url, env }));
await Promise.all(sidecars.map((sidecar) => sidecar.ready()));
// The look's own connection is there from now on.
for (const sidecar of sidecars) await look(sidecar);
await sleep(1_000);
const before = await Promise.all(sidecars.map(look));
const fingerprint = `${server.kind} ${server.version}, Node ${process.version}, ${availableParallelism()} cores`;
say(`${minutes} minutes: ${PODS} sidecars, ${Number(flags.chats) * PODS} chats at a time, ${fingerprint}`);

const published = new Published();
const apps = sidecars.map(
  (sidecar, pod) => new PodApps(pod, sidecar.port, published, Number(flags.chats), Number(flags.fps)),
);
const looks: Sample[][] = sidecars.map(() => []);
let cuts = 0;
let turns = 0;
const start = seconds();
const cpuOwn = process.cpuUsage();

/** Cuts one of the sidecars' own connections, or one that an app's commands go over. */
async function cut(): Promise<void> {
  const clients = (await server.cli("CLIENT", "LIST")).split("\n").map((line) => /^id=(\d+).* name=(\S*)/.exec(line));
  const own = clients.filter((client) => client?.[2]?.startsWith("keyframe-"));
  const rest = clients.filter((client) => client?.[2] === "");
  const from = cuts % 3 === 2 ? rest : own;
  const victim = from[(cuts * 5) % Math.max(1, from.length)];
  if (victim) await server.cli("CLIENT", "KILL", "ID", victim[1]!).catch(() => "");
  cuts++;
}

while (seconds() - start < minutes * 60) {
  await sleep(LOOK_MS);
  const now = await Promise.all(sidecars.map(look));
  for (const [i, sample] of now.entries()) looks[i]!.push({ ...sample, t: sample.t - start });
  turns++;
  if (turns % 2 === 0) apps[turns % PODS]!.turnOver();
  if (turns % 9 === 0) await cut();
  if (turns % 13 === 0) apps[turns % PODS]!.slow(4_000);
  if (turns % 24 === 0) published.age();
  if (turns % 12 === 0) {
    const rss = now.map(({ rssMiB }) => rssMiB.toFixed(0)).join(" ");
    const streams = now.map((sample) => sample.streams).join(" ");
    say(
      `${((seconds() - start) / 60).toFixed(1)} min  RSS ${rss} MiB  streams ${streams}  published ${published.count}`,
    );
  }
}
const loadedSeconds = seconds() - start;
const loadedEnd = await Promise.all(sidecars.map(look));
const { user, system } = process.cpuUsage(cpuOwn);
for (const app of apps) app.end();

// Idle: streams are forgotten after their time, files close, timers end. What lingers is a leak, or its limit is.
let after = loadedEnd;
const empty = (sample: Sample, i: number) =>
  sample.streams + sample.held + sample.queued === 0 &&
  sample.fds <= before[i]!.fds &&
  sample.timers <= before[i]!.timers;
for (let i = 0; i < 20 && !after.every(empty); i++) {
  await sleep(LOOK_MS);
  after = await Promise.all(sidecars.map(look));
}

const idleMs = median(idleLag);
const bounds = { ...defaultBounds, slopeMiBPerHour: Number(flags.slope) };
const judged: Judged[] = sidecars.map((_, i) => judge(looks[i]!, before[i]!, after[i]!, idleMs, bounds));
const tally = apps.map((app) => app.tally);
const total = (key: keyof (typeof tally)[number]) => tally.reduce((sum, one) => sum + one[key], 0);
const problems = judged.flatMap((one, i) => one.problems.map((problem) => `sidecar ${i}: ${problem}`));
if (total("unknown") > 0) problems.push(`${total("unknown")} payloads were heard that nobody had published`);
if (total("heard") < total("published")) problems.push("listeners heard less than one copy of what was published");
const cpu = loadedEnd.map((sample, i) => ((sample.cpu - before[i]!.cpu) / loadedSeconds) * 100);

say(
  "\n| sidecar | RSS at start | 2nd quarter | last quarter | MiB an hour | least heap, by fifths | lag p99 (worst) | files | CPU |",
);
say("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
judged.forEach((one, i) => {
  const [rss, second, last] = [one.rssStartMiB, one.rssSecondQuarterMiB, one.rssLastQuarterMiB].map((x) =>
    x.toFixed(1),
  );
  const lag = `${one.lagP99Ms.toFixed(1)} (${one.lagWorstMs.toFixed(1)}) ms`;
  const files = `${one.fdsBefore} / ${one.fdsMost} / ${one.fdsAfter}`;
  say(
    `| ${i} | ${rss} | ${second} | ${last} | ${one.slopeMiBPerHour.toFixed(1)} | ${one.heapTroughsMiB.map((x) => x.toFixed(1)).join(" ")} | ${lag} | ${files} | ${cpu[i]!.toFixed(1)} % |`,
  );
});
say(`idle process: lag p99 ${idleMs.toFixed(1)} ms; load average ${loadavg()[0]!.toFixed(1)}`);
say(
  `published ${total("published")}, heard ${total("heard")}, wrong ${total("unknown")}, chats ${total("chats")}, cuts ${cuts}, app reconnects ${total("reconnects")}`,
);
const undelivered = after.map(({ metrics }) => sumSamples(metrics, "keyframe_undelivered_frames_total"));
say(`undelivered and counted: ${undelivered.join(" ")}`);
say(problems.length === 0 ? "\nflat" : `\n${problems.join("\n")}`);

const round = (value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
const result = {
  command: `npm run soak -- --minutes ${flags.minutes}`,
  on: fingerprint,
  minutes,
  bounds,
  sidecars: judged.map((one, i) => ({ ...one, cpuPercent: cpu[i], undelivered: undelivered[i] })),
  idleLagP99Ms: idleMs,
  apps: {
    ...Object.fromEntries(Object.keys(tally[0]!).map((key) => [key, total(key as keyof (typeof tally)[number])])),
    cuts,
  },
  testCpuPercent: ((user + system) / 1e6 / loadedSeconds) * 100,
  problems,
  rssMiB: looks.map((samples) =>
    samples.filter((_, i) => i % 12 === 0).map(({ rssMiB }) => Math.round(rssMiB * 10) / 10),
  ),
};
writeFileSync(flags.out, `${JSON.stringify(result, (_key, value) => round(value), 2)}\n`);

await stopChild(idle);
await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
await server.stop();
process.exit(problems.length === 0 ? 0 : 1);
