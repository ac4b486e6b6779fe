/**
 * A frame of 33 MB, and one of 60 MB, pass between sidecars in chunks, byte for byte, while 20 others on the same server
 * lose nothing and its `client-output-buffer-limit pubsub 32mb 8mb 60` drops nobody. #25975 is what happens without.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander, Listener } from "../support/apps.js";
import { increment } from "../support/frames.js";
import { digest, droppedClients, largeFrame, PUBSUB_LIMIT, undelivered, watchOutputBuffers } from "../support/large.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { Guest, Talker } from "../support/talk.js";
import { eventually } from "../support/wait.js";

const MB = 1_000_000;
const LARGE = "socketio#/#user:large";
const OTHER = "socketio#/#user:other";
const MINUTE = 60_000;

let server: Server;
let pods: Sidecar[] = [];

before(async () => {
  server = await startServer({ args: PUBSUB_LIMIT });
  pods = await Promise.all([0, 1, 2].map(() => startSidecar({ upstream: server.url })));
  await Promise.all(pods.map((pod) => pod.ready()));
});

after(async () => {
  await Promise.all(pods.map((pod) => pod.stop()));
  await server.stop();
});

for (const [bytes, filling] of [
  [33 * MB, "text"],
  [60 * MB, "dense"],
] as const) {
  test(`${bytes / MB} MB, ${filling}`, { timeout: 2 * MINUTE }, async () => {
    const sender = pods[0]!;
    const frame = largeFrame(bytes, filling, { chat: `chat-${bytes}-${filling}` });
    const large = await Promise.all(pods.map((pod) => Listener.on(pod.port, LARGE)));
    // Twenty others: sidecars' apps and plain subscribers, each with somebody who talks all the while.
    const talkers = await Promise.all([
      Talker.silent(sender.port, OTHER, (i) =>
        increment(`${i} `, { chat: frame.length + filling, host: "host-other" }),
      ),
      Talker.silent(server.port, "plain", (i) => Buffer.from(`${filling} ${bytes} ${i}`)),
    ]);
    const guests = await Promise.all([
      ...Array.from({ length: 10 }, (_, i) => Guest.at(pods[i % 3]!.port, [talkers[0]!], `app ${i}`)),
      ...Array.from({ length: 10 }, (_, i) => Guest.at(server.port, [talkers[1]!], `plain ${i}`)),
    ]);
    for (const talker of talkers) talker.start();
    const bystander = await Bystander.at(pods[1]!.port);
    const buffers = await watchOutputBuffers(server);

    const app = await RespClient.connect({ port: sender.port, deadlineMs: MINUTE });
    assert.equal(await app.text("PUBLISH", LARGE, frame), pods.length);
    for (const [i, listener] of large.entries()) {
      const [heard] = await listener.until(1, MINUTE);
      assert.equal(heard!.payload.length, frame.length, `pod ${i}`);
      assert.equal(digest(heard!.payload), digest(frame), `pod ${i}`);
    }
    await eventually("its readers have all confirmed", async () => (await sender.metric("keyframe_large_bytes")) === 0);
    const most = await buffers.stop();
    await Promise.all(talkers.map((talker) => talker.more(20)));
    await Promise.all(guests.map((guest) => guest.leave()));
    await Promise.all(talkers.map((talker) => talker.stop()));
    await bystander.stop(5_000);

    assert.equal(await droppedClients(server), 0, `nobody is dropped:\n${server.logs.slice(-5).join("\n")}`);
    assert.ok(most < 8 * 1024 * 1024, `the server held ${most} bytes for one subscriber`);
    for (const pod of pods) {
      assert.deepEqual(await undelivered(pod), {});
      assert.equal(await pod.metric("keyframe_upstream_reconnects_total"), 0);
      assert.equal(await pod.metric("keyframe_connections_closed_total", { reason: "slow" }), 0);
    }
    assert.equal(await sender.metric("keyframe_large_silent_readers_total"), 0);
    for (const listener of large) {
      assert.equal((await listener.settle()).length, 1, "once");
      await listener.close();
    }
    await app.close();
  });
}
