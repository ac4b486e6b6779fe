/**
 * Accident 9: pod B waits for a keyframe, and no answer comes because A's inbox is deaf. The end of the same chat, on
 * another stream and channel or raw from elsewhere, does not overtake; when the hold is over, what is missing is counted
 * and the end arrives. Other chats do not wait.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { audience, Listener, publishAll, publishThrough, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { finished, increment } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const HOLD_MS = 1_500;
let server: Server;
let line: FaultProxy;
let a: Sidecar;
let b: Sidecar;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  a = await startSidecar({ upstream: line.url });
  b = await startSidecar({ upstream: server.url, env: { KEYFRAME_HOLD: `${HOLD_MS}ms` } });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await line?.stop();
  await server?.stop();
});

const user = "socketio#/#user:1";
const chat = "socketio#/#chat:1";
const ids = { chat: "chat-1", message: "message-1", host: "host-1" };
const undelivered = (reason: string) => b.metric("keyframe_undelivered_frames_total", { reason });

test("the end waits as long as the hold lasts, then comes; what was missing is counted, and heals", async () => {
  const app = await RespClient.connect({ port: a.port });
  const direct = await RespClient.connect({ port: server.port });
  const own = await Listener.on(a.port, user, chat);
  const others = await audience(server.port, user, chat);
  await publishThrough(
    a,
    app,
    Array.from({ length: 10 }, (_, i) => [user, increment(`${i} `, ids)]),
  );
  await own.until(10);
  const ear = await Listener.on(b.port, user, chat);
  line.pause("down", (connection) => connection.sent("keyframe-subscriber"));

  const other = increment("another chat", { chat: "chat-2", message: "message-2", host: "host-2" });
  const end = finished("all of it", { ...ids, room: "chat:1" });
  const raw = finished("all of it, from a pod that has no sidecar", ids);
  const began = performance.now();
  await publishAll(app, [
    [user, increment("one ", ids)],
    [user, increment("two ", ids)],
    [chat, end],
    [user, other],
  ]);
  await eventually("B holds", async () => (await b.metric("keyframe_held_frames")) === 3);
  await direct.command("PUBLISH", user, raw);

  const heard = (await ear.until(3)).map(({ payload }) => payload);
  const waited = performance.now() - began;
  sameFrames(
    heard.map((payload) => payload.toString("latin1")),
    [other, end, raw],
  );
  assert.ok(waited > HOLD_MS * 0.9 && waited < HOLD_MS * 3, `the end came after ${Math.round(waited)} ms`);
  assert.equal(await undelivered("hold_timeout"), 2);
  assert.equal(await b.metric("keyframe_held_frames"), 0);

  // The inbox hears again: what is published now finds its base, and what it took until then is counted.
  line.resume();
  const last: Buffer[] = [];
  await eventually("B hears the stream again", async () => {
    last.push(increment(`again ${last.length} `, ids));
    await app.command("PUBLISH", user, last.at(-1)!);
    await ear.settle();
    return ear.heard.length > 3;
  });
  for (let i = 0; i < 5; i++) {
    last.push(increment(`healed ${i} `, ids));
    await app.command("PUBLISH", user, last.at(-1)!);
  }
  await ear.untilMessage(({ payload }) => payload.equals(last.at(-1)!));
  const after = ear.payloads().slice(3);
  sameFrames(after, last.slice(-after.length), "a run up to the newest");
  const counted = (await b.metric("keyframe_undelivered_frames_total")) - 2;
  assert.ok(counted >= last.length - after.length, "none is missing uncounted");
  await Promise.all([app, direct, own, ear, others].map((client) => client.close()));
});
