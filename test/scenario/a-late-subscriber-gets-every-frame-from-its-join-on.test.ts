/** Accidents 20 and 21: joins in the middle of streams, streams that are forgotten and begun again, through real sidecars. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { audience, publishThrough } from "../support/apps.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";
import { answer, type Frame, hear, listen, publishAll } from "../support/streams.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods({ envA: { KEYFRAME_STREAMS: "4" } });
  await audience(pods.server.port, "socketio");
});
after(() => pods.stop());

const pairs = (frames: readonly Frame[]) =>
  frames.map(({ channel, payload }): [string, Buffer] => [channel.toString("latin1"), payload]);

test("a stream whose frames do not hold the whole message: every frame from the join on", async () => {
  const frames = answer("0.11.4", 200, 1);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const own = await listen(pods.a.port);
  await publishThrough(pods.a, publisher, pairs(frames.slice(0, 100)));
  const heard = await hear(own, 100);
  const late = await listen(pods.b.port);
  await publishAll(publisher, frames.slice(100));
  const wanted = frames.slice(100).map(({ payload }) => payload);
  assert.deepEqual(await hear(late, wanted.length), wanted);
  assert.deepEqual(await late.fence(), []);
  assert.ok((await pods.b.metric("keyframe_resyncs_total", { reason: "unknown_instance" })) > 0, "it had to ask");
  assert.equal(await pods.b.metric("keyframe_undelivered_frames_total"), 0);
  assert.deepEqual(
    [...heard, ...(await hear(own, frames.length - 100))],
    frames.map(({ payload }) => payload),
  );
  await Promise.all([publisher, own, late].map((client) => client.close()));
});

test("a stream whose frames hold the whole message: the newest frame after the join, then every one", async () => {
  const frames = answer("0.9.5", 200, 2);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const own = await listen(pods.a.port);
  await publishThrough(pods.a, publisher, pairs(frames.slice(0, 100)));
  await hear(own, 100);
  const late = await listen(pods.b.port);
  // One at a time, as an app publishes them.
  for (const frame of frames.slice(100)) await publisher.command("PUBLISH", frame.channel, frame.payload);
  const last = frames.at(-1)?.payload as Buffer;
  let at = 99;
  for (;;) {
    const [payload] = await hear(late, 1);
    at = frames.findIndex((frame, i) => i > at && frame.payload.equals(payload as Buffer));
    assert.ok(at >= 100, "published after the join, after the one before it");
    if (payload?.equals(last)) break;
  }
  await Promise.all([publisher, own, late].map((client) => client.close()));
});

test("more chats than the sender remembers: streams are begun again, every frame arrives", async () => {
  const chats = [3, 4, 5, 6, 7, 8].map((seed) => answer("0.9.5", 40, seed));
  const frames = chats[0]!.flatMap((_frame, i) => chats.flatMap((chat) => chat[i] ?? []));
  const subscriber = await listen(pods.b.port);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  await publishAll(publisher, frames);
  assert.deepEqual(
    await hear(subscriber, frames.length),
    frames.map(({ payload }) => payload),
  );
  assert.ok((await pods.a.metric("keyframe_stream_evictions_total", { side: "sender", reason: "count" })) > 0);
  await Promise.all([subscriber, publisher].map((client) => client.close()));
});
