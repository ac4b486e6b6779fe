// `npm run bench:commands`: what other commands than PUBLISH cost the server, and what they could cost instead.
//
//   EVAL against EVALSHA      the script that Open WebUI 0.12 sends with every token of an answer
//   HSET against a script     the snapshot that 0.11.4 writes with every token, sent as a difference to the last one and put
//                             together on the server, if what is there has the right SHA-1; or the right length only
//   a pipeline against a hold EVAL and four GETs in one write, and the GETs only behind the answer to an EVALSHA
//
// One connection straight to the server; the CPU time is the server's own. Kinds take turns within every round.
//
//   --rounds N    rounds (20)
//   --out FILE    everything as JSON

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";
import { startServer } from "../test/conformance/processes.mjs";
import { run as command } from "../test/setup/lib.mjs";
import { serverBinaries, setUpServer } from "../test/setup/server.mjs";
import { Connection } from "./commands/connection.mjs";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "20" }, out: { type: "string" } },
});
const ROUNDS = Number(options.rounds);
/** Calls of one kind in one round, all in one pipeline: so that the server's CPU time is its work and not its waiting. */
const CALLS = 500;
/** What a token adds to a snapshot. */
const TOKEN = " word";

/** As Open WebUI 0.12.4 has it in tasks.py: appends, unless somebody else has written. */
const APPEND =
  "if redis.call('strlen', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end " +
  "redis.call('append', KEYS[1], ARGV[2]) " +
  "if tonumber(ARGV[3]) > 0 then redis.call('expire', KEYS[1], ARGV[3]) end return 1";
const splice = (condition) =>
  `local o=redis.call('HGET',KEYS[1],ARGV[1]) if not o or ${condition} then return redis.error_reply('BASE') end ` +
  "return redis.call('HSET',KEYS[1],ARGV[1],string.sub(o,1,ARGV[3])..ARGV[4]..string.sub(o,ARGV[5]))";
const BY_HASH = splice("redis.sha1hex(o)~=ARGV[2]");
const BY_LENGTH = splice("#o~=tonumber(ARGV[2])");

const sha1 = (text) => createHash("sha1").update(text).digest("hex");

/** The calls of one kind, and what must be there before the first. */
function appends(script) {
  const key = "open-webui:tasks:response_streams:5c9b3c2a-0f34-4a4b-9d0e-7d1f0c8f2a11";
  const delta = Buffer.alloc(118, "d");
  const calls = [];
  for (let i = 0; i < CALLS; i++) calls.push([...script, 1, key, 300 + i * delta.length, delta, 3600]);
  return { before: [["SET", key, Buffer.alloc(300, "s")]], calls };
}

/** Snapshots around `size` bytes that grow by a token in their middle. */
function snapshots(size, form) {
  const key = "open-webui:tasks:response_streams";
  const field = "5c9b3c2a-0f34-4a4b-9d0e-7d1f0c8f2a11";
  const tail = '"}]}';
  let text = "x".repeat(size - (CALLS * TOKEN.length) / 2);
  const before = [["HSET", key, field, text + tail]];
  const calls = [];
  for (let i = 0; i < CALLS; i++) {
    const base = text + tail;
    text += TOKEN;
    if (form === "whole") calls.push(["HSET", key, field, text + tail]);
    else {
      const [script, proof] = form === "hash" ? [BY_HASH, sha1(base)] : [BY_LENGTH, base.length];
      const at = base.length - tail.length;
      calls.push(["EVALSHA", sha1(script), 1, key, field, proof, at, TOKEN, at + 1]);
    }
  }
  return { before, calls };
}

const KINDS = {
  "append, EVAL": () => appends(["EVAL", APPEND]),
  "append, EVALSHA": () => appends(["EVALSHA", sha1(APPEND)]),
};
for (const kib of [2, 5, 10, 20]) {
  for (const form of ["whole", "hash", "length"]) {
    KINDS[`snapshot of ${kib} KiB, ${form}`] = () => snapshots(kib * 1024, form);
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** Server's CPU time and bytes of one pipeline of calls, each by call. */
async function measure(connection, { before, calls }) {
  await connection.ask(before);
  const cpu = await connection.serverCpuSeconds();
  const { bytes, errors } = await connection.ask(calls);
  if (errors.length > 0) throw new Error(`the server refuses: ${errors[0]}`);
  return { cpuUs: ((await connection.serverCpuSeconds()) - cpu) * (1e6 / CALLS), bytes: bytes / CALLS };
}

/** Milliseconds until all is answered: in one write, and held back until the script has been answered. */
async function pipelines(connection) {
  const gets = Array.from({ length: 4 }, () => ["GET", "some-key"]);
  const call = (script) => [...script, 1, "a-key", -1, "x", 0];
  const times = { pipeline: [], held: [] };
  for (let i = 0; i < 2000; i++) {
    let began = performance.now();
    await connection.ask([call(["EVAL", APPEND]), ...gets]);
    times.pipeline.push(performance.now() - began);
    began = performance.now();
    await connection.ask([call(["EVALSHA", sha1(APPEND)])]);
    await connection.ask(gets);
    times.held.push(performance.now() - began);
  }
  return { pipelineMs: median(times.pipeline), heldMs: median(times.held) };
}

await setUpServer();
const binaries = serverBinaries();
const server = await startServer(binaries);
const connection = await Connection.open(server.port);
try {
  await connection.ask([APPEND, BY_HASH, BY_LENGTH].map((script) => ["SCRIPT", "LOAD", script]));
  const seen = new Map(Object.keys(KINDS).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, make] of Object.entries(KINDS)) seen.get(name).push(await measure(connection, make()));
  }
  const kinds = {};
  for (const [name, list] of seen) {
    kinds[name] = {
      bytes: Math.round(list[0].bytes),
      serverCpuUs: Number(median(list.map((one) => one.cpuUs)).toFixed(2)),
    };
    console.log(
      `${name.padEnd(30)}${String(kinds[name].bytes).padStart(8)} B${kinds[name].serverCpuUs.toFixed(2).padStart(9)} µs`,
    );
  }
  const held = await pipelines(connection);
  console.log(
    `EVAL and four GETs: ${held.pipelineMs.toFixed(3)} ms in one write, ${held.heldMs.toFixed(3)} ms with the GETs held back`,
  );
  const version = (await command(binaries.server, ["--version"], { env: binaries.env })).output
    .trim()
    .split(" ")
    .slice(0, 3);
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, linux: release(), node: process.version };
  const report = { machine, server: version.join(" "), rounds: ROUNDS, calls: CALLS, kinds, ...held };
  if (options.out) writeFileSync(options.out, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  connection.close();
  await server.stop();
}
