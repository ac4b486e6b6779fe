/** What pod B hears is what pod A published, in its order, also at pod A itself; many chats, several connections, floods. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";
import { answer, type Frame, hear, listen, publishAll } from "../support/streams.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods();
});
after(() => pods.stop());

test("chats over several connections arrive everywhere, each in its order, as deltas", async () => {
  const [atA, atB, alsoAtB] = [await listen(pods.a.port), await listen(pods.b.port), await listen(pods.b.port)];
  const chats = [1, 2, 3, 4].map((seed) => answer(seed % 2 ? "0.9.5" : "0.11.4", 60, seed));
  const clients = await Promise.all(chats.map(() => RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 })));
  const rounds = Math.max(...chats.map((chat) => chat.length));
  for (let i = 0; i < rounds; i++) {
    // Consecutive frames of a chat go over different connections, each after the reply to the one before it.
    await Promise.all(
      chats.map((chat, c) => chat[i] && clients[(c + i) % 4]!.command("PUBLISH", "socketio", chat[i]!.payload)),
    );
  }
  const total = chats.reduce((sum, chat) => sum + chat.length, 0);
  const [a, b, also] = await Promise.all([hear(atA, total), hear(atB, total), hear(alsoAtB, total)]);
  assert.deepEqual(b, also, "one order for all workers of a pod");
  for (const chat of chats) {
    for (const heard of [a, b]) {
      assert.deepEqual(
        heard.filter((payload) => chat.some((frame) => frame.payload.equals(payload))),
        chat.map(({ payload }) => payload),
      );
    }
  }
  for (const subscriber of [atA, atB, alsoAtB]) assert.deepEqual(await subscriber.fence(), [], "nothing more");
  assert.ok((await pods.a.metric("keyframe_frames_total", { direction: "in", kind: "delta" })) > total / 2);
  assert.equal(await pods.b.metric("keyframe_resyncs_total"), 0);
  await Promise.all([atA, atB, alsoAtB, ...clients].map((client) => client.close()));
});

test("600 frames of the same keys in one write: none is replaced by a newer one", async () => {
  const frames = answer("0.11.4", 600, 9);
  const subscriber = await listen(pods.b.port);
  const publisher = await RespClient.connect({ port: pods.a.port });
  await publishAll(publisher, frames);
  assert.deepEqual(
    await hear(subscriber, frames.length),
    frames.map(({ payload }) => payload),
  );
  assert.equal(await pods.a.metric("keyframe_undelivered_frames_total"), 0);
  await Promise.all([subscriber.close(), publisher.close()]);
});

test("frames that queue while the server is held up all arrive, once, in order", async () => {
  const frames = answer("0.11.4", 300, 10);
  const subscriber = await listen(pods.b.port);
  const publisher = await RespClient.connect({ port: pods.a.port });
  await publishAll(publisher, frames.slice(0, 1));
  process.kill(pods.server.pid, "SIGSTOP");
  try {
    // Answered although the server does nothing: the queue has room.
    await publishAll(publisher, frames.slice(1));
  } finally {
    process.kill(pods.server.pid, "SIGCONT");
  }
  assert.deepEqual(
    await hear(subscriber, frames.length),
    frames.map(({ payload }) => payload),
  );
  assert.deepEqual(await subscriber.fence(), []);
  await Promise.all([subscriber.close(), publisher.close()]);
});

test("delta(user), snapshot(chat), delta(user) of one chat in one write keep their order over two channels", async () => {
  const chat = answer("0.12.4", 40, 11);
  const names = [...new Set(chat.map(({ channel }) => channel.toString()))];
  assert.ok(names.length >= 2, "the shape publishes to a user's and to a chat's room");
  const subscriber = await RespClient.connect({ port: pods.b.port, deadlineMs: 20_000 });
  subscriber.request("SUBSCRIBE", ...names);
  await subscriber.take(names.length);
  const publisher = await RespClient.connect({ port: pods.a.port });
  for (let round = 0; round < 3; round++) {
    await publishAll(publisher, chat);
    assert.deepEqual(
      await hear(subscriber, chat.length),
      chat.map(({ payload }) => payload),
    );
  }
  await Promise.all([subscriber.close(), publisher.close()]);
});

test("payloads of any bytes arrive: empty, binary, larger than many reads", async () => {
  const payloads = [
    Buffer.alloc(0),
    Buffer.from([0, 13, 10, 255, 0x2a]),
    Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 131) & 0xff)),
    Buffer.from("$5\r\nhello\r\n"),
  ];
  const channel = Buffer.from([...Buffer.from("socketio#"), 0, 255, 13, 10]);
  const subscriber = await listen(pods.b.port, channel);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const frames: Frame[] = payloads.map((payload) => ({ channel, payload }));
  await publishAll(publisher, frames);
  const heard = await hear(subscriber, frames.length);
  for (const [i, payload] of payloads.entries()) assert.ok(heard[i]?.equals(payload), `payload ${i}`);
  await Promise.all([subscriber.close(), publisher.close()]);
});
