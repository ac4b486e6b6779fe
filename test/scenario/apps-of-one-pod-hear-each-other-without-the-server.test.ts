/**
 * Local delivery: an app of a pod hears the frames of the others there once, in the order of publishing, whether they
 * travel as deltas or raw, and also while the server is away. What its only emitter would drop is not handed back to it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, publishThrough, sameFrames } from "../support/apps.js";
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

const made = (count: number, name: string): Buffer[] =>
  Array.from({ length: count }, (_, i) =>
    i % 4 === 3 ? snapshot(text(i), { chat: name, message: name }) : increment(`${i} `, { chat: name }),
  );
const on = (channel: string, payloads: readonly Buffer[]) => payloads.map((one): [string, Buffer] => [channel, one]);
const heard = async (ear: Listener, count: number) =>
  (await ear.until(count)).map(({ payload }) => payload.toString("latin1"));

test("in turn with a guest that has no sidecar: raw frames come back, and are heard once all the same", async () => {
  const channel = "socketio";
  const [first, second, far] = [
    await Listener.on(a.port, channel),
    await Listener.on(a.port, channel),
    await Listener.on(b.port, channel),
  ];
  const app = await RespClient.connect({ port: a.port, deadlineMs: 20_000 });
  const all: Buffer[] = [];
  for (const guests of [0, 1, 0, 1]) {
    const guest = guests === 1 ? await Listener.on(server.port, channel) : undefined;
    for (let burst = 0; burst < 4; burst++) {
      const payloads = made(40, `chat ${burst % 2}`);
      all.push(...payloads);
      await publishAll(app, on(channel, payloads));
    }
    // Equal frames are two frames.
    all.push(all.at(-1)!, all.at(-1)!);
    await publishThrough(a, app, on(channel, all.slice(-2)));
    await guest?.close();
  }
  for (const [who, ear] of [
    ["first", first],
    ["second", second],
    ["far", far],
  ] as const) {
    sameFrames(await heard(ear, all.length), all, who);
    await ear.settle();
    assert.equal(ear.heard.length, all.length, who);
  }
  assert.ok((await a.metric("keyframe_frames_total", { direction: "in", kind: "raw" })) > 100, "some went raw");
  assert.ok((await a.metric("keyframe_frames_total", { direction: "in", kind: "delta" })) > 100, "some did not");
  await Promise.all([first, second, far, app].map((client) => client.close()));
});

test("by name and by pattern: once each, as from the server", async () => {
  const channel = "socketio#/#user:both";
  const [exact, pattern] = [await Listener.on(a.port, channel), await Listener.onPattern(a.port, "socketio#*")];
  const app = await RespClient.connect({ port: a.port, deadlineMs: 20_000 });
  const payloads = made(30, "both");
  await publishThrough(a, app, on(channel, payloads));
  for (const ear of [exact, pattern]) {
    sameFrames(await heard(ear, 30), payloads);
    await ear.settle();
    assert.equal(ear.heard.length, 30);
  }
  await Promise.all([exact, pattern, app].map((client) => client.close()));
});

test("the server is away: the pod goes on hearing itself, the other pod hears it all when the server is back", async () => {
  const channel = "socketio#/#user:away";
  const [home, far] = [await Listener.on(a.port, channel), await Listener.on(b.port, channel)];
  const app = await RespClient.connect({ port: a.port, deadlineMs: 20_000 });
  const before = made(10, "away");
  await publishThrough(a, app, on(channel, before));
  await far.until(10);
  line.refuse(true);
  line.cut();
  await a.logged("upstream-down");
  const during = Array.from({ length: 20 }, (_, i) => increment(`${i} of the outage `, { chat: "away" }));
  await publishAll(app, on(channel, during));
  sameFrames(await heard(home, 30), [...before, ...during], "at home");
  assert.equal(far.heard.length, 10);
  line.refuse(false);
  sameFrames(await heard(far, 30), [...before, ...during], "far");
  await home.settle();
  assert.equal(home.heard.length, 30, "nothing comes again");
  await Promise.all([home, far, app].map((client) => client.close()));
});

test("one emitter: its own events are not handed back, answers to calls and unknown payloads are", async () => {
  const channel = "socketio";
  const one = await startSidecar({ upstream: server.url, env: { KEYFRAME_EMITTERS: "one" } });
  try {
    await one.ready();
    const [home, far] = [await Listener.on(one.port, channel), await Listener.on(b.port, channel)];
    const app = await RespClient.connect({ port: one.port });
    const answer = Buffer.from(
      '{"method": "callback", "host_id": "host-2", "sid": "s", "namespace": "/", "id": 1, "args": [1]}',
    );
    const kept = [answer, Buffer.from("not a frame")];
    const all = [...made(10, "one"), kept[0]!, ...made(10, "one"), kept[1]!];
    for (let round = 0; round < 2; round++) await publishThrough(one, app, on(channel, all));
    const guest = await Listener.on(server.port, channel);
    await publishThrough(one, app, on(channel, all));
    sameFrames(await heard(far, all.length * 3), [...all, ...all, ...all], "far");
    sameFrames(await heard(home, 6), [...kept, ...kept, ...kept], "at home");
    await home.settle();
    assert.equal(home.heard.length, 6);
    await Promise.all([home, far, guest, app].map((client) => client.close()));
  } finally {
    await one.stop();
  }
});
