/**
 * A large frame breaks off half-way: its sender dies or loses its connection, a reader loses its own or comes in the middle.
 * No wrong byte, nothing twice, nothing kept for good; what was not delivered is counted, and the stream goes on.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, sameFrames } from "../support/apps.js";
import { type FaultProxy, type ProxiedConnection, startFaultProxy } from "../support/fault-proxy.js";
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
import { eventually } from "../support/wait.js";

const MB = 1_000_000;
const named = (name: string) => (connection: ProxiedConnection) => connection.sent(`keyframe-${name}`);

let server: Server;
let a: StoppablePod;
let lineB: FaultProxy;
let b: Sidecar;
before(async () => {
  server = await startServer();
  lineB = await startFaultProxy({ target: server.port });
  const env = { ...SMALL_WINDOW, KEYFRAME_LARGE_WAIT: "2s" };
  a = await stoppablePod(server, { KEYFRAME_LARGE_WAIT: "20s" });
  b = await startSidecar({ upstream: lineB.url, env });
  await b.ready();
});
after(async () => {
  await a?.stop();
  await b?.stop();
  await lineB?.stop();
  await server?.stop();
});

/** The next frame of the same message: a little longer. */
function grown(frame: Buffer): Buffer {
  const at = frame.lastIndexOf('"}');
  return Buffer.concat([frame.subarray(0, at), Buffer.from(" and on"), frame.subarray(at)]);
}

test("the sender's connection breaks: the frame is sent anew and heard once", async () => {
  const room = "socketio#/#user:cut";
  const listener = await Listener.on(b.port, room);
  const app = await RespClient.connect({ port: a.pod.port, deadlineMs: 15_000 });
  const ids = { chat: "chat-cut", host: "host-cut" };
  const [first, large, last] = [increment("first ", ids), largeFrame(MB, "dense", ids), increment("last ", ids)];
  await app.command("PUBLISH", room, first);
  a.hold();
  await app.command("PUBLISH", room, large);
  await hasBegun(b);
  assert.equal(await app.text("PUBLISH", room, last), 1);
  assert.equal(a.line.cut(named("publisher")), 1);
  a.letGo();
  await listener.untilMessage(({ payload }) => payload.equals(last));
  await listener.settle();
  sameFrames(listener.payloads(), [first, large, last]);
  assert.deepEqual([await undelivered(a.pod), await undelivered(b)], [{}, {}]);
  assert.equal(await a.pod.metric("keyframe_large_frames_total", { outcome: "interrupted" }), 1);
  await Promise.all([app.close(), listener.close()]);
});

test("a reader's connection breaks: what it has missed comes when it is back, once", async () => {
  const room = "socketio#/#user:deaf";
  const listener = await Listener.on(b.port, room);
  const app = await RespClient.connect({ port: a.pod.port, deadlineMs: 15_000 });
  const ids = { chat: "chat-deaf", host: "host-deaf" };
  const [first, large] = [snapshot("first", ids), largeFrame(MB, "dense", ids)];
  await app.command("PUBLISH", room, first);
  await listener.until(1);
  a.hold();
  await app.command("PUBLISH", room, large);
  await hasBegun(b);
  assert.equal(lineB.cut(named("subscriber")), 1);
  await b.ready();
  a.letGo();
  await listener.until(2);
  await hasEnded(a.pod);
  await hasEnded(b);
  const next = grown(large);
  await app.command("PUBLISH", room, next);
  await listener.until(3);
  await listener.settle();
  sameFrames(listener.payloads(), [first, large, next]);
  await Promise.all([app.close(), listener.close()]);
});

test("a reader comes in the middle: that frame is not its own, every later one is", async () => {
  const room = "socketio#/#user:late";
  const early = await Listener.on(b.port, room);
  const c = await startSidecar({ upstream: server.url, env: SMALL_WINDOW });
  try {
    await c.ready();
    const app = await RespClient.connect({ port: a.pod.port, deadlineMs: 15_000 });
    const large = largeFrame(MB, "dense", { chat: "chat-late", host: "host-late" });
    a.hold();
    await app.command("PUBLISH", room, large);
    await hasBegun(b);
    const late = await Listener.on(c.port, room);
    a.letGo();
    await early.until(1);
    // Coded against the large frame, which only the early reader has: the late one asks, and the answer travels in chunks.
    const next = grown(large);
    await app.command("PUBLISH", room, next);
    await early.until(2);
    await late.until(1);
    await Promise.all([early.settle(), late.settle()]);
    sameFrames(early.payloads(), [large, next], "the early one");
    sameFrames(late.payloads(), [next], "the late one");
    assert.deepEqual(await undelivered(c), {});
    await hasEnded(a.pod);
    assert.equal((await a.pod.metric("keyframe_repairs_total", { direction: "sent" })) > 0, true);
    await Promise.all([app.close(), late.close()]);
  } finally {
    await c.stop();
  }
  await early.close();
});

test("the sender dies: its half is given up and counted, and who takes its place is heard", async () => {
  const room = "socketio#/#user:dead";
  const listener = await Listener.on(b.port, room);
  const before = (await undelivered(b)).chunk_timeout ?? 0;
  const dying = await stoppablePod(server);
  const ids = { chat: "chat-dead", host: "host-dead" };
  const app = await RespClient.connect({ port: dying.pod.port });
  await app.command("PUBLISH", room, increment("first ", ids));
  await listener.until(1);
  dying.hold();
  await app.command("PUBLISH", room, largeFrame(MB, "dense", ids));
  await hasBegun(b);
  await dying.pod.stop("SIGKILL");
  await dying.stop();
  await hasEnded(b);
  await eventually("it is counted", async () => (await undelivered(b)).chunk_timeout === before + 1);
  const other = await RespClient.connect({ port: a.pod.port });
  const next = largeFrame(MB, "dense", ids);
  await other.command("PUBLISH", room, next);
  await listener.until(2);
  assert.ok(listener.heard[1]!.payload.equals(next));
  await Promise.all([app.close(), other.close(), listener.close()]);
});

test("the sender cannot hear its readers any more: the frame goes whole, once, and its chat goes on", async () => {
  const room = "socketio#/#user:unheard";
  const listener = await Listener.on(b.port, room);
  const deaf = await stoppablePod(server, { KEYFRAME_LARGE_WAIT: "1s" });
  const ids = { chat: "chat-unheard", host: "host-unheard" };
  const app = await RespClient.connect({ port: deaf.pod.port, deadlineMs: 15_000 });
  const [first, large, last] = [increment("first ", ids), largeFrame(MB, "dense", ids), increment("last ", ids)];
  await app.command("PUBLISH", room, first);
  deaf.hold();
  await app.command("PUBLISH", room, large);
  await hasBegun(b);
  await app.command("PUBLISH", room, last);
  deaf.line.refuse(true);
  assert.equal(deaf.line.cut(named("subscriber")), 1);
  deaf.letGo();
  await listener.untilMessage(({ payload }) => payload.equals(last), 15_000);
  await listener.settle();
  sameFrames(listener.payloads(), [first, large, last]);
  assert.equal(await deaf.pod.metric("keyframe_frames_total", { direction: "in", kind: "raw" }), 2);
  assert.deepEqual(await undelivered(deaf.pod), {});
  deaf.line.refuse(false);
  await Promise.all([app.close(), listener.close()]);
  await deaf.stop();
});
