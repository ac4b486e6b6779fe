/**
 * The upstream was away for everybody, and the pod that has frames waiting is the first to be back. It sends them once the
 * others hear again: what has waited for seconds is not sent to nobody. Where somebody does not come back it waits for a
 * second and no longer.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
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

/** Takes the upstream away from both, publishes 200 frames, and gives it back to A. */
async function outage(app: RespClient, ear: Listener, name: string): Promise<[string, Buffer][]> {
  const [first, ...rest] = words(name, 201);
  await publishAll(app, [first!]);
  await ear.until(1);
  for (const line of [lineA, lineB]) {
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
  const sent = await outage(app, own, "one");
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

test("a pod that does not come back holds nobody up for more than a second", async () => {
  await b.ready();
  const [own, other] = [await Listener.on(a.port, "socketio"), await Listener.on(b.port, "socketio")];
  const app = await RespClient.connect({ port: a.port });
  const sent = await outage(app, own, "two");
  const back = performance.now();
  await own.until(sent.length);
  const took = performance.now() - back;
  assert.ok(took < 3_000, `${took.toFixed(0)} ms`);
  lineB.refuse(false);
  await b.ready();
  await Promise.all([own.close(), other.close(), app.close()]);
});
