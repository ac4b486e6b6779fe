/**
 * Accident 12: a session that lives is deleted from the pool by another pod's reaper, and nobody writes it again; then the
 * sidecar is started anew while the user's socket stays open. The user misses nothing: what the sidecar has seen
 * outlives it, and where that is lost or spoilt, every frame is taken.
 */
import assert from "node:assert/strict";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { increment } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { connected, reaped, type StateDir, stateDir } from "../support/sessions.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

const CHANNEL = "socketio";

let server: Server;
let dir: StateDir;
let a: Sidecar;
let b: Sidecar;
let publisher: RespClient;
before(async () => {
  server = await startServer();
  dir = stateDir();
  a = await startSidecar({ upstream: server.url });
  await a.ready();
  publisher = await RespClient.connect({ port: a.port, deadlineMs: 10_000 });
  await start();
});
after(async () => {
  await publisher?.close();
  await Promise.all([a, b].map((pod) => pod?.stop()));
  await server?.stop();
  dir?.remove();
});

async function start(): Promise<void> {
  b = await startSidecar({ upstream: server.url, env: dir.env });
  await b.ready();
}

/** An app of pod B hears this many of ten frames: of those for ann, or also of those for ben, who is not there. */
async function hears(expected: number): Promise<void> {
  const ear = await Listener.on(b.port, CHANNEL);
  const frames = Array.from({ length: 10 }, (_, i) =>
    increment(`${i} `, { room: i % 2 === 0 ? "user:ann" : "user:ben" }),
  );
  await publishAll(
    publisher,
    frames.map((one): [string, Buffer] => [CHANNEL, one]),
  );
  await ear.until(expected);
  await ear.settle();
  sameFrames(
    ear.payloads(),
    frames.filter((_, i) => expected === 10 || i % 2 === 0),
  );
  await ear.close();
}

test("reaped, and the sidecar killed: her frames arrive, the others' are passed over", async () => {
  const app = await RespClient.connect({ port: b.port });
  await connected(app, "ann");
  await hears(5);
  const reaper = await RespClient.connect({ port: server.port });
  await reaped(reaper, "ann");
  await reaper.close();
  await hears(5);
  await b.stop("SIGKILL");
  await start();
  assert.equal(await b.metric("keyframe_rooms"), 1);
  await hears(5);
  assert.match(readFileSync(join(dir.path, "users"), "utf8"), /^\d+ "ann"\n$/);
});

test("the line that its process was writing when it died is left out: its session was not answered", async () => {
  await b.stop("SIGKILL");
  appendFileSync(join(dir.path, "users"), '1700000000000 "eve');
  await start();
  assert.equal(await b.metric("keyframe_rooms"), 1);
  await hears(5);
});

test("a session that could not be kept in mind: everything, after the next start as well", async () => {
  const app = await RespClient.connect({ port: b.port });
  assert.equal(await app.command("HSET", "open-webui:session_pool", "sid", '{"name": "nobody"}'), 1);
  await hears(10);
  assert.deepEqual(readdirSync(dir.path), ["users-unknown"]);
  await b.stop("SIGKILL");
  await start();
  await hears(10);
  assert.equal(await b.metric("keyframe_rooms_known"), 0);
});
