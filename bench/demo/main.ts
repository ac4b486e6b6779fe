/**
 * `npm run demo`: recorded Open WebUI traffic through two sidecars, every frame compared, and a table of what it saved.
 * Stays up afterwards, playing on, until Ctrl-C. With --once it ends: code 0 when everything arrived as published.
 */
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { captureFiles } from "../../test/support/captures.js";
import { type TwoPods, twoPods } from "../../test/support/pods.js";
import { pythonIfPrepared } from "../../test/support/python.js";
import { type Server, startServer } from "../../test/support/server.js";
import { makeAnswer } from "../generate.js";
import { chatOf, recordedFrames } from "../replay.js";
import { type ServerBytes, ServerMarks, SidecarMarks } from "./counters.js";
import { playNode } from "./node-part.js";
import { type Pass, playRecording, type Recording } from "./recording.js";
import { bold, count, dim, header, legend, line, percentile, progress, type Row, say, size, totals } from "./table.js";

const { values: flags } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    speed: { type: "string", default: "2" },
    only: { type: "string", multiple: true, default: [] },
  },
});
const speed = Number(flags.speed);
const recordings: Recording[] = captureFiles()
  .filter(({ name }) => flags.only.length === 0 || flags.only.some((part) => name.includes(part)))
  .map(({ name, path }) => ({ name, frames: recordedFrames(path) }));
const python = pythonIfPrepared("py-new-redis8") !== undefined && pythonIfPrepared("py-5.13-redis5") !== undefined;
const nodePart = "node redis-adapter";
const problems: string[] = [];

/** The same traffic without sidecars: what their delay and the server's bytes are measured against. */
async function direct(server: Server): Promise<{ passes: Map<string, Pass>; bytes: ServerMarks }> {
  const bytes = new ServerMarks(server);
  const passes = new Map<string, Pass>();
  const ports = { publishPort: server.port, listenPort: server.port };
  await warmUp(ports);
  for (const recording of recordings) {
    progress(recording.name);
    passes.set(recording.name, await playRecording({ recording, ...ports, python: false, speed, mark: bytes.mark }));
  }
  progress(nodePart);
  passes.set(nodePart, await playNode(ports));
  progress("");
  return { passes, bytes };
}

/** Processes that have just started are slow for a moment: a made answer first, as fast as it goes. */
async function warmUp(ports: { publishPort: number; listenPort: number }): Promise<void> {
  const frames = makeAnswer({ shape: "0.9.5", tokens: 400, seed: 1 }).map((frame) => ({
    ...frame,
    t: 0,
    chat: chatOf(frame.payload),
  }));
  const recording = { name: "warm-up", frames };
  await playRecording({ recording, ...ports, python: false, speed: Number.POSITIVE_INFINITY });
}

function row(name: string, through: Pass, without: Pass | undefined, marks: SidecarMarks): Row {
  const added = (share: number) => {
    const more = percentile(through.latencies, share) - percentile(without?.latencies ?? [], share);
    return Math.max(0, more);
  };
  const counted = marks.difference();
  for (const problem of through.problems) problems.push(`${name}: ${problem}`);
  if (counted.undelivered > 0) problems.push(`${name}: ${counted.undelivered} frames counted as undelivered`);
  return {
    name,
    frames: through.frames,
    appBytes: through.appBytes,
    wireBytes: counted.wireBytes,
    p50: added(0.5),
    p99: added(0.99),
    keyframes: counted.keyframes,
    raw: counted.raw,
    resyncs: counted.resyncs,
  };
}

/** Open WebUI's recordings, pods as they start: nothing is declared about the fleet. */
async function openWebui(pods: TwoPods, without: Map<string, Pass>, server: ServerMarks): Promise<Row[]> {
  const marks = new SidecarMarks(pods.a, pods.b);
  const rows: Row[] = [];
  await warmUp({ publishPort: pods.a.port, listenPort: pods.b.port });
  say(header());
  for (const recording of recordings) {
    progress(recording.name);
    const through = await playRecording({
      recording,
      publishPort: pods.a.port,
      listenPort: pods.b.port,
      python,
      speed,
      mark: async () => {
        // The order matters: reading the sidecars' counters must not fall between the server's marks.
        await marks.mark();
        await server.mark();
      },
    });
    const result = row(recording.name, through, without.get(recording.name), marks);
    rows.push(result);
    progress("");
    say(line(result));
  }
  return rows;
}

/** Node servers, pods declared uniform. */
async function nodeServers(pods: TwoPods, without: Map<string, Pass>): Promise<Row> {
  say("Node servers subscribe by pattern, and no server can tell who hears a pattern: their frames become deltas");
  say("only where the operator says that every pod has a sidecar (KEYFRAME_FLEET=uniform), as here:");
  say();
  progress(nodePart);
  const marks = new SidecarMarks(pods.a, pods.b);
  const node = await playNode({ publishPort: pods.a.port, listenPort: pods.b.port, mark: marks.mark });
  const result = row(nodePart, node, without.get(nodePart), marks);
  progress("");
  say(line(result));
  return result;
}

function verdict(rows: readonly Row[], without: ServerBytes, through: ServerBytes): void {
  for (const [name, text] of legend) say(dim(`${name.padEnd(12)} ${text}`));
  say();
  if (rows.some((each) => each.appBytes < each.wireBytes * 1.5)) problems.push("some recording saved hardly anything");
  if (problems.length === 0) {
    const frames = rows.reduce((sum, each) => sum + each.frames, 0);
    say(bold(`All ${count(frames)} frames reached every listener byte for byte and in order.`));
  }
  const flow = ({ input, output }: ServerBytes) => `${size(input)} in and ${size(output)} out`;
  say(`For the recordings the server itself counted ${flow(without)} without keyframe, ${flow(through)} with it,`);
  say("all commands and replies included.");
  const busy = (loadavg()[0] ?? 0) / availableParallelism();
  if (busy > 1.5)
    say(dim(`Other work kept this machine busy (${busy.toFixed(1)} times its cores): the delays show that too.`));
  say();
}

async function main(): Promise<number> {
  say();
  say(bold("keyframe: Socket.IO frames between pods, as deltas"));
  say();
  if (recordings.length === 0) {
    say("no recording has that name");
    return 1;
  }
  const baseline = await startServer();
  const peers = `${python ? "python-socketio, " : ""}Node Socket.IO, and plain SUBSCRIBE sockets`;
  say(`server   ${baseline.kind === "valkey" ? "Valkey" : "Redis"} ${baseline.version}`);
  say("pod A    publishes what real Open WebUI releases published, through its sidecar");
  say(`pod B    listens through its own: ${peers}`);
  if (!python) say("         (no Python environment here, so the python-socketio listener is left out)");
  say(`pace     ${speed} times as fast as recorded`);
  say();
  say(dim("First the same traffic straight through the server, to compare with ..."));
  const { passes, bytes } = await direct(baseline);
  await baseline.stop();

  let pods: TwoPods | undefined;
  let uniform: TwoPods | undefined;
  try {
    pods = await twoPods();
    const through = new ServerMarks(pods.server);
    say();
    const rows = await openWebui(pods, passes, through);
    say(bold(line(totals("total", rows))));
    say();
    uniform = await twoPods({ env: { KEYFRAME_FLEET: "uniform" } });
    rows.push(await nodeServers(uniform, passes));
    say();
    verdict(rows, bytes.total, through.total);
  } catch (error) {
    progress("");
    problems.push(String(error));
  }
  if (problems.length > 0) {
    say(bold("Not as it should be:"));
    for (const problem of [...problems, ...errorsOf(pods), ...errorsOf(uniform)]) say(`  ${problem}`);
    say();
  }
  await uniform?.stop();
  if (!flags.once && pods) await stayUp(pods);
  await pods?.stop();
  return problems.length === 0 ? 0 : 1;
}

/** Plays the recordings round and round, so that the metrics move, until Ctrl-C. */
async function stayUp(pods: TwoPods): Promise<void> {
  let stopped = false;
  const stop = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        stopped = true;
        resolve();
      });
    }
  });
  for (const [name, sidecar] of [
    ["pod A", pods.a],
    ["pod B", pods.b],
  ] as const) {
    say(`${name}   ${sidecar.url}   metrics ${sidecar.adminUrl}/metrics   status ${sidecar.adminUrl}/`);
  }
  say(`server  ${pods.server.url}`);
  say();
  say("The recordings play on at their own pace. Ctrl-C ends everything.");
  const playing = (async () => {
    while (!stopped) {
      for (const recording of recordings) {
        if (stopped) return;
        const ports = { publishPort: pods.a.port, listenPort: pods.b.port };
        await playRecording({ recording, ...ports, python: false, speed: 1 }).catch(() => {});
      }
    }
  })();
  await Promise.race([stop, playing]);
}

/** What the sidecars logged as errors: the first thing to look at when something went wrong. */
function errorsOf(pods: TwoPods | undefined): string[] {
  const errors: string[] = [];
  for (const [name, sidecar] of Object.entries({ "pod A": pods?.a, "pod B": pods?.b })) {
    for (const entry of sidecar?.logs ?? []) {
      if (entry.includes('"level":"error"')) errors.push(`${name}'s sidecar: ${entry.slice(0, 600)}`);
    }
  }
  return errors;
}

// A library's publish that nobody awaits (the Node adapter's) must not end the demo without its table.
process.on("unhandledRejection", (error) => problems.push(`a promise was rejected: ${String(error)}`));

process.exit(await main());
