/**
 * The sidecars talk to each other on channels of the same server. Whatever an app subscribes to or names its rooms, it
 * hears frames only; and it cannot speak there itself.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { increment, snapshot, text } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { plain, RespClient } from "../support/resp-client.js";
import { eventually } from "../support/wait.js";

let pods: TwoPods;
before(async () => {
  // A uniform fleet goes on with deltas although apps hold patterns: else there would be nothing to see.
  pods = await twoPods({ env: { KEYFRAME_FLEET: "uniform" } });
});
after(() => pods?.stop());

const reserved = (channel: string) => channel.startsWith("~kf");

test("patterns that match everything bring no side message, and those of frames bring every frame", async () => {
  const rooms = ["socketio#/#user:1", "socketio#/#~kf1~socketio", "socketio#/#x~kf1~", "socketio#~kf1~in~00.1"];
  const exact = await Listener.on(pods.b.port, ...rooms);
  const frames = await Listener.onPattern(pods.b.port, "socketio#*");
  const everything = await Listener.onPattern(pods.b.port, "*");
  const tildes = await Listener.onPattern(pods.b.port, "~*", "*kf*", "[~]*", "?kf1*", "\\~kf1~*");
  const mixed = await Listener.onPattern(pods.b.port, "socketio#*", "*");
  // What anybody sees who asks the server itself: the proof that there was something to keep back.
  const direct = await Listener.onPattern(pods.server.port, "~kf*");

  const app = await RespClient.connect({ port: pods.a.port });
  const published: [string, Buffer][] = [];
  for (let i = 1; i <= 40; i++) {
    for (const room of rooms) published.push([room, snapshot(text(i * 3), { chat: room, message: room })]);
  }
  for (const value of await publishAll(app, published)) assert.equal(typeof value, "number");
  assert.equal(await app.text("PUBLISH", "other", "the end"), 2);

  await exact.until(published.length);
  await frames.until(published.length);
  assert.ok(frames.heard.every(({ pattern }) => pattern === "socketio#*"));
  for (const room of rooms) {
    const own = published.filter(([channel]) => channel === room).map(([, payload]) => payload);
    sameFrames(exact.payloads(room), own, room);
    sameFrames(frames.payloads(room), own, `socketio#* of ${room}`);
  }
  await everything.untilMessage(({ channel }) => channel === "other");
  await mixed.untilMessage(({ channel }) => channel === "other");
  await tildes
    .untilMessage(({ channel }) => reserved(channel), 300)
    .then(
      () => assert.fail("a pattern with a tilde brought a side message"),
      () => {},
    );
  await direct.untilMessage(({ channel }) => reserved(channel));
  for (const listener of [exact, frames, everything, mixed, tildes]) {
    assert.deepEqual(
      (await listener.settle()).filter(({ channel }) => reserved(channel)),
      [],
    );
  }
  assert.deepEqual(
    everything.heard.filter(({ channel }) => channel === "other").map(({ payload }) => String(payload)),
    ["the end"],
  );
  assert.ok((await pods.a.metric("keyframe_frames_total", { direction: "in", kind: "delta" })) > 100);
  await Promise.all([exact, frames, everything, tildes, mixed, direct].map((listener) => listener.close()));
  await app.close();
});

test("a connection that passes everything through and holds a pattern is spared them as well", async () => {
  const app = await RespClient.connect({ port: pods.b.port });
  app.send("*1\r\n$5\r\nMULTI\r\n");
  assert.equal(await app.next(), "OK");
  app.request("PSUBSCRIBE", "*");
  assert.equal(await app.next(), "QUEUED");
  app.request("EXEC");
  await app.take(1);
  const ear = await Listener.on(pods.b.port, "socketio");
  const publisher = await RespClient.connect({ port: pods.a.port });
  const published = Array.from({ length: 20 }, (_, i) => increment(String(i)));
  await publishAll(
    publisher,
    published.map((payload) => ["socketio", payload]),
  );
  await ear.until(20);
  assert.equal(typeof (await publisher.command("PUBLISH", "other", "the end")), "number");
  const seen: unknown[] = [];
  for (;;) {
    const value = plain(await app.next()) as unknown[];
    seen.push(value[2]);
    if (value[2] === "other") break;
  }
  assert.deepEqual(
    seen.filter((channel) => String(channel).includes("~kf")),
    [],
  );
  await Promise.all([app.close(), ear.close(), publisher.close()]);
});

test("apps are refused those channels, and their connection goes on", async () => {
  const app = await RespClient.connect({ port: pods.a.port });
  for (const request of [
    ["PUBLISH", "~kf1~socketio", "x"],
    ["publish", "~kf", "x"],
    ["SPUBLISH", "~kf2~socketio", "x"],
    ["SUBSCRIBE", "~kf1~socketio"],
    ["SUBSCRIBE", "socketio", "~kf1~socketio"],
    ["SSUBSCRIBE", "~kf1~socketio"],
    ["PSUBSCRIBE", "~kf1~*"],
  ]) {
    assert.match(String(await app.text(...request)), /^-ERR keyframe: .*~kf.* reserved/, request.join(" "));
    assert.equal(await app.text("ECHO", "on"), "on");
  }
  // In pieces of one byte too.
  for (const byte of Buffer.from("PUBLISH ~kf1~socketio x\r\n")) app.send(Buffer.of(byte));
  assert.match(String(plain(await app.next())), /reserved/);
  await eventually("nobody of this pod is subscribed", async () => {
    const counts = await pods.server.cli("PUBSUB", "NUMSUB", "~kf1~socketio", "socketio");
    return counts === "~kf1~socketio\n0\nsocketio\n0";
  });
  await app.close();
});
