/** Accidents 14 to 16: scripts, CLIENT REPLY, tracking, transactions beside frames that the sidecar takes out of the stream. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type TwoPods, twoPods } from "../support/pods.js";
import { plain, RespClient } from "../support/resp-client.js";
import { hear, listen } from "../support/streams.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods();
});
after(() => pods.stop());

test("frames before a script or a transaction that publishes arrive before what it publishes", async () => {
  const subscriber = await listen(pods.b.port);
  const app = await RespClient.connect({ port: pods.a.port });
  const wanted: string[] = [];
  for (let i = 0; i < 20; i++) {
    app.request("PUBLISH", "socketio", `frame ${i}`);
    app.request("EVAL", "return redis.call('PUBLISH', 'socketio', ARGV[1])", "0", `script ${i}`);
    app.request("PUBLISH", "socketio", `again ${i}`);
    app.request("MULTI");
    app.request("PUBLISH", "socketio", `transaction ${i}`);
    app.request("EXEC");
    wanted.push(`frame ${i}`, `script ${i}`, `again ${i}`, `transaction ${i}`);
  }
  const replies = (await app.take(120)).map(plain);
  assert.deepEqual(replies.slice(3, 5), ["OK", "QUEUED"]);
  assert.deepEqual((await hear(subscriber, wanted.length)).map(String), wanted);
  await Promise.all([subscriber, app].map((client) => client.close()));
});

test("an unknown script in MULTI, and one before a GET, answer in their places", async () => {
  const app = await RespClient.connect({ port: pods.a.port });
  await app.command("SET", "k", "v");
  for (const request of [
    ["MULTI"],
    ["EVALSHA", "f".repeat(40), "0"],
    ["GET", "k"],
    ["EXEC"],
    ["EVALSHA", "e".repeat(40), "0"],
    ["GET", "k"],
  ]) {
    app.request(...request);
  }
  const replies = JSON.stringify((await app.take(6)).map(plain));
  assert.match(replies, /^\["OK","QUEUED","QUEUED",\[.*NOSCRIPT.*"v"\],.*NOSCRIPT.*,"v"\]$/);
  await app.close();
});

test("CLIENT REPLY SKIP and OFF: replies do not shift, frames still arrive", async () => {
  const subscriber = await listen(pods.b.port);
  const app = await RespClient.connect({ port: pods.a.port });
  await app.command("SET", "k", "v");
  app.request("CLIENT", "REPLY", "SKIP");
  app.request("PUBLISH", "socketio", "skipped");
  app.request("GET", "k");
  assert.equal(plain(await app.next()), "v");
  app.request("CLIENT", "REPLY", "OFF");
  app.request("PUBLISH", "socketio", "unanswered");
  app.request("SET", "k", "w");
  app.request("CLIENT", "REPLY", "ON");
  app.request("GET", "k");
  assert.deepEqual((await app.take(2)).map(plain), ["OK", "w"]);
  assert.deepEqual((await hear(subscriber, 2)).map(String), ["skipped", "unanswered"]);
  assert.equal(await pods.a.metric("keyframe_latched_connections_total", { reason: "client_reply" }), 1);
  await Promise.all([subscriber, app].map((client) => client.close()));
});

test("invalidations arrive: redirected to a RESP2 subscriber, and as RESP3 pushes", async () => {
  const writer = await RespClient.connect({ port: pods.server.port });
  const redirected = await RespClient.connect({ port: pods.a.port });
  const id = await redirected.command("CLIENT", "ID");
  await redirected.command("SUBSCRIBE", "__redis__:invalidate");
  const reader = await RespClient.connect({ port: pods.a.port });
  assert.equal(await reader.text("CLIENT", "TRACKING", "on", "REDIRECT", Number(id)), "OK");
  await reader.command("GET", "watched");
  await writer.command("SET", "watched", "1");
  assert.deepEqual(plain(await redirected.next()), ["message", "__redis__:invalidate", ["watched"]]);

  const modern = await RespClient.connect({ port: pods.a.port });
  await modern.command("HELLO", 3);
  await modern.command("CLIENT", "TRACKING", "on");
  modern.request("SUBSCRIBE", "socketio");
  await modern.next();
  await modern.command("GET", "watched");
  await writer.command("SET", "watched", "2");
  assert.deepEqual(plain(await modern.next()), { push: ["invalidate", ["watched"]] });
  await Promise.all([writer, redirected, reader, modern].map((client) => client.close()));
});

test("a message never stands in the middle of a large reply", async () => {
  const app = await RespClient.connect({ port: pods.b.port, deadlineMs: 20_000 });
  await app.command("HELLO", 3);
  app.request("SUBSCRIBE", "socketio");
  await app.next();
  const value = Buffer.alloc(3_000_000, "v");
  await app.command("SET", "large", value);
  const publisher = await RespClient.connect({ port: pods.a.port });
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 20; i++) app.request("GET", "large");
    for (let i = 0; i < 50; i++) publisher.request("PUBLISH", "socketio", `m ${i}`);
    await publisher.take(50);
    let values = 0;
    const messages: string[] = [];
    for (const one of await app.take(70, 20_000)) {
      if (Buffer.isBuffer(one)) values += Number(one.equals(value));
      else messages.push(String((plain(one) as { push: string[] }).push[2]));
    }
    assert.equal(values, 20);
    assert.deepEqual(
      messages,
      Array.from({ length: 50 }, (_, i) => `m ${i}`),
    );
  }
  await Promise.all([app, publisher].map((client) => client.close()));
});

test("one upstream subscription serves all connections of a pod, and ends with the last", async () => {
  const counts = async () =>
    (await pods.server.cli("PUBSUB", "NUMSUB", "socketio#/#r", "~kf1~socketio#/#r")).split("\n");
  const [one, two] = [await listen(pods.b.port, "socketio#/#r"), await listen(pods.b.port, "socketio#/#r")];
  assert.deepEqual(await counts(), ["socketio#/#r", "1", "~kf1~socketio#/#r", "1"]);
  await one.command("UNSUBSCRIBE", "socketio#/#r");
  const publisher = await RespClient.connect({ port: pods.a.port });
  await publisher.command("PUBLISH", "socketio#/#r", "x");
  assert.deepEqual((await hear(two, 1)).map(String), ["x"]);
  assert.equal(await one.text("PING"), "PONG");
  await two.command("UNSUBSCRIBE", "socketio#/#r");
  const three = await listen(pods.b.port, "socketio#/#q");
  assert.deepEqual(await counts(), ["socketio#/#r", "0", "~kf1~socketio#/#r", "0"]);
  await Promise.all([one, two, three, publisher].map((client) => client.close()));
});
