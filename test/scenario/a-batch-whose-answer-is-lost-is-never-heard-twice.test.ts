/**
 * Accident 6: a batch is delivered, its answer is lost with the connection, and before it is sent again a pod without a
 * sidecar may have joined. Whoever heard it must not hear it again, and it must not go out raw.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { type FaultProxy, type ProxiedConnection, startFaultProxy } from "../support/fault-proxy.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

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

const publisher = (connection: ProxiedConnection) => connection.sent("keyframe-publisher");
const undelivered = (pod: Sidecar) => pod.metric("keyframe_undelivered_frames_total");
const repeats = () => b.metric("keyframe_repeats_dropped_total");

interface Scene {
  room: string;
  frames: Buffer[];
  ears: Record<"a" | "b", Listener>;
  app: RespClient;
}

/** A stream under way as deltas, then a batch that everybody has heard while its answer is still on the line. */
async function unanswered(name: string): Promise<Scene> {
  const room = `socketio#/#${name}`;
  const ids = { chat: name, message: name, room: name };
  const frames = Array.from({ length: 30 }, (_, i) => (i % 5 === 4 ? snapshot(text(i), ids) : increment(`${i} `, ids)));
  const ears = { a: await Listener.on(a.port, room), b: await Listener.on(b.port, room) };
  const app = await RespClient.connect({ port: a.port });
  await publishAll(app, part(frames, room, 0, 10));
  await ears.b.until(10);
  await ears.a.until(10);
  await eventually("nothing waits", async () => (await a.metric("keyframe_queue_frames")) === 0);
  line.pause("down", publisher);
  // The app has its answers: the queue has room.
  await publishAll(app, part(frames, room, 10, 20));
  await ears.b.until(20);
  await ears.a.until(20);
  return { room, frames, ears, app };
}

const part = (frames: readonly Buffer[], room: string, from: number, to: number): [string, Buffer][] =>
  frames.slice(from, to).map((payload) => [room, payload]);

async function cut(): Promise<void> {
  const before = await a.metric("keyframe_upstream_reconnects_total", { connection: "publisher" });
  line.cut(publisher);
  line.resume();
  await eventually(
    "A publishes again",
    async () => (await a.metric("keyframe_upstream_reconnects_total", { connection: "publisher" })) > before,
  );
}

async function finish({ room, frames, ears, app }: Scene, guest?: Listener): Promise<void> {
  await publishAll(app, part(frames, room, 20, 30));
  for (const [who, ear] of Object.entries(ears)) {
    await ear.until(30);
    await ear.settle();
    sameFrames(ear.payloads(), frames, who);
  }
  if (guest !== undefined) {
    await guest.until(10);
    await guest.settle();
    sameFrames(guest.payloads(), frames.slice(20), "the pod without a sidecar");
  }
  await Promise.all([app, ears.a, ears.b, ...(guest ? [guest] : [])].map((client) => client.close()));
}

test("nobody has joined: it is sent again, and dropped by those that have it", async () => {
  const scene = await unanswered("user:1");
  const [before, lost] = [await repeats(), await undelivered(a)];
  await cut();
  await eventually("B has seen it again", async () => (await repeats()) >= before + 10);
  await finish(scene);
  assert.equal(await repeats(), before + 10);
  assert.equal(await undelivered(a), lost);
});

test("a pod without a sidecar has joined: it hears only what is published from then on", async () => {
  const scene = await unanswered("user:2");
  const [before, lost] = [await repeats(), await undelivered(a)];
  const guest = await Listener.on(server.port, scene.room);
  await cut();
  // Refused, because somebody listens who could not rebuild it; raw would be a second time for B.
  await eventually("A gives it up", async () => (await undelivered(a)) >= lost + 10);
  await finish(scene, guest);
  assert.equal(await undelivered(a), lost + 10, "counted: the sidecar cannot know that it arrived");
  assert.equal(await repeats(), before);
});

test("one that listens by pattern has joined", async () => {
  const scene = await unanswered("user:3");
  const lost = await undelivered(a);
  const guest = await Listener.onPattern(server.port, "socketio#*");
  await cut();
  await eventually("A gives it up", async () => (await undelivered(a)) >= lost + 10);
  await finish(scene, guest);
});
