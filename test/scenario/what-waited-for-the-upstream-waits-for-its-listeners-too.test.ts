/**
 * The upstream was away for everybody, and the pod that has frames waiting is the first to be back. It sends them once the
 * others hear again: what has waited for seconds is not sent to nobody. Where somebody does not come back it waits for
 * moments and no longer.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { Listener, publishAll, publishThrough, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { increment } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let server: Server;
let lineA: FaultProxy;
let lineB: FaultProxy;
let a: Sidecar;
let b: Sidecar;
before(async () => {
  server = await startServer();
  lineA = await startFaultProxy({ target: server.port });
  lineB = await startFaultProxy({ target: server.port });
  a = await startSidecar({ upstream: lineA.url });
  b = await startSidecar({ upstream: lineB.url });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await Promise.all([lineA?.stop(), lineB?.stop()]);
  await server?.stop();
});

const up = async (pod: Sidecar) => (await pod.metric("keyframe_upstream_connected")) === 2;
const words = (name: string, count: number): [string, Buffer][] =>
  Array.from({ length: count }, (_, i) => ["socketio", increment(`${i} `, { chat: name, message: name })]);

/** Takes the upstream away, publishes these frames but the first one, and gives it back to A. */
async function outage(
  lines: readonly FaultProxy[],
  app: RespClient,
  ear: Listener,
  frames: [string, Buffer][],
): Promise<[string, Buffer][]> {
  const [first, ...rest] = frames;
  await publishThrough(a, app, [first!]);
  await ear.until(1);
  for (const line of lines) {
    line.refuse(true);
    line.cut();
  }
  await eventually("A has lost its upstream", async () => (await a.metric("keyframe_upstream_connected")) === 0);
  assert.ok((await publishAll(app, rest)).every((reply) => typeof reply === "number"));
  assert.equal(await a.metric("keyframe_queue_frames"), rest.length);
  lineA.refuse(false);
  await eventually("A is back", () => up(a));
  return [first!, ...rest];
}

test("frames that have waited reach a pod that comes back a moment later", async () => {
  const [own, other] = [await Listener.on(a.port, "socketio"), await Listener.on(b.port, "socketio")];
  const app = await RespClient.connect({ port: a.port });
  const sent = await outage([lineA, lineB], app, own, words("one", 201));
  lineB.refuse(false);
  for (const ear of [own, other]) {
    await ear.until(sent.length);
    sameFrames(
      ear.payloads(),
      sent.map(([, payload]) => payload),
    );
  }
  assert.equal(await a.metric("keyframe_frames_total", { direction: "in", kind: "raw" }), 0);
  for (const pod of [a, b]) assert.equal(await pod.metric("keyframe_undelivered_frames_total"), 0);
  await Promise.all([own.close(), other.close(), app.close()]);
});

test("a pod that does not come back holds nobody up for long", async () => {
  await b.ready();
  const [own, other] = [await Listener.on(a.port, "socketio"), await Listener.on(b.port, "socketio")];
  const app = await RespClient.connect({ port: a.port });
  const sent = await outage([lineA, lineB], app, own, words("two", 201));
  const back = performance.now();
  await own.until(sent.length);
  const took = performance.now() - back;
  assert.ok(took < 3_000, `${took.toFixed(0)} ms`);
  lineB.refuse(false);
  // It has missed them all; how the chat ends it hears by its hello.
  await other.untilMessage(({ payload }) => payload.equals(sent.at(-1)![1]));
  await Promise.all([own.close(), other.close(), app.close()]);
});

test("8 MiB that have waited leave in batches of 128 KiB at most, and the server answers others between them", async (t) => {
  await b.ready();
  const [own, other] = [await Listener.on(a.port, "socketio"), await Listener.on(b.port, "socketio")];
  const app = await RespClient.connect({ port: a.port, deadlineMs: 20_000 });
  // Nothing that a delta or deflate could make small.
  const large = words("three", 1).concat(
    Array.from({ length: 512 }, (_, i) => [
      "socketio",
      increment(randomBytes(8_192).toString("hex"), { chat: `large-${i}`, message: "three" }),
    ]),
  );
  const bystander = await RespClient.connect({ port: server.port });
  let pongs = 0;
  const drained = async () => (await a.metric("keyframe_queue_frames")) === 0;
  let going = true;
  const pinging = (async () => {
    while (going) {
      await bystander.text("PING");
      if (other.client.queued > 1 && other.client.queued < large.length - 1) pongs++;
    }
  })();
  const sent = await outage([lineA], app, own, large);
  await eventually("all has left", drained, 20_000);
  going = false;
  await pinging;
  for (const ear of [own, other]) {
    await ear.until(sent.length, 20_000);
    sameFrames(
      ear.payloads(),
      sent.map(([, payload]) => payload),
    );
  }
  const metrics = await a.metrics();
  const batches = metrics.get("keyframe_flush_bytes_count")!;
  assert.equal(metrics.get('keyframe_flush_bytes_bucket{le="131072"}'), batches, "no batch is larger");
  t.diagnostic(
    `${pongs} PINGs answered while ${(metrics.get("keyframe_flush_bytes_sum")! / 2 ** 20).toFixed(1)} MiB left`,
  );
  assert.ok(pongs >= 10, `${pongs} PINGs`);
  await Promise.all([own.close(), other.close(), app.close(), bystander.close()]);
});
