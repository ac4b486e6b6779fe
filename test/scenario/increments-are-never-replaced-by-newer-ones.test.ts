/**
 * `response:completion` frames carry a few characters each and the same keys all along: none may take another's place,
 * however long they wait. Snapshots hold the whole text, so under pressure a newer one may; it is counted then.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander, Listener, publishAll, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { finished, increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let server: Server;
let line: FaultProxy;
let a: Sidecar;
let b: Sidecar;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  // A small queue: 600 frames are more than it takes, so that some wait under pressure.
  a = await startSidecar({ upstream: line.url, env: { KEYFRAME_QUEUE_BYTES: "64KiB", KEYFRAME_BATCH_BYTES: "16KiB" } });
  b = await startSidecar({ upstream: server.url });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await a?.stop();
  await b?.stop();
  await line?.stop();
  await server?.stop();
});

const room = "socketio#/#user:1";

async function scene(message: string): Promise<{ ear: Listener; app: RespClient; frames: [string, Buffer][] }> {
  const ear = await Listener.on(b.port, room);
  const app = await RespClient.connect({ port: a.port });
  // The channel is known to be heard by sidecars only, so that what follows is queued and not waited for.
  await publishAll(app, [[room, increment("first", { message: "first" })]]);
  await ear.until(1);
  ear.heard.length = 0;
  const frames = Array.from({ length: 600 }, (): [string, Buffer] => [room, increment("xy", { message })]);
  // Most are equal to the byte, as single characters are in real answers; some are not.
  for (let i = 0; i < frames.length; i += 7) frames[i] = [room, increment(String(i), { message })];
  return { ear, app, frames };
}

async function check(ear: Listener, app: RespClient, frames: readonly [string, Buffer][]): Promise<void> {
  await ear.until(frames.length);
  sameFrames(
    ear.payloads(),
    frames.map(([, payload]) => payload),
  );
  await ear.settle();
  assert.equal(ear.heard.length, frames.length);
  await Promise.all([ear.close(), app.close()]);
}

test("600 in one write", async () => {
  const { ear, app, frames } = await scene("message-1");
  const bystander = await Bystander.at(b.port);
  assert.equal((await publishAll(app, frames)).length, 600);
  await check(ear, app, frames);
  await bystander.stop();
});

test("600 while the server stands still", async () => {
  const { ear, app, frames } = await scene("message-2");
  process.kill(server.pid, "SIGSTOP");
  const replies = publishAll(app, frames);
  await eventually("frames wait", async () => (await a.metric("keyframe_queue_frames")) > 100);
  process.kill(server.pid, "SIGCONT");
  await replies;
  await check(ear, app, frames);
});

test("600 while pod A is cut off", async () => {
  const { ear, app, frames } = await scene("message-3");
  line.refuse(true);
  line.cut();
  // The app's connection to the sidecar may be closed with its upstream half; frames do not need one.
  const replies = publishAll(app, frames);
  await eventually("frames wait", async () => (await a.metric("keyframe_queue_frames")) > 100);
  line.refuse(false);
  await replies;
  await check(ear, app, frames);
});

test("snapshots that wait may be replaced: the newest arrives, in order, and the others are counted", async () => {
  const { ear, app } = await scene("message-4");
  const ids = { message: "message-4" };
  const superseded = await a.metric("keyframe_undelivered_frames_total", { reason: "superseded" });
  const snapshots = Array.from({ length: 300 }, (_, i) => snapshot(text(i + 1), ids));
  const last = finished(text(300), ids);
  line.refuse(true);
  line.cut();
  await eventually("A is cut off", async () => (await a.metric("keyframe_upstream_connected")) === 0);
  const all = [...snapshots, last, increment("after", ids)];
  for (const reply of await publishAll(
    app,
    all.map((payload) => [room, payload]),
  ))
    assert.equal(reply, 1);
  line.refuse(false);
  await ear.untilMessage(({ payload }) => payload.equals(all[all.length - 1]!));
  await ear.settle();
  const heard = ear.payloads();
  const places = heard.map((payload) => all.findIndex((one) => one.toString("latin1") === payload));
  assert.deepEqual(
    places,
    [...new Set(places)].sort((x, y) => x - y),
    "in order, none twice",
  );
  assert.deepEqual(places.slice(-2), [all.length - 2, all.length - 1], "the last of the text and what follows it");
  const counted = (await a.metric("keyframe_undelivered_frames_total", { reason: "superseded" })) - superseded;
  assert.equal(heard.length + counted, all.length);
  assert.ok(counted > 200, `${counted} of ${snapshots.length} were replaced`);
  await Promise.all([ear.close(), app.close()]);
});
