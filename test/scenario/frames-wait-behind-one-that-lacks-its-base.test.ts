/**
 * Pod B is far away and remembers one stream only, so it forgets bases all the time and each question takes a while. What
 * it cannot rebuild yet holds back what follows in the same chat; nothing is swallowed, repeated or put out of order.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { audience, Bystander, Listener, publishAll, publishThrough, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { finished, increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

let server: Server;
let line: FaultProxy;
let a: Sidecar;
let b: Sidecar;
let app: RespClient;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  a = await startSidecar({ upstream: server.url });
  b = await startSidecar({ upstream: line.url, env: { KEYFRAME_STREAMS: "1", KEYFRAME_HOLD: "5s" } });
  await Promise.all([a.ready(), b.ready()]);
  app = await RespClient.connect({ port: a.port });
  line.delay(25);
});
after(async () => {
  await app?.close();
  await Promise.all([a?.stop(), b?.stop()]);
  await line?.stop();
  await server?.stop();
});

const user = "socketio#/#user:1";
const chat = "socketio#/#chat:1";

test("the final frame of a chat does not overtake an increment that waits for its base", async () => {
  // Somebody else listens, so that A's streams are under way before B joins.
  const others = await audience(server.port, user, chat);
  const earA = await Listener.on(a.port, user, chat);
  const ids = { chat: "held", message: "held" };
  await publishThrough(
    a,
    app,
    Array.from({ length: 20 }, (_, i) => [user, increment(`${i} `, ids)]),
  );
  await earA.until(20);
  const earB = await Listener.on(b.port, user, chat);
  const bystander = await Bystander.at(a.port);
  const published: [string, Buffer][] = [
    [user, increment("one ", ids)],
    [user, increment("two ", ids)],
    [chat, finished("one two", { ...ids, room: "chat:1" })],
    [user, increment("behind it ", ids)],
  ];
  const frames = published.map(([, payload]) => payload);
  await publishAll(app, published);
  sameFrames(
    (await earB.until(4)).map(({ payload }) => payload.toString("latin1")),
    frames,
    "B",
  );
  sameFrames(
    (await earA.until(24)).slice(20).map(({ payload }) => payload.toString("latin1")),
    frames,
    "A",
  );
  // It did lack something, or nothing has been shown.
  assert.ok((await b.metric("keyframe_resyncs_total")) >= 1);
  assert.ok((await b.metric("keyframe_repairs_total", { direction: "received" })) >= 1);
  await bystander.stop();
  await Promise.all([earA.close(), earB.close(), others.close()]);
});

test("two chats that drive each other out of B's memory: every frame, each chat in order", async () => {
  const earB = await Listener.on(b.port, user);
  const lost = await b.metric("keyframe_undelivered_frames_total");
  const published: [string, Buffer][] = [];
  const of = (name: string) => ({ chat: name, message: name, host: `host-${name}` });
  for (let i = 0; i < 20; i++) {
    published.push([user, increment(`${i} `, of("x"))], [user, increment(`${i} `, of("y"))]);
    published.push([user, increment(`${i}. `, of("x"))]);
  }
  await publishAll(app, published);
  const [x, y] = ['chat_id": "x', 'chat_id": "y'].map((mark) =>
    published.map(([, payload]) => payload.toString("latin1")).filter((payload) => payload.includes(mark)),
  ) as [string[], string[]];
  const heard = await earB.until(published.length, 8_000).catch(() => earB.heard);
  const payloads = heard.map(({ payload }) => payload.toString("latin1"));
  sameFrames(
    payloads.filter((payload) => payload.includes('chat_id": "x')),
    x,
    "x",
  );
  sameFrames(
    payloads.filter((payload) => payload.includes('chat_id": "y')),
    y,
    "y",
  );
  assert.equal(await b.metric("keyframe_undelivered_frames_total"), lost);
  assert.ok((await b.metric("keyframe_stream_evictions_total", { side: "receiver", reason: "count" })) >= 1);
  await earB.close();
});

test("snapshots of many messages: B hears each one's newest, in order, and what it skipped is counted", async () => {
  const earB = await Listener.on(b.port, user);
  const counted = async () => (await b.metric("keyframe_undelivered_frames_total")) ?? 0;
  const before = await counted();
  const names = ["s", "t", "u", "v"];
  const published: [string, Buffer][] = [];
  for (let i = 1; i <= 15; i++) {
    for (const name of names) published.push([user, snapshot(text(i * 5), { chat: name, message: name, host: name })]);
  }
  await publishAll(app, published);
  const all = published.map(([, payload]) => payload.toString("latin1"));
  for (const last of all.slice(-names.length)) {
    await earB.untilMessage(({ payload }) => payload.toString("latin1") === last, 8_000);
  }
  await earB.settle();
  const places = earB.payloads().map((payload) => all.indexOf(payload));
  assert.ok(!places.includes(-1) && new Set(places).size === places.length, "published, and none twice");
  for (let name = 0; name < names.length; name++) {
    const own = places.filter((place) => place % names.length === name);
    assert.deepEqual(
      own,
      own.toSorted((x, y) => x - y),
      `order of ${names[name]}`,
    );
  }
  assert.equal(places.length + (await counted()) - before, all.length, "heard or counted");
  await earB.close();
});
