/**
 * While somebody on the channel has no sidecar, a frame has to go whole. One that would break every subscriber's output
 * buffer is refused, unless the operator says otherwise: the app gets an error, and both are counted.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener } from "../support/apps.js";
import { increment } from "../support/frames.js";
import { digest, droppedClients, largeFrame, PUBSUB_LIMIT, undelivered } from "../support/large.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const MB = 1_000_000;
const RAW = "keyframe_large_raw_frames_total";
const room = "socketio#/#user:mixed";
const ids = { chat: "chat-mixed", host: "host-mixed" };

let server: Server;
let careful: Sidecar;
let passing: Sidecar;
before(async () => {
  server = await startServer({ args: PUBSUB_LIMIT });
  careful = await startSidecar({ upstream: server.url });
  passing = await startSidecar({ upstream: server.url, env: { KEYFRAME_RAW_MAX_BYTES: "64MiB" } });
  await Promise.all([careful.ready(), passing.ready()]);
});
after(async () => {
  await Promise.all([careful?.stop(), passing?.stop()]);
  await server?.stop();
});

test("by default a frame of 33 MB is refused with an error, one of 2 MB passes, and nobody is dropped", async () => {
  const listeners = [await Listener.on(server.port, room), await Listener.on(careful.port, room)];
  const app = await RespClient.connect({ port: careful.port, deadlineMs: 30_000 });
  const [small, large] = [largeFrame(2 * MB, "text", ids), largeFrame(33 * MB, "text", ids)];
  assert.equal(await app.text("PUBLISH", room, increment("first ", ids)), 2);
  assert.equal(await app.text("PUBLISH", room, small), 2);
  assert.match(
    String(await app.text("PUBLISH", room, large)),
    /^-ERR keyframe: a frame of 33000000 bytes .* KEYFRAME_RAW_MAX_BYTES \(32505856\)/,
  );
  assert.equal(await app.text("PUBLISH", room, increment("last ", ids)), 2);
  for (const listener of listeners) {
    await listener.until(3, 30_000);
    await listener.settle();
    assert.equal(digest(listener.heard[1]!.payload), digest(small));
  }
  assert.equal(await careful.metric(RAW, { action: "refused" }), 1);
  assert.equal(await careful.metric(RAW, { action: "passed" }), 1);
  assert.equal(await careful.metric("keyframe_limit_hits_total", { limit: "rawMaxBytes" }), 1);
  assert.equal((await careful.logged("large-frame-refused")).bytes, 33 * MB);
  assert.deepEqual(await undelivered(careful), {}, "the app knows of it");
  assert.equal(await droppedClients(server), 0);

  // Once the plain subscriber has gone, the same frame passes.
  await listeners[0]!.close();
  await eventually("it goes on the side channel", async () => (await app.text("PUBLISH", room, small)) === 1);
  assert.equal(await app.text("PUBLISH", room, large), 1);
  await listeners[1]!.untilMessage(({ payload }) => payload.length === large.length, 30_000);
  assert.equal(digest(listeners[1]!.heard.at(-1)!.payload), digest(large));
  assert.equal(await droppedClients(server), 0);
  await Promise.all([app.close(), listeners[1]!.close()]);
});

test("with a higher limit it passes as without us: the server drops its subscribers", async () => {
  const plain = await Listener.on(server.port, room);
  const app = await RespClient.connect({ port: passing.port, deadlineMs: 30_000 });
  assert.equal(await app.text("PUBLISH", room, increment("first ", ids)), 1);
  await plain.until(1);
  assert.equal(await app.text("PUBLISH", room, largeFrame(40 * MB, "text", ids)), 1);
  await plain.client.closed(30_000);
  assert.equal(await passing.metric(RAW, { action: "passed" }), 1);
  assert.equal((await passing.logged("large-frame-raw")).bytes, 40 * MB);
  assert.ok((await droppedClients(server)) > 0, "that is what the limit is for");
  await app.close();
});
