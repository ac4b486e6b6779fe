/** Accident 2: patterns that match everything, rooms named like side channels. Apps never see `~kf`, and may not use it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TwoPods, twoPods } from "../support/pods.js";
import { plain, RespClient, RespError } from "../support/resp-client.js";
import { answer, hear, listen, publishAll } from "../support/streams.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods({ env: { KEYFRAME_FLEET: "uniform" } });
});
after(() => pods.stop());

test("subscribers of patterns that match our channels hear none of them", async () => {
  const all = await listen(pods.b.port, "*", true);
  const tilde = await listen(pods.b.port, "~*", true);
  const rooms = await listen(pods.b.port, "socketio#*", true);
  const exact = await listen(pods.b.port, "socketio");
  const publisher = await RespClient.connect({ port: pods.a.port });
  const frames = answer("0.9.5", 30, 1);
  await publishAll(publisher, frames);
  await publishAll(publisher, [{ channel: Buffer.from("socketio#/#~kf1~socketio"), payload: Buffer.from("a room") }]);
  assert.deepEqual(
    await hear(exact, frames.length),
    frames.map(({ payload }) => payload),
  );
  assert.deepEqual((await hear(rooms, 1)).map(String), ["a room"]);
  assert.ok(
    (await pods.a.metric("keyframe_frames_total", { direction: "in", kind: "delta" })) > 0,
    "they went as deltas",
  );
  // An ordinary message fences each of the greedy subscribers.
  await publisher.command("PUBLISH", "~ordinary", "end");
  for (const greedy of [all, tilde]) {
    const heard: unknown[] = [];
    for (;;) {
      const value = plain(await greedy.next()) as string[];
      heard.push(value);
      if (value[2] === "~ordinary") break;
    }
    assert.ok(!heard.some((value) => String((value as string[])[2]).startsWith("~kf")), JSON.stringify(heard));
  }
  await Promise.all([all, tilde, rooms, exact, publisher].map((client) => client.close()));
});

test("our channels are refused to apps, and the connection lives on", async () => {
  const app = await RespClient.connect({ port: pods.a.port });
  for (const request of [
    ["PUBLISH", "~kf1~socketio", "x"],
    ["SUBSCRIBE", "news", "~kf1~socketio"],
    ["PSUBSCRIBE", "~kf*"],
    ["SSUBSCRIBE", "~kf9"],
  ]) {
    const reply = await app.command(...request);
    assert.ok(reply instanceof RespError, request.join(" "));
    assert.match(String(plain(reply)), /reserved/);
  }
  assert.equal(await app.text("SET", "k", "v"), "OK");
  await app.close();
});
