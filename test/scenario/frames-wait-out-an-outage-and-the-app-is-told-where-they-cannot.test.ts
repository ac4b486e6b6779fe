/**
 * The upstream is away. Frames wait, in order, and of each cumulative stream only the newest; they go out when it is back. The
 * queue is bounded in bytes and in time: a PUBLISH beyond the bound waits for its answer, then gets an error, and so does
 * one that has waited too long. What was answered and is given up is counted.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { finished, increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const CHANNEL = "socketio";
const QUEUE_BYTES = 64 * 1024;
const WAIT_MS = 3_000;
let server: Server;
let line: FaultProxy;
let a: Sidecar;
let b: Sidecar;
let ear: Listener;
let app: RespClient;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  const env = { KEYFRAME_QUEUE_BYTES: "64KiB", KEYFRAME_BATCH_BYTES: "16KiB", KEYFRAME_QUEUE_WAIT: `${WAIT_MS}ms` };
  a = await startSidecar({ upstream: line.url, env });
  b = await startSidecar({ upstream: server.url });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await line?.stop();
  await server?.stop();
});

let lossesBefore = 0;
const losses = () => a.metric("keyframe_undelivered_frames_total");
beforeEach(async () => {
  await a.ready();
  ear = await Listener.on(b.port, CHANNEL);
  app = await RespClient.connect({ port: a.port, deadlineMs: 15_000 });
  // The channel is known to be heard: what follows is answered at once while there is room.
  await publish([increment("first", { chat: "first", message: "first" })]);
  await ear.until(1);
  ear.heard.length = 0;
  lossesBefore = await losses();
});
afterEach(async () => {
  line.refuse(false);
  await Promise.all([ear.close(), app.close()]);
});

const publish = (payloads: readonly Buffer[]) =>
  publishAll(
    app,
    payloads.map((payload) => [CHANNEL, payload]),
  );

async function away(): Promise<void> {
  line.refuse(true);
  line.cut();
  await eventually("A has lost its upstream", async () => (await a.metric("keyframe_upstream_connected")) === 0);
}

/** Frames of one size, all different, that may not replace each other. */
function large(name: string, count: number, bytes: number): Buffer[] {
  return Array.from({ length: count }, (_, i) =>
    increment(`${i} `.padEnd(bytes, name), { chat: `${name}-${i}`, message: name }),
  );
}

test("within the bound everything goes out afterwards, in order, and of a cumulative stream the newest", async () => {
  const chat = (name: string, i: number) => {
    const ids = { chat: name, message: name };
    return i % 3 === 2 ? snapshot(text(i), ids) : increment(`${i} `, ids);
  };
  await away();
  const sent = Array.from({ length: 30 }, (_, i) => [chat("x", i), chat("y", i)]).flat();
  sent.push(finished(text(30), { chat: "x", message: "x" }));
  assert.ok((await publish(sent)).every((reply) => typeof reply === "number"));
  line.refuse(false);
  // The last snapshot of each chat, and everything that is not one.
  const kept = sent.filter((payload, place) => {
    const whole = payload.includes("chat:completion") && !payload.includes('"done"');
    return !whole || place >= 58;
  });
  await ear.until(kept.length);
  sameFrames(ear.payloads(), kept);
  assert.equal((await losses()) - lossesBefore, sent.length - kept.length);
  assert.equal(
    await a.metric("keyframe_undelivered_frames_total", { reason: "superseded" }),
    sent.length - kept.length,
  );
});

/** One connection for each frame, as of a pool: on one alone, what follows a PUBLISH without its answer is not read. */
async function publishEach(payloads: readonly Buffer[]): Promise<{ clients: RespClient[]; replies: unknown[] }> {
  const clients = await Promise.all(payloads.map(() => RespClient.connect({ port: a.port, deadlineMs: 15_000 })));
  const replies: unknown[] = clients.map(() => undefined);
  for (const [i, client] of clients.entries()) {
    void client.text("PUBLISH", CHANNEL, payloads[i]!).then(
      (reply) => {
        replies[i] = reply;
      },
      (error) => {
        replies[i] = error;
      },
    );
  }
  return { clients, replies };
}

test("beyond the bound in bytes a PUBLISH waits for its answer, and beyond twice as much it is refused", async () => {
  await away();
  const frames = large("b", 30, 8 * 1024);
  const { clients, replies } = await publishEach(frames);
  const room = Math.floor(QUEUE_BYTES / frames[0]!.length);
  const answered = () => replies.filter((reply) => typeof reply === "number");
  const refused = () => replies.filter((reply) => typeof reply === "string");
  // What is queued has a bound, what is answered at once half of it; the rest is told so at once.
  await eventually("the others are refused", () => refused().length >= frames.length - 2 * room - 2);
  assert.ok(
    Math.abs(answered().length - room) <= 1,
    `${answered().length} are answered at once, there is room for ${room}`,
  );
  for (const reply of refused()) assert.match(String(reply), /the publish queue is full \(KEYFRAME_QUEUE_BYTES\)/);
  assert.ok(answered().length + refused().length <= frames.length - room + 1, "the ones between wait");
  line.refuse(false);
  await eventually("all are answered", () => !replies.includes(undefined));
  const taken = frames.filter((_, i) => typeof replies[i] === "number");
  await ear.until(taken.length);
  assert.deepEqual(new Set(ear.payloads()), new Set(taken.map((payload) => payload.toString("latin1"))));
  assert.equal(await losses(), lossesBefore, "a refused PUBLISH is no loss: its app was told");
  await Promise.all(clients.map((client) => client.close()));
});

test("what has waited too long is an error where its answer is open, and counted where it is not; then all is refused at once", async () => {
  await away();
  const began = performance.now();
  const frames = large("t", 12, 8 * 1024);
  const { clients, replies } = await publishEach(frames);
  await eventually("all are answered", () => !replies.includes(undefined), WAIT_MS + 5_000);
  const took = performance.now() - began;
  assert.ok(took > WAIT_MS - 500 && took < WAIT_MS + 3_000, `${took.toFixed(0)} ms`);
  const errors = replies.filter((reply) => typeof reply !== "number");
  assert.ok(errors.length >= 3 && errors.length <= 6, `${errors.length} errors`);
  for (const reply of errors) assert.match(String(reply), /not sent within \d+ s, upstream unavailable/);
  const timedOut = await a.metric("keyframe_undelivered_frames_total", { reason: "queue_timeout" });
  assert.equal(timedOut, frames.length - errors.length);
  await Promise.all(clients.map((client) => client.close()));
  assert.match(String(await app.text("PUBLISH", CHANNEL, large("u", 1, 10)[0]!)), /upstream unavailable for \d+ s/);
  assert.equal(await a.metric("keyframe_queue_frames"), 0);
  line.refuse(false);
  await a.ready();
  const after = large("v", 1, 10);
  await publish(after);
  await ear.until(1);
  sameFrames(ear.payloads(), after);
});
