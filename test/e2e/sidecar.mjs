// The sidecar as its users run it: `node dist/main.js sidecar` in a process of its own, beside one replica.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "../setup/lib.mjs";
import { cpuSeconds, residentBytes, start, until } from "./processes.mjs";

/**
 * Starts a sidecar on free ports of 127.0.0.1 and waits until it is ready.
 *
 * @returns {Promise<{ name, url, pid, metrics(): Promise<Map<string, number>>, stop() }>}
 */
export async function startSidecar({ name, upstream, logs }) {
  const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith("KEYFRAME_"));
  const stateDir = join(logs, `${name}-state`);
  // A new pod knows nothing of those before it.
  rmSync(stateDir, { recursive: true, force: true });
  let listening;
  const server = start({
    name,
    command: process.execPath,
    args: ["--enable-source-maps", join(root, "dist/main.js"), "sidecar"],
    env: {
      ...Object.fromEntries(inherited),
      KEYFRAME_LISTEN: "127.0.0.1:0",
      KEYFRAME_ADMIN: "127.0.0.1:0",
      KEYFRAME_UPSTREAM: upstream,
      KEYFRAME_STATE_DIR: stateDir,
    },
    logFile: join(logs, `${name}.log`),
    onLine: (line) => {
      if (!listening && line.includes('"listening"')) listening = JSON.parse(line);
    },
  });
  await until(`${name} to listen`, () => listening, { timeoutMs: 20_000, everyMs: 20, process: server });
  const ready = () => fetch(`http://${listening.admin}/readyz`).then((response) => response.ok);
  await until(`${name}'s /readyz`, ready, { timeoutMs: 20_000, everyMs: 50, process: server });
  return {
    name,
    url: `redis://${listening.listen}/0`,
    pid: server.pid,
    metrics: async () => parseMetrics(await (await fetch(`http://${listening.admin}/metrics`)).text()),
    stop: server.stop,
  };
}

/** Samples of the text format, keyed as rendered; the process's and Node's own are left out. */
function parseMetrics(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    if (!line.startsWith("keyframe_")) continue;
    const space = line.lastIndexOf(" ");
    samples.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return samples;
}

/** Counters, memory and CPU of several sidecars at one moment, the counters added up. */
export async function sidecarSnapshot(sidecars) {
  const sums = new Map();
  for (const sidecar of sidecars) {
    for (const [key, value] of await sidecar.metrics()) sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return {
    sums,
    cpuSeconds: sidecars.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0),
    residentBytes: sidecars.map(({ pid }) => residentBytes(pid)),
  };
}

/**
 * What the sidecars did between two snapshots: a few sums by name, and every counter that moved.
 * Gauges, buckets and quantiles do not count anything and are left out.
 */
export function sidecarDifference(before, after) {
  const counters = {};
  for (const [key, value] of after.sums) {
    const moved = value - (before.sums.get(key) ?? 0);
    if (/_(total|sum|count)(\{|$)/.test(key) && moved !== 0) counters[key] = Number(moved.toFixed(6));
  }
  const sum = (name, label = "") =>
    Object.entries(counters)
      .filter(([key]) => (key === name || key.startsWith(`${name}{`)) && key.includes(label))
      .reduce((total, [, value]) => total + value, 0);
  return {
    framesIn: sum("keyframe_frames_total", 'direction="in"'),
    framesOut: sum("keyframe_frames_total", 'direction="out"'),
    deltas: sum("keyframe_frames_total", 'direction="in",kind="delta"'),
    keyframes: sum("keyframe_frames_total", 'direction="in",kind="keyframe"'),
    raws: sum("keyframe_frames_total", 'direction="in",kind="raw"'),
    resyncs: sum("keyframe_resyncs_total"),
    repairs: sum("keyframe_repairs_total", 'direction="sent"'),
    undelivered: sum("keyframe_undelivered_frames_total"),
    superseded: sum("keyframe_undelivered_frames_total", 'reason="superseded"'),
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    residentBytes: after.residentBytes,
    counters,
  };
}
