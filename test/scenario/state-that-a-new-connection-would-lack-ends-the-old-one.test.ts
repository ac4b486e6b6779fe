/**
 * When the server's end of an app's connection breaks, the sidecar may dial anew unseen only where that changes nothing
 * for the app. One that relied on invalidations, on a transaction or on a plain subscription must see its connection
 * end; one that only listens to frames keeps it. And before there is a server at all, the sidecar waits for one.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { freePort } from "../support/ports.js";
import { plain, RespClient } from "../support/resp-client.js";
import { startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

async function withLine(story: (sidecar: Sidecar, line: FaultProxy) => Promise<void>): Promise<void> {
  const server = await startServer();
  const line = await startFaultProxy({ target: server.port });
  const sidecar = await startSidecar({ upstream: line.url });
  try {
    await sidecar.ready();
    await story(sidecar, line);
  } finally {
    await sidecar.stop();
    await line.stop();
    await server.stop();
  }
}

test("caches, transactions and plain subscriptions end; listeners of frames and their HELLO stay", () =>
  withLine(async (sidecar, line) => {
    const connect = () => RespClient.connect({ port: sidecar.port });
    const [tracking, redirected, watching, keyspace, both, frames, modern] = (await Promise.all(
      Array.from({ length: 7 }, connect),
    )) as [RespClient, RespClient, RespClient, RespClient, RespClient, RespClient, RespClient];

    await tracking.command("HELLO", 3);
    assert.equal(await tracking.text("CLIENT", "TRACKING", "ON"), "OK");
    tracking.request("SUBSCRIBE", "socketio");
    await tracking.next();
    await tracking.command("GET", "k");

    await redirected.command("SUBSCRIBE", "__redis__:invalidate");
    await watching.command("WATCH", "k");
    await keyspace.command("PSUBSCRIBE", "__keyspace@*");
    both.request("SUBSCRIBE", "socketio", "tasks");
    await both.take(2);
    await frames.command("SUBSCRIBE", "socketio");
    await modern.command("HELLO", 3, "SETNAME", "listener");
    await modern.command("SELECT", 2);
    modern.request("SUBSCRIBE", "socketio");
    await modern.next();

    assert.ok(line.cut() >= 7);
    for (const client of [tracking, redirected, watching, keyspace, both]) await client.closed(2_000);
    await sidecar.ready();
    assert.deepEqual(await frames.fence(), []);
    // Dialled again, as what it was: the protocol, the name and the database.
    assert.equal(await modern.text("CLIENT", "GETNAME"), "listener");
    assert.equal(await modern.text("SET", "in-two", "x"), "OK");
    assert.match(String(plain(await modern.command("CLIENT", "INFO"))), /\bdb=2\b.*\bresp=3\b/);

    const publisher = await connect();
    assert.equal(await publisher.command("PUBLISH", "socketio", "after"), 1);
    assert.deepEqual(plain(await frames.next()), ["message", "socketio", "after"]);
    assert.deepEqual(plain(await modern.next()), { push: ["message", "socketio", "after"] });
    await Promise.all([frames, modern, publisher].map((client) => client.close()));
  }));

test("a command without its answer at the break, and a transaction that is open, end the connection", () =>
  withLine(async (sidecar, line) => {
    const [blocked, multi, listener] = (await Promise.all(
      [1, 2, 3].map(() => RespClient.connect({ port: sidecar.port })),
    )) as [RespClient, RespClient, RespClient];
    blocked.request("BLPOP", "nothing", "10");
    await multi.command("MULTI");
    await multi.command("SET", "k", "v");
    // A listener whose upstream half waits for an answer is no exception.
    await listener.command("HELLO", 3);
    listener.request("SUBSCRIBE", "socketio");
    await listener.next();
    listener.request("BLPOP", "nothing", "10");
    await new Promise((resolve) => setTimeout(resolve, 50));
    line.cut();
    for (const client of [blocked, multi, listener]) await client.closed(2_000);
  }));

test("the server is not there yet: clear errors, then everything works without a restart", async () => {
  const port = await freePort();
  const sidecar = await startSidecar({
    upstream: `redis://127.0.0.1:${port}`,
    env: { KEYFRAME_DIAL_TIMEOUT: "500ms" },
  });
  try {
    const early = await RespClient.connect({ port: sidecar.port });
    assert.match(String(await early.text("GET", "k")), /^-ERR keyframe: .*ECONNREFUSED/);
    await early.closed();
    const listener = await RespClient.connect({ port: sidecar.port });
    listener.request("SUBSCRIBE", "socketio");
    const publisher = await RespClient.connect({ port: sidecar.port });
    publisher.request("PUBLISH", "socketio", "early");
    await assert.rejects(listener.next(200), /no value within/);
    const server = await startServer({ port });
    try {
      assert.deepEqual(plain(await listener.next()), ["subscribe", "socketio", 1]);
      assert.equal(typeof (await publisher.next()), "number");
      await sidecar.ready();
      const later = await RespClient.connect({ port: sidecar.port });
      assert.equal(await later.text("SET", "k", "v"), "OK");
      assert.equal(typeof (await later.command("PUBLISH", "socketio", "late")), "number");
      await listener.until((value) => (plain(value) as string[])[2] === "late");
      await Promise.all([listener, publisher, later].map((client) => client.close()));
    } finally {
      await server.stop();
    }
  } finally {
    await sidecar.stop();
  }
});
