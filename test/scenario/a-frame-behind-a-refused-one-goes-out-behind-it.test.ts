/**
 * A batch may hold frames of both kinds: records for the side channel, and payloads that go as they are because no
 * dialect knows them or their channel is raw. When a pod without a sidecar has just joined, the server refuses the first
 * record and everything behind it in that batch; all of it must then go out, once and in its order.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { increment } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods();
});
after(() => pods?.stop());

for (const [what, room] of [
  ["on the channel that the guest joined", "socketio#/#user:1"],
  ["on a channel beside it", "socketio#/#user:2"],
] as const) {
  test(`unknown payloads ${what}`, async () => {
    const joined = "socketio#/#user:1";
    const rooms = [...new Set([joined, room])];
    const ear = await Listener.on(pods.b.port, ...rooms);
    const app = await RespClient.connect({ port: pods.a.port });
    // Both channels are known to be heard by sidecars only.
    await publishAll(
      app,
      rooms.map((one): [string, Buffer] => [one, increment("first", { message: what })]),
    );
    await publishAll(
      app,
      rooms.map((one): [string, Buffer] => [one, increment("second", { message: what })]),
    );
    await ear.until(rooms.length * 2);
    const guest = await Listener.on(pods.server.port, ...rooms);
    const published: [string, Buffer][] = [];
    for (let i = 0; i < 10; i++) {
      published.push(
        [joined, increment(`${i} `, { message: what })],
        [room, Buffer.from(`no dialect knows this ${i}`)],
      );
    }
    for (const reply of await publishAll(app, published)) {
      assert.ok(typeof reply === "number" && reply >= 0, `a PUBLISH was answered ${reply}`);
    }
    const frames = published.map(([, payload]) => payload);
    await ear.until(rooms.length * 2 + frames.length);
    sameFrames(ear.payloads().slice(rooms.length * 2), frames, "pod B");
    await guest.until(frames.length);
    sameFrames(guest.payloads(), frames, "the guest");
    await Promise.all([ear.close(), guest.close(), app.close()]);
  });
}
