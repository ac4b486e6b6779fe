/** Accident 1 and mixed fleets: plain subscribers come and go in the middle of streams; nobody misses a frame or gets one twice. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";
import { answer, hear, listen, publishAll } from "../support/streams.js";
import { eventually } from "../support/wait.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods();
});
after(() => pods.stop());

const kinds = (kind: string) => pods.a.metric("keyframe_frames_total", { direction: "in", kind });

test("deltas, then raw while a plain subscriber listens, then deltas again", async () => {
  const frames = answer("0.9.5", 300, 5);
  const payloads = frames.map(({ payload }) => payload);
  const withSidecar = await listen(pods.b.port);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const third = Math.floor(frames.length / 3);
  await publishAll(publisher, frames.slice(0, third));
  // A PUBLISH is answered before it is sent: what has been heard has been.
  const heard = await hear(withSidecar, third);
  const deltas = await kinds("delta");
  assert.ok(deltas > third / 2);

  const plain = await listen(pods.server.port);
  await publishAll(publisher, frames.slice(third, 2 * third));
  assert.deepEqual(await hear(plain, third), payloads.slice(third, 2 * third), "it hears every frame from its ack on");
  assert.ok((await kinds("raw")) >= third);
  assert.equal(await kinds("delta"), deltas);
  await plain.close();
  await eventually("the server has forgotten it", async () => {
    const [, base, , side] = (await pods.server.cli("PUBSUB", "NUMSUB", "socketio", "~kf1~socketio")).split("\n");
    return base === side;
  });

  // One frame at a time, as an app does: the first finds out that deltas may flow again.
  for (const frame of frames.slice(2 * third)) await publisher.command("PUBLISH", frame.channel, frame.payload);
  heard.push(...(await hear(withSidecar, frames.length - third)));
  assert.deepEqual(heard, payloads, "the pod with a sidecar heard all, once, in order");
  // A raw channel is looked at again every few milliseconds, while frames are published.
  await eventually("deltas again", async () => {
    await publisher.command("PUBLISH", "socketio", frames.at(-1)?.payload as Buffer);
    return (await kinds("delta")) > deltas;
  });
  await Promise.all([withSidecar.close(), publisher.close()]);
});

test("plain subscribers that come and go at random hear every frame between their ack and their end", async () => {
  const frames = answer("0.11.4", 400, 6);
  const payloads = frames.map(({ payload }) => payload);
  const withSidecar = await listen(pods.b.port);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  let guest: RespClient | undefined;
  let since = 0;
  const heard: Buffer[] = [];
  for (const [i, frame] of frames.entries()) {
    if (i % 40 === 20) {
      heard.push(...(await hear(withSidecar, i - heard.length)));
      guest = await listen(pods.server.port);
      since = i;
    }
    await publisher.command("PUBLISH", frame.channel, frame.payload);
    if (i % 40 === 39 && guest !== undefined) {
      assert.deepEqual(await hear(guest, i + 1 - since), payloads.slice(since, i + 1));
      assert.deepEqual(await guest.fence(), [], "nothing of the side channel");
      await guest.close();
    }
  }
  heard.push(...(await hear(withSidecar, frames.length - heard.length)));
  assert.deepEqual(heard, payloads);
  assert.deepEqual(await withSidecar.fence(), []);
  assert.equal(await pods.b.metric("keyframe_undelivered_frames_total"), 0);
  await Promise.all([withSidecar.close(), publisher.close()]);
});

test("a pattern subscriber anywhere keeps everything raw", async () => {
  const frames = answer("0.9.5", 40, 7);
  const guest = await listen(pods.server.port, "socketio*", true);
  const withSidecar = await listen(pods.b.port);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const before = await kinds("delta");
  await publishAll(publisher, frames);
  assert.deepEqual(
    await hear(guest, frames.length),
    frames.map(({ payload }) => payload),
  );
  assert.deepEqual(
    await hear(withSidecar, frames.length),
    frames.map(({ payload }) => payload),
  );
  assert.equal(await kinds("delta"), before);
  await Promise.all([guest, withSidecar, publisher].map((client) => client.close()));
});
