// `npm run bench:rooms`: what a batch of 32 frames for 32 users costs the server on the shared channel, where every pod hears
// all, as one message to all sidecars (each passes over what is for others), as a message per user's room to the one pod
// that has the user, and as the question whether anybody elsewhere is in those rooms, where nobody is.
//
// Subscribers are plain connections that read and drop; the CPU time is the server's own. Ways take turns within a round.
//
//   --rounds N    rounds (10)
//   --out FILE    everything as JSON

import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";
import { startServer } from "../test/conformance/processes.mjs";
import { run as command } from "../test/setup/lib.mjs";
import { serverBinaries, setUpServer } from "../test/setup/server.mjs";
import { Connection } from "./commands/connection.mjs";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "10" }, out: { type: "string" } },
});
const ROUNDS = Number(options.rounds);
/** Batches of one way in one round, each once the one before it is answered, as a sidecar sends them. */
const BATCHES = 400;
const FRAMES = 32;
/** A delta's record, as the recordings have it. */
const RECORD = "r".repeat(30);
const PODS = [2, 4, 8, 16, 32, 64];

/** Publishes ARGV in pairs; as the sidecars do it, counts both channels once. */
const PUBLISH = `local c = redis.pcall('PUBSUB', 'NUMSUB', 'socketio', '~kf1~socketio')
for i = 1, #ARGV, 2 do redis.pcall('PUBLISH', ARGV[i], ARGV[i + 1]) end return c[2]`;
const COUNT = `local c = redis.pcall('PUBSUB', 'NUMSUB', 'socketio', '~kf1~socketio')
return redis.pcall('PUBSUB', 'NUMSUB', '~kf1~to~', unpack(ARGV))[2]`;

await setUpServer();
const binaries = serverBinaries();
const version = (await command(binaries.server, ["--version"], { env: binaries.env })).output.trim();

const rooms = Array.from({ length: FRAMES }, (_, i) => `~kf1~to~user:${i}`);
const ways = {
  shared: ["EVAL", PUBLISH, "0", "~kf1~socketio", RECORD.repeat(FRAMES)],
  rooms: ["EVAL", PUBLISH, "0", ...rooms.flatMap((room) => [room, RECORD])],
  silent: ["EVAL", COUNT, "0", ...rooms],
};

/** A pod's receiving connection: hears the shared channels and its share of the rooms. */
async function listen(port, number, pods) {
  const own = rooms.filter((_, i) => i % pods === number);
  const socket = connect({ port, host: "127.0.0.1" });
  const names = ["socketio", "~kf1~socketio", "~kf1~to~", ...own];
  await new Promise((resolve, reject) => {
    let acks = 0;
    socket.once("error", reject);
    socket.on("data", (chunk) => {
      if (acks < names.length) acks += chunk.toString("latin1").split("subscribe\r\n").length - 1;
      if (acks >= names.length) resolve();
    });
    socket.write(`SUBSCRIBE ${names.join(" ")}\r\n`);
  });
  return socket;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const rows = [];
for (const pods of PODS) {
  const server = await startServer(binaries);
  const connection = await Connection.open(server.port);
  const sockets = await Promise.all(Array.from({ length: pods }, (_, i) => listen(server.port, i, pods)));
  const samples = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [way, words] of Object.entries(ways)) {
      const before = await connection.serverCpuSeconds();
      for (let i = 0; i < BATCHES; i++) await connection.ask([words]);
      samples[way].push(((await connection.serverCpuSeconds()) - before) * 1e6);
    }
  }
  const row = { pods };
  for (const [way, all] of Object.entries(samples)) row[way] = Number((median(all) / BATCHES / FRAMES).toFixed(2));
  rows.push(row);
  console.log(
    `${pods} pods: server µs a frame: ${Object.keys(ways)
      .map((way) => `${way} ${row[way]}`)
      .join(", ")}`,
  );
  for (const socket of sockets) socket.destroy();
  connection.close();
  await server.stop();
}
const result = {
  machine: `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Linux ${release()}`,
  server: version,
  rounds: ROUNDS,
  frames: FRAMES,
  unit: "server CPU, microseconds a frame",
  rows,
};
if (options.out !== undefined) writeFileSync(options.out, `${JSON.stringify(result, null, 2)}\n`);
process.exit(0);
