/** While a large frame travels in chunks, its chat waits for it and every other chat goes on. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, sameFrames } from "../support/apps.js";
import { increment, snapshot } from "../support/frames.js";
import {
  hasBegun,
  hasEnded,
  largeFrame,
  SMALL_WINDOW,
  type StoppablePod,
  stoppablePod,
  undelivered,
} from "../support/large.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

const MB = 1_000_000;

let server: Server;
let a: StoppablePod;
let b: Sidecar;
before(async () => {
  server = await startServer();
  // Room for a third of a large frame: it is the frames beside it that must not feel it.
  a = await stoppablePod(server, { KEYFRAME_QUEUE_BYTES: "128KiB" });
  b = await startSidecar({ upstream: server.url, env: SMALL_WINDOW });
  await b.ready();
});
after(async () => {
  await a?.stop();
  await b?.stop();
  await server?.stop();
});

/** Everybody who hears a room: an app of each pod. */
async function ears(room: string): Promise<Listener[]> {
  return Promise.all([a.pod, b].map((pod) => Listener.on(pod.port, room)));
}

async function heardAlike(
  listeners: Listener[],
  expected: Buffer[],
  ofChat: (payload: string) => boolean,
): Promise<void> {
  for (const [i, listener] of listeners.entries()) {
    await listener.untilMessage(({ payload }) => payload.equals(expected.at(-1)!));
    await listener.settle();
    sameFrames(listener.payloads().filter(ofChat), expected, i === 0 ? "the sender's own pod" : "the other pod");
    await listener.close();
  }
}

test("frames of its chat come behind it, frames of others between its chunks", async () => {
  const room = "socketio#/#user:order";
  const listeners = await ears(room);
  const app = await RespClient.connect({ port: a.pod.port });
  const ids = { chat: "chat-large", host: "host-order" };
  const before = increment("before ", ids);
  const large = largeFrame(MB, "dense", ids);
  const behind = [increment("behind ", ids), increment("and on ", ids), snapshot("small", { ...ids, message: "next" })];
  const others = Array.from({ length: 8 }, (_, i) => increment(`${i} `, { chat: "chat-other", host: "host-order" }));

  assert.equal(await app.text("PUBLISH", room, before), 2);
  await listeners[1]!.until(1);
  a.hold();
  assert.equal(await app.text("PUBLISH", room, large), 2);
  await hasBegun(b);
  for (const frame of behind) assert.equal(await app.text("PUBLISH", room, frame), 2, "answered while it waits");
  for (const frame of others) assert.equal(await app.text("PUBLISH", room, frame), 2);
  const sofar = await listeners[1]!.until(1 + others.length);
  sameFrames(
    sofar.map(({ payload }) => payload.toString("latin1")),
    [before, ...others],
    "while the large one is half-way",
  );
  a.letGo();
  await heardAlike(listeners, [before, large, ...behind], (payload) => payload.includes("chat-large"));
  await hasEnded(a.pod);
  assert.deepEqual([await undelivered(a.pod), await undelivered(b)], [{}, {}]);
  await app.close();
});

test("a large frame of no known stream, too: everything waits for it, because nobody knows what it concerns", async () => {
  const room = "socketio#/#user:unknown";
  const listeners = await ears(room);
  const app = await RespClient.connect({ port: a.pod.port });
  const sent = await a.pod.metric("keyframe_large_frames_total", { outcome: "sent" });
  const unknown = Buffer.concat([Buffer.from("no dialect names this "), largeFrame(MB / 2, "dense")]);
  const behind = increment("behind ", { chat: "chat-unknown", host: "host-unknown" });
  a.hold();
  const again = Buffer.concat([unknown, Buffer.from("again")]);
  // The first on a channel waits for the server's word on it.
  assert.equal(await app.text("PUBLISH", room, unknown), 2);
  assert.equal(await app.text("PUBLISH", room, behind), 2);
  await hasBegun(b);
  assert.equal((await listeners[1]!.settle()).length, 0);
  a.letGo();
  assert.equal(await app.text("PUBLISH", room, again), 2);
  await heardAlike(listeners, [unknown, behind, again], () => true);
  await hasEnded(a.pod);
  assert.equal(await a.pod.metric("keyframe_large_frames_total", { outcome: "sent" }), sent + 2);
  await app.close();
});

test("the next large frame waits for its turn, and small ones are not refused for it", async () => {
  const room = "socketio#/#user:queue";
  const listeners = await ears(room);
  const apps = await Promise.all([0, 1, 2].map(() => RespClient.connect({ port: a.pod.port, deadlineMs: 20_000 })));
  const larges = [0, 1, 2].map((i) => largeFrame(MB, "dense", { chat: `queue-${i}`, host: "host-queue" }));
  assert.equal(await apps[0]!.text("PUBLISH", room, increment("first ", { chat: "queue", host: "host-queue" })), 2);
  a.hold();
  assert.equal(await apps[0]!.text("PUBLISH", room, larges[0]!), 2);
  await hasBegun(b);
  // Answered: nothing large waits yet. The third finds one waiting, and no room for both.
  assert.equal(await apps[1]!.text("PUBLISH", room, larges[1]!), 2);
  assert.match(String(await apps[2]!.text("PUBLISH", room, larges[2]!)), /^-ERR keyframe: the publish queue is full/);
  const small = Array.from({ length: 20 }, (_, i) => increment(`${i} `, { chat: "queue-small", host: "host-queue" }));
  for (const frame of small) assert.equal(await apps[2]!.text("PUBLISH", room, frame), 2);
  a.letGo();
  for (const listener of listeners) {
    await listener.until(3 + small.length, 20_000);
    const heard = listener.payloads();
    assert.equal(heard.filter((payload) => payload === larges[0]!.toString("latin1")).length, 1);
    assert.equal(heard.filter((payload) => payload === larges[1]!.toString("latin1")).length, 1);
    sameFrames(
      heard.filter((payload) => payload.includes("queue-small")),
      small,
    );
    await listener.close();
  }
  for (const app of apps) await app.close();
});

test("large frames of two senders come to one receiver at the same time", async () => {
  const room = "socketio#/#user:two";
  const listeners = await ears(room);
  const apps = await Promise.all([a.pod, b].map((pod) => RespClient.connect({ port: pod.port })));
  const larges = [0, 1].map((i) => largeFrame(3 * MB, "dense", { chat: `two-${i}`, host: `host-two-${i}` }));
  await Promise.all(apps.map((app, i) => app.text("PUBLISH", room, larges[i]!)));
  for (const listener of listeners) {
    await listener.until(2, 20_000);
    assert.deepEqual(new Set(listener.payloads()), new Set(larges.map((frame) => frame.toString("latin1"))));
    await listener.close();
  }
  for (const app of apps) await app.close();
});
