/**
 * Joins rely on it: what follows an ack, or a PONG behind a SUBSCRIBE, is heard. The upstream's answer is held back by a
 * proxy, so that an ack that comes early is seen; what needs no answer must not wait for one.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { increment } from "../support/frames.js";
import { plain, RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let server: Server;
let line: FaultProxy;
let sidecar: Sidecar;
/** Subscribed before anything is held back. */
let settled: RespClient;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  sidecar = await startSidecar({ upstream: line.url, env: { KEYFRAME_HALF_CLOSE: "100ms" } });
  await sidecar.ready();
  settled = await RespClient.connect({ port: sidecar.port });
  await settled.command("SUBSCRIBE", "socketio");
});
after(async () => {
  await settled?.close();
  await sidecar?.stop();
  await line?.stop();
  await server?.stop();
});

async function held(channel: string): Promise<string[]> {
  const counts = (await server.cli("PUBSUB", "NUMSUB", channel, `~kf1~${channel}`)).split("\n");
  return [counts[1]!, counts[3]!];
}

/** Nothing comes within a while; what comes at once elsewhere shows that the sidecar itself is not slow. */
async function silent(client: RespClient): Promise<void> {
  await assert.rejects(client.next(150), /no value within/);
  const began = performance.now();
  assert.deepEqual(plain(await settled.command("PING", "now")), ["pong", "now"]);
  const again = await RespClient.connect({ port: sidecar.port });
  assert.deepEqual(await again.text("SUBSCRIBE", "socketio"), ["subscribe", "socketio", 1]);
  const took = performance.now() - began;
  assert.ok(took < 100, `a PING and a SUBSCRIBE to what is held already took ${took} ms`);
  await again.close();
}

test("neither the ack nor a PONG behind it comes before the server has the subscription", async () => {
  const app = await RespClient.connect({ port: sidecar.port });
  line.pause("up");
  app.request("SUBSCRIBE", "socketio#/#one");
  app.request("PING", "behind");
  await silent(app);
  assert.deepEqual(await held("socketio#/#one"), ["0", "0"]);
  assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);
  line.resume();
  assert.deepEqual((await app.take(2)).map(plain), [
    ["subscribe", "socketio#/#one", 1],
    ["pong", "behind"],
  ]);
  assert.deepEqual(await held("socketio#/#one"), ["1", "1"]);
  await sidecar.ready();
  await app.close();
});

test("nor before the server's confirmation has come; what was published since is heard behind the ack", async () => {
  const app = await RespClient.connect({ port: sidecar.port });
  const direct = await RespClient.connect({ port: server.port });
  line.pause("down");
  app.request("SUBSCRIBE", "socketio#/#two", "socketio", "socketio#/#three");
  app.request("PING", "behind");
  await silent(app);
  await eventually("the server holds them", async () => (await held("socketio#/#three"))[1] === "1");
  const frames = [increment("a"), increment("b")];
  for (const frame of frames) assert.equal(await direct.command("PUBLISH", "socketio#/#two", frame), 1);
  await silent(app);
  line.resume();
  const seen = (await app.take(6)).map(plain) as string[][];
  assert.deepEqual(seen.slice(0, 3), [
    ["subscribe", "socketio#/#two", 1],
    ["subscribe", "socketio", 2],
    ["subscribe", "socketio#/#three", 3],
  ]);
  // The PONG may stand before, between or behind the messages, as it would with the server itself.
  assert.deepEqual(
    seen.slice(3).filter(([kind]) => kind !== "pong"),
    frames.map((frame) => ["message", "socketio#/#two", frame.toString()]),
  );
  await Promise.all([app.close(), direct.close()]);
});

test("an app that leaves while its subscription is pending leaves nothing behind", async () => {
  const room = "socketio#/#four";
  const stays = await RespClient.connect({ port: sidecar.port });
  const leaves = await Promise.all([1, 2, 3].map(() => RespClient.connect({ port: sidecar.port })));
  line.pause("up");
  for (const app of [stays, ...leaves]) app.request("SUBSCRIBE", room);
  await assert.rejects(stays.next(50), /no value within/);
  await Promise.all(leaves.map((app) => app.close()));
  await eventually("they are gone", async () => (await sidecar.metric("keyframe_connections")) === 2);
  line.resume();
  assert.deepEqual(plain(await stays.next()), ["subscribe", room, 1]);
  // The one of before() and the one that stays.
  assert.equal(await sidecar.metric("keyframe_local_subscribers"), 2);
  await stays.close();
  await eventually("the server holds it no longer", async () => (await held(room)).join() === "0,0");
  assert.equal(await sidecar.metric("keyframe_subscriptions"), 1);
});

test("a room that is left and joined again at once is held at the ack, each time", async () => {
  const room = "socketio#/#five";
  line.delay(5);
  const app = await Listener.on(sidecar.port, room);
  const direct = await RespClient.connect({ port: server.port });
  for (let i = 0; i < 30; i++) {
    app.client.request("UNSUBSCRIBE", room);
    app.client.request("SUBSCRIBE", room);
    assert.deepEqual((await app.client.take(2)).map(plain), [
      ["unsubscribe", room, 0],
      ["subscribe", room, 1],
    ]);
    assert.equal(await direct.command("PUBLISH", room, `frame ${i}`), 1);
    assert.deepEqual(plain(await app.client.next()), ["message", room, `frame ${i}`]);
  }
  line.delay(0);
  await Promise.all([app.close(), direct.close()]);
});
