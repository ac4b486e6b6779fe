/**
 * A pod is cut off while the last frames of a chat are published. Nothing follows that would show a gap; yet when the pod
 * hears again it gets each stream's newest frame, once and in order, and a sidecar that has been started anew gets
 * nothing that was published before. Accident 7.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { finished, increment, snapshot, text } from "../support/frames.js";
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
  a = await startSidecar({ upstream: server.url });
  b = await startSidecar({ upstream: line.url });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await line?.stop();
  await server?.stop();
});

test("the end of a chat, over two streams, comes once and in order when the pod hears again", async () => {
  const ear = await Listener.on(b.port, "socketio");
  const app = await RespClient.connect({ port: a.port });
  const ids = { chat: "c", message: "m" };
  const publish = (payload: Buffer) => app.command("PUBLISH", "socketio", payload);
  await publish(snapshot(text(1), ids));
  await publish(increment("one", ids));
  await ear.until(2);
  line.refuse(true);
  line.cut();
  await publish(snapshot(text(2), ids));
  await publish(increment("two", ids));
  await publish(increment("three", ids));
  await publish(finished(text(3), ids));
  line.refuse(false);
  const heard = await ear.untilMessage(({ payload }) => payload.equals(finished(text(3), ids)));
  assert.deepEqual(
    heard.slice(2).map(({ payload }) => payload.toString()),
    [increment("three", ids), finished(text(3), ids)].map(String),
  );
  assert.equal(await b.metric("keyframe_undelivered_frames_total", { reason: "gap" }), 1, "increment two");
  assert.equal(await b.metric("keyframe_undelivered_frames_total", { reason: "superseded" }), 1, "the second snapshot");
  assert.equal((await ear.settle()).length, 4);
  await Promise.all([ear.close(), app.close()]);
});

test("a stream that goes on meanwhile is not set back: what is newer was heard, what is older is not repeated", async () => {
  const ear = await Listener.on(b.port, "socketio");
  const app = await RespClient.connect({ port: a.port });
  const ids = { chat: "d", message: "d" };
  const publish = (payload: Buffer) => app.command("PUBLISH", "socketio", payload);
  await publish(snapshot(text(1), ids));
  await ear.until(1);
  line.cut();
  const sent: string[] = [];
  for (let i = 2; i < 200; i++) {
    sent.push(snapshot(text(i), ids).toString());
    await publish(Buffer.from(sent.at(-1)!));
  }
  await publish(finished(text(200), ids));
  const heard = await ear.untilMessage(({ payload }) => payload.equals(finished(text(200), ids)));
  const places = heard.slice(1, -1).map(({ payload }) => sent.indexOf(payload.toString()));
  assert.deepEqual(
    places,
    [...new Set(places)].sort((x, y) => x - y),
  );
  await Promise.all([ear.close(), app.close()]);
});

test("apps of the pod that was cut off hear their own pod's frames all the same, each once", async () => {
  const [own, other] = [await Listener.on(b.port, "socketio"), await Listener.on(a.port, "socketio")];
  const app = await RespClient.connect({ port: b.port });
  const ids = { chat: "e", message: "e", host: "host-b" };
  const sent = Array.from({ length: 150 }, (_, i) => increment(`${i} `, ids));
  for (const [i, payload] of sent.entries()) {
    if (i === 50) line.cut((connection) => connection.sent("keyframe-subscriber"));
    await app.command("PUBLISH", "socketio", payload);
  }
  for (const ear of [own, other]) {
    const heard = await ear.until(sent.length);
    const places = heard.map(({ payload }) => sent.findIndex((one) => one.equals(payload)));
    assert.deepEqual(places, [...sent.keys()]);
  }
  await Promise.all([own.close(), other.close(), app.close()]);
});

test("a sidecar that has been started anew gets nothing that was published before", async () => {
  const app = await RespClient.connect({ port: a.port });
  await app.command("PUBLISH", "socketio", snapshot(text(9), { chat: "f", message: "f" }));
  await app.command("PUBLISH", "socketio", finished(text(9), { chat: "f", message: "f" }));
  const fresh = await startSidecar({ upstream: line.url });
  try {
    await fresh.ready();
    const ear = await Listener.on(fresh.port, "socketio");
    // Somebody else's hello brings the frame to all: the fresh one must pass it by.
    line.cut((connection) => connection.sent("keyframe-subscriber"));
    await b.ready();
    await fresh.ready();
    await app.command("PUBLISH", "socketio", increment("new", { chat: "g", message: "g" }));
    const heard = await ear.untilMessage(({ payload }) =>
      payload.equals(increment("new", { chat: "g", message: "g" })),
    );
    assert.equal(heard.length, 1);
    await ear.close();
  } finally {
    await fresh.stop();
    await app.close();
  }
});
