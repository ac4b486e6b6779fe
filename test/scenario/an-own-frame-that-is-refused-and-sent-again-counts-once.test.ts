/**
 * A pod that is deaf goes on publishing: its frames go raw, and its own apps miss them, which is counted. A frame that the
 * server has refused with its batch has not been published yet, so it is in no count before it is sent again.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { snapshot, text } from "../support/frames.js";
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
  a = await startSidecar({ upstream: line.url, env: { KEYFRAME_CANARY: "5m" } });
  b = await startSidecar({ upstream: server.url });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await line?.stop();
  await server?.stop();
});

test("a batch of a delta and a frame without a stream, from a pod that cannot be asked", async () => {
  const here = await Listener.on(a.port, "socketio");
  const there = await Listener.on(b.port, "socketio");
  const app = await RespClient.connect({ port: a.port, deadlineMs: 10_000 });
  await publishAll(app, [["socketio", snapshot(text(1))]]);
  await Promise.all([here.until(1), there.until(1)]);
  line.refuse(true);
  line.cut((connection) => connection.sent("keyframe-subscriber"));
  await eventually("the pod is deaf", async () => (await fetch(`${a.adminUrl}/readyz`)).status !== 200);
  await publishAll(app, [
    ["socketio", snapshot(text(2))],
    ["socketio", Buffer.from("no dialect knows this")],
  ]);
  await there.until(3);
  await eventually(
    "both are counted",
    async () => (await a.metric("keyframe_undelivered_frames_total", { reason: "echo_lost" })) >= 2,
  );
  assert.equal(await a.metric("keyframe_undelivered_frames_total"), 2);
  assert.equal(await a.metric("keyframe_refused_batches_total", { reason: "unreachable" }), 1);
  assert.equal((await here.settle()).length, 1);
  line.refuse(false);
  await a.ready();
  await Promise.all([here.close(), there.close(), app.close()]);
});
