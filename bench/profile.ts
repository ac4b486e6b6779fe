/**
 * `npm run bench:profile -- [--only commands,publish,streams] [--seconds N] [--out DIR]`: the sidecar under the profiler while it does
 * what it does most. Prints the functions and rooms of the house that took its time, and leaves the .cpuprofile files in DIR.
 *
 *   commands   SET and GET, 20 connections, one at a time
 *   publish    PUBLISH of 2 KiB frames, 20 connections
 *   streams    100 chats, 50 frames of 12 KB a second each: one sidecar sends, one receives
 */
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { inRoot } from "../test/support/root.js";
import { type Server, startServer } from "../test/support/server.js";
import { type Sidecar, startSidecar } from "../test/support/sidecar.js";
import { makeAnswer, makeIds } from "./generate.js";
import { type CpuProfile, costsOf } from "./profile/top.js";
import { Listener, Publisher } from "./suite/answer/line.js";
import { cpuMicros } from "./suite/cpu.js";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "commands,publish,streams" },
    seconds: { type: "string", default: "5" },
    out: { type: "string" },
  },
});
const seconds = Number(flags.seconds);
const out = flags.out ?? mkdtempSync(join(tmpdir(), "keyframe-profile-"));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const percent = (share: number) => `${(share * 100).toFixed(1).padStart(5)} %`;

interface Profiled extends Sidecar {
  file: string;
}

async function profiled(server: Server, name: string): Promise<Profiled> {
  const file = join(out, `${name}.cpuprofile`);
  const main = inRoot("bench", "profile", "profiled.mjs");
  const sidecar = await startSidecar({ upstream: server.url, main, env: { PROFILE_OUT: file } });
  await sidecar.ready();
  return { ...sidecar, file };
}

function report(title: string, file: string): void {
  const { busy, functions, rooms } = costsOf(JSON.parse(readFileSync(file, "utf8")) as CpuProfile);
  console.log(`\n${title}: busy ${percent(busy)} of the time\n`);
  for (const { what, share } of rooms.slice(0, 12)) console.log(`  ${percent(share)}  ${what}`);
  console.log("");
  for (const { what, share } of functions.slice(0, 22)) console.log(`  ${percent(share)}  ${what}`);
}

/** Load from the server's own benchmark program, as bench/proxy.mjs gives it. */
async function commands(server: Server, command: "set" | "get" | "publish"): Promise<void> {
  const from = (name: string) => import(pathToFileURL(inRoot(name)).href);
  const { benchmarkBinary, measure } = await from("bench/proxy/measure.mjs");
  const { serverBinaries } = await from("test/setup/server.mjs");
  const binary = await benchmarkBinary(serverBinaries());
  const sidecar = await profiled(server, command);
  const run = (requests: number) => measure(binary, { command, pipeline: 1 }, 20, requests, sidecar, server.pid);
  const { rps } = await run(20_000);
  process.kill(sidecar.pid, "SIGUSR2");
  const { rps: measured, proxyCpu } = await run(Math.round(rps * seconds));
  await sidecar.stop();
  const figures = `${measured.toFixed(0)}/s, ${proxyCpu.toFixed(1)} µs of CPU each`;
  report(`${command.toUpperCase()}, 20 connections, one at a time: ${figures}`, sidecar.file);
}

const STREAMS = 100;
const RATE = 50;
const FRAME_BYTES = 12_000;

/** A chat whose answer has 12 KB already and grows by a word a frame. */
function chat(seed: number): { channel: Buffer; next(): Buffer } {
  const made = makeAnswer({ shape: "0.9.5", tokens: 1, seed, ids: makeIds(seed) })[1]!;
  const text = made.payload.toString("latin1");
  const at = text.indexOf('"content": "') + '"content": "'.length;
  const end = text.indexOf('"', at);
  const [head, tail] = [Buffer.from(text.slice(0, at), "latin1"), Buffer.from(text.slice(end), "latin1")];
  const words = Buffer.from("a word that grows ".repeat(FRAME_BYTES));
  let length = FRAME_BYTES - head.length - tail.length;
  return {
    channel: made.channel,
    next: () => {
      length += 5;
      return Buffer.concat([head, words.subarray(0, length), tail]);
    },
  };
}

async function streams(server: Server): Promise<void> {
  const [sender, receiver] = [await profiled(server, "sender"), await profiled(server, "receiver")];
  const chats = Array.from({ length: STREAMS }, (_, i) => chat(5_000 + i));
  const listener = await Listener.open(receiver.port, chats[0]!.channel);
  const publishers = await Promise.all(Array.from({ length: 8 }, () => Publisher.open(sender.port, 1)));
  let published = 0;
  const publish = async (untilMs: number) => {
    const began = performance.now();
    const answered: Promise<void>[] = [];
    let sent = 0;
    for (let now = 0; now < untilMs; now = performance.now() - began) {
      for (; (sent * 1000) / (STREAMS * RATE) <= now; sent++) {
        const { channel, next } = chats[sent % STREAMS]!;
        answered.push(publishers[sent % publishers.length]!.publish({ channel, payload: next() }));
      }
      await sleep(1);
    }
    await Promise.all(answered);
    published = sent;
  };
  await publish(2_000);
  for (const { pid } of [sender, receiver]) process.kill(pid, "SIGUSR2");
  const before = [sender, receiver].map(({ pid }) => cpuMicros(pid));
  await publish(seconds * 1000);
  await sleep(200);
  const each = [sender, receiver].map(({ pid }, i) => ((cpuMicros(pid) - before[i]!) / published).toFixed(1));
  listener.close();
  for (const one of publishers) one.close();
  await sender.stop();
  await receiver.stop();
  const load = `${STREAMS} chats of ${FRAME_BYTES / 1000} KB, ${RATE}/s each (${(published / seconds).toFixed(0)} frames/s)`;
  report(`sender, ${load}: ${each[0]} µs of CPU a frame`, sender.file);
  report(`receiver, ${load}: ${each[1]} µs of CPU a frame`, receiver.file);
}

mkdirSync(out, { recursive: true });
const server = await startServer();
try {
  const chosen = flags.only.split(",");
  if (chosen.includes("commands")) for (const command of ["set", "get"] as const) await commands(server, command);
  if (chosen.includes("publish")) await commands(server, "publish");
  if (chosen.includes("streams")) await streams(server);
} finally {
  await server.stop();
}
console.log(`\nprofiles in ${out}`);
