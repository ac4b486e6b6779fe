/**
 * A pod publishes to rooms that none of its own users is in. Its frames for other channels come back before the server's
 * answer is read, because that takes the other connection; those for the room never come back, and nobody misses them.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

let server: Server;
let line: FaultProxy;
let a: Sidecar;
let b: Sidecar;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  a = await startSidecar({ upstream: line.url });
  b = await startSidecar({ upstream: server.url });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await line?.stop();
  await server?.stop();
});

test("an answer that comes behind what it answers counts nothing as lost", async () => {
  const room = "socketio#/#user:elsewhere";
  const here = await Listener.on(a.port, "socketio");
  const there = await Listener.on(b.port, "socketio", room);
  const app = await RespClient.connect({ port: a.port });
  const ids = { chat: "there", message: "there", host: "host-there" };
  const frames = (round: number): [string, Buffer][] => [
    [room, snapshot(text(round), ids)],
    ["socketio", increment(`${round} `)],
  ];
  await publishAll(app, frames(1));
  await there.until(2);
  await here.until(1);
  for (let round = 2; round <= 6; round++) {
    // Both leave in one batch, whose answer stands still until the pod has heard its own frame.
    line.pause("down", (connection) => connection.sent("keyframe-publisher"));
    try {
      await publishAll(app, frames(round));
      await there.until(2 * round);
      await here.until(round);
    } finally {
      line.resume();
    }
    await app.command("PUBLISH", "other", "an answer behind the batch's own");
  }
  const published = [1, 2, 3, 4, 5, 6].flatMap(frames);
  sameFrames(there.payloads("socketio"), payloads(published, "socketio"));
  sameFrames(there.payloads(room), payloads(published, room));
  sameFrames(here.payloads(), payloads(published, "socketio"));
  for (const pod of [a, b]) assert.equal(await pod.metric("keyframe_undelivered_frames_total"), 0);
  await Promise.all([here.close(), there.close(), app.close()]);
});

const payloads = (frames: readonly [string, Buffer][], channel: string) =>
  frames.filter(([name]) => name === channel).map(([, payload]) => payload);
