/**
 * From 0.12 on one chat's frames go to two channels: increments to the user's room, whole snapshots to the chat's. They
 * leave in one batch, where frames of one channel would like to travel together; what one connection hears of them must
 * still be in the order in which they were published.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander, Listener, publishAll, sameFrames } from "../support/apps.js";
import { finished, increment, snapshot, text } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods();
});
after(() => pods?.stop());

const user = "socketio#/#user:1";
const chat = "socketio#/#chat:1";

test("delta to the user, snapshot to the chat, delta to the user: the same at every pod", async () => {
  const listeners = [await Listener.on(pods.a.port, user, chat), await Listener.on(pods.b.port, chat, user)];
  const app = await RespClient.connect({ port: pods.a.port });
  await publishAll(app, [
    [user, increment("first")],
    [chat, snapshot("first", { room: "chat:1" })],
  ]);
  const batches = await pods.a.metric("keyframe_flush_frames_count");

  const published: [string, Buffer][] = [];
  for (let i = 0; i < 120; i++) {
    published.push([user, increment(`${i} `)]);
    published.push([chat, snapshot(text(i), { room: "chat:1" })]);
    published.push([user, increment(`${i}. `)]);
    // Another chat's frames in between may go another way round, these not.
    published.push([user, increment(`${i} `, { chat: "chat-2", message: "message-2" })]);
  }
  published.push([chat, finished(text(120), { room: "chat:1" })], [user, increment("end")]);
  await publishAll(app, published);
  const own = (payload: string) => !payload.includes("chat-2");
  const mine = published.map(([, payload]) => payload.toString("latin1")).filter(own);
  for (const listener of listeners) {
    await listener.until(published.length + 2);
    sameFrames(listener.payloads().slice(2).filter(own), mine);
  }
  // The frames were sent together, or the order would have been no art.
  const flushed = (await pods.a.metric("keyframe_flush_frames_count")) - batches;
  assert.ok(flushed < published.length / 8, `${published.length} frames went in ${flushed} batches`);
  assert.equal(await pods.a.metric("keyframe_frames_total", { direction: "in", kind: "raw" }), 0);
  await Promise.all([...listeners.map((listener) => listener.close()), app.close()]);
});

test("a barrier of the emitter is not overtaken either, nor overtakes", async () => {
  const listener = await Listener.on(pods.b.port, user, chat, "socketio");
  const bystander = await Bystander.at(pods.b.port);
  const app = await RespClient.connect({ port: pods.a.port });
  const barrier = (n: number) =>
    Buffer.from(`{"method": "close_room", "room": "user:${n}", "namespace": "/", "host_id": "host-a"}`);
  const published: [string, Buffer][] = [];
  for (let i = 0; i < 60; i++) {
    published.push([user, increment(`${i} `, { chat: `chat-${i % 5}` })], ["socketio", barrier(i)]);
    published.push([chat, snapshot(text(i), { chat: `chat-${i % 5}`, room: "chat:1" })]);
    published.push([user, increment(`${i}. `, { chat: `chat-${i % 5}` })]);
  }
  await publishAll(app, published);
  await listener.until(published.length);
  // Between two barriers frames of one chat only, so the whole order is fixed.
  sameFrames(
    listener.payloads(),
    published.map(([, payload]) => payload),
  );
  await bystander.stop();
  await Promise.all([listener.close(), app.close()]);
});
