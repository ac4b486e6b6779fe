/** Slow readers, too many connections, large values, an end in the middle: bounded, and said in the metrics. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { type TwoPods, twoPods } from "../support/pods.js";
import { plain, RespClient, RespError } from "../support/resp-client.js";
import { startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";
import { hear, listen } from "../support/streams.js";
import { eventually } from "../support/wait.js";

async function withPods(env: Record<string, string>, story: (pods: TwoPods) => Promise<void>): Promise<void> {
  const pods = await twoPods({ env });
  try {
    await story(pods);
  } finally {
    await pods.stop();
  }
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

test("a subscriber that never reads is closed at its limit; others hear everything", () =>
  withPods({ KEYFRAME_SUBSCRIBER_BUFFER_BYTES: "1MiB" }, async (pods) => {
    const good = await listen(pods.b.port);
    const deaf = connect({ port: pods.b.port, host: "127.0.0.1" });
    deaf.pause();
    deaf.write("*2\r\n$9\r\nSUBSCRIBE\r\n$8\r\nsocketio\r\n");
    await eventually("both listen", async () => (await pods.b.metric("keyframe_local_subscribers")) === 2);
    const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
    const payload = Buffer.alloc(200_000, "x");
    for (let i = 0; i < 100; i++) await publisher.command("PUBLISH", "socketio", payload);
    assert.equal((await hear(good, 100)).length, 100);
    await eventually(
      "the deaf one is closed",
      async () => (await pods.b.metric("keyframe_connections_closed_total", { reason: "slow" })) === 1,
    );
    assert.equal(await pods.b.metric("keyframe_limit_hits_total", { limit: "subscriberBufferBytes" }), 1);
    await pods.b.logged("subscriber-too-slow");
    deaf.destroy();
    await Promise.all([good.close(), publisher.close()]);
  }));

test("one connection too many is told so, as the server would", () =>
  withPods({ KEYFRAME_MAX_CONNECTIONS: "3" }, async (pods) => {
    const clients = await Promise.all([1, 2, 3].map(() => RespClient.connect({ port: pods.a.port })));
    for (const client of clients) assert.equal(await client.text("PING"), "PONG");
    const refused = await RespClient.connect({ port: pods.a.port });
    const said = await refused.next();
    assert.ok(said instanceof RespError);
    assert.match(String(plain(said)), /max number of clients reached/);
    await refused.closed();
    await clients[0]?.close();
    const again = await eventually("room for another", async () => {
      const client = await RespClient.connect({ port: pods.a.port });
      if ((await client.text("PING")) === "PONG") return client;
      return undefined;
    });
    await Promise.all([again, clients[1], clients[2]].map((client) => client?.close()));
  }));

test("a 60 MB value is streamed both ways past a slow reader, with flat memory", () =>
  withPods({}, async (pods) => {
    const client = await RespClient.connect({ port: pods.a.port, deadlineMs: 60_000 });
    await client.command("SET", "warm", Buffer.alloc(20_000_000, "w"));
    const before = residentBytes(pods.a.pid);
    const value = Buffer.alloc(60_000_000, "v");
    assert.equal(await client.text("SET", "big", value), "OK");
    client.socket.pause();
    client.request("GET", "big");
    await eventually("the server has sent what anyone takes", async () => {
      const list = await pods.server.cli("CLIENT", "LIST");
      return /omem=[1-9]\d{6}/.test(list) || /cmd=get/.test(list);
    });
    const during = residentBytes(pods.a.pid);
    client.socket.resume();
    assert.ok(((await client.next()) as Buffer).equals(value));
    assert.ok(during - before < 40_000_000, `grown by ${((during - before) / 1e6).toFixed(0)} MB`);
    await client.close();
  }));

test("commands, then the end of sending: all replies still come", () =>
  withPods({}, async (pods) => {
    const client = await RespClient.connect({ port: pods.a.port });
    client.socket.allowHalfOpen = true;
    for (let i = 0; i < 50; i++) client.request("INCR", "n");
    client.socket.end();
    const replies = await client.take(50);
    assert.deepEqual(
      replies.map(plain),
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    await client.closed();
  }));

test("SIGTERM: frames that were accepted arrive, then the process ends with 0", () =>
  withPods({}, async (pods) => {
    const subscriber = await listen(pods.b.port);
    const publisher = await RespClient.connect({ port: pods.a.port });
    await publisher.command("PUBLISH", "socketio", "first");
    process.kill(pods.server.pid, "SIGSTOP");
    for (let i = 0; i < 100; i++) publisher.request("PUBLISH", "socketio", `frame ${i}`);
    await publisher.take(100);
    const ended = pods.a.stop("SIGTERM");
    process.kill(pods.server.pid, "SIGCONT");
    assert.equal(await ended, 0);
    assert.deepEqual((await hear(subscriber, 101)).map(String), [
      "first",
      ...Array.from({ length: 100 }, (_, i) => `frame ${i}`),
    ]);
    await subscriber.close();
  }));

test("the server restarts: subscribers keep their connection and hear again, readiness says what is true", () =>
  withPods({}, async (pods) => {
    const subscriber = await listen(pods.b.port);
    const port = pods.server.port;
    await pods.server.stop("SIGKILL");
    await eventually("not ready", async () => (await fetch(`${pods.b.adminUrl}/readyz`)).status === 503);
    // A PING with nothing pending is answered without the server: redis-py checks its connections so.
    assert.deepEqual(await subscriber.fence(), []);
    const again = await startServer({ port });
    try {
      await Promise.all([pods.a.ready(), pods.b.ready()]);
      const publisher = await RespClient.connect({ port: pods.a.port });
      await publisher.command("PUBLISH", "socketio", "after");
      assert.deepEqual((await hear(subscriber, 1)).map(String), ["after"]);
      assert.ok((await pods.b.metric("keyframe_upstream_reconnects_total", { connection: "subscriber" })) >= 1);
      await Promise.all([subscriber.close(), publisher.close()]);
    } finally {
      await again.stop();
    }
  }));

for (const [what, url, error] of [
  [
    "nobody listens there",
    (port: number) => `redis://127.0.0.1:${port === 1 ? 2 : 1}/0`,
    /upstream .* cannot be reached: .*ECONNREFUSED/,
  ],
  ["a wrong password", (port: number) => `redis://:wr0ng@127.0.0.1:${port}/0`, /credentials were refused: WRONGPASS/],
  [
    "a wrong database",
    (port: number) => `redis://:secret@127.0.0.1:${port}/99`,
    /database 99 .* was refused: ERR DB index is out of range/,
  ],
] as const) {
  test(`upstream: ${what}: the app is told, readiness is false, no secret is logged`, async () => {
    const server = await startServer({ password: "secret" });
    const sidecar = await startSidecar({ upstream: url(server.port), env: { KEYFRAME_DIAL_TIMEOUT: "500ms" } });
    try {
      await sidecar.logged("upstream-down");
      assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);
      assert.equal((await fetch(`${sidecar.adminUrl}/healthz`)).status, 200);
      const client = await RespClient.connect({ port: sidecar.port });
      assert.match(String(plain(await client.command("GET", "k"))), error);
      const all = sidecar.logs.join("\n") + (await (await fetch(`${sidecar.adminUrl}/readyz`)).text());
      assert.ok(!/wr0ng|secret/.test(all), all);
    } finally {
      await sidecar.stop();
      await server.stop();
    }
  });
}
