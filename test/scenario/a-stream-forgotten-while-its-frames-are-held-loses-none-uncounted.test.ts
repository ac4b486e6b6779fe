/**
 * Accident 20: pod B holds frames whose base it lacks. Before its question reaches pod A, A forgets that stream and begins
 * it again. What can no longer be rebuilt is counted; nothing overtakes, nothing comes twice, and the new stream's frames
 * all arrive. The moment of forgetting is moved over the whole way of the question and its answer.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { audience, Listener, publishAll, publishThrough, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { finished, increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

/** One way between B and the server. */
const FAR_MS = 20;
let server: Server;
let line: FaultProxy;
let a: Sidecar;
let b: Sidecar;
let app: RespClient;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  a = await startSidecar({ upstream: server.url, env: { KEYFRAME_STREAMS: "2" } });
  b = await startSidecar({ upstream: line.url, env: { KEYFRAME_HOLD: "5s" } });
  await Promise.all([a.ready(), b.ready()]);
  app = await RespClient.connect({ port: a.port });
  line.delay(FAR_MS);
});
after(async () => {
  await app?.close();
  await Promise.all([a?.stop(), b?.stop()]);
  await line?.stop();
  await server?.stop();
});

/** Counted at B; `gap` apart, which also counts frames from before the subscription. */
async function counted(): Promise<number> {
  const all = await b.metric("keyframe_undelivered_frames_total");
  return all - (await b.metric("keyframe_undelivered_frames_total", { reason: "gap" }));
}

const kinds = {
  increments: (i: number, ids: object) => increment(`${i} `, ids),
  snapshots: (i: number, ids: object) => snapshot(text(i + 1), ids),
};

/** One round: hold two frames, wait, drive the stream out of A's memory, go on with it. Returns frames that are missing. */
async function round(kind: keyof typeof kinds, name: string, waitMs: number): Promise<number> {
  const room = `socketio#/#${name}`;
  const ids = { chat: name, message: name, host: "host-1", room: name };
  const make = (i: number): [string, Buffer] => [room, kinds[kind](i, ids)];
  const own = await Listener.on(a.port, room);
  const others = await audience(server.port, room);
  await publishThrough(
    a,
    app,
    Array.from({ length: 8 }, (_, i) => make(i)),
  );
  await own.until(8);
  const ear = await Listener.on(b.port, room);
  const lost = await counted();

  const published = [make(8), make(9)];
  await publishAll(app, published);
  // No event says how far a question has come: each round looks at another moment.
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  const drive = [1, 2].map((i): [string, Buffer] => [
    room,
    increment(name, { ...ids, chat: `${name} ${i}`, message: `${i}` }),
  ]);
  const rest = [make(10), make(11), make(12)];
  const end: [string, Buffer] = [room, finished(`the end of ${name}`, ids)];
  await publishAll(app, [...drive, ...rest, end]);
  published.push(...rest, end);

  await ear.untilMessage(({ payload }) => payload.equals(end[1]), 8_000);
  await ear.settle();
  const all = published.map(([, payload]) => payload.toString("latin1"));
  const heard = ear.payloads().filter((payload) => all.includes(payload));
  const places = heard.map((payload) => all.indexOf(payload));
  assert.deepEqual(
    places,
    [...new Set(places)].sort((x, y) => x - y),
    `${name}: once and in order`,
  );
  for (const [, payload] of drive) {
    assert.equal(ear.payloads().filter((one) => one === payload.toString("latin1")).length, 1, "the other chats");
  }
  const missing = all.length - heard.length;
  assert.equal((await counted()) - lost, missing, `${name}: heard or counted`);
  sameFrames(heard.slice(-4), all.slice(-4), `${name}: all of the stream that was begun again`);
  sameFrames(
    (await own.until(8 + published.length + 2))
      .slice(8)
      .map(({ payload }) => payload.toString("latin1"))
      .filter((one) => all.includes(one)),
    all,
    "A itself",
  );
  await Promise.all([own.close(), ear.close(), others.close()]);
  return missing;
}

for (const kind of ["increments", "snapshots"] as const) {
  test(`${kind}: held, forgotten, begun again`, async (t) => {
    const evicted = await a.metric("keyframe_stream_evictions_total", { side: "sender", reason: "count" });
    const missing: number[] = [];
    for (const waitMs of [0, 10, 20, 30, 40, 50, 60, 400]) {
      missing.push(await round(kind, `${kind}-${waitMs}`, waitMs));
    }
    t.diagnostic(`missing and counted, by round: ${missing}`);
    assert.ok((await a.metric("keyframe_stream_evictions_total", { side: "sender", reason: "count" })) > evicted + 8);
    assert.ok(missing[0]! > 0, "the question came too late in the first round, or nothing has been shown");
    if (kind === "increments") assert.equal(missing.at(-1), 0, "and in time in the last");
  });
}
