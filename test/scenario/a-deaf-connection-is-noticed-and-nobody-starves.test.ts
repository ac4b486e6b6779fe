/**
 * A connection that is open and hears nothing: the server closed it unseen, or a failover left it on a node that is no
 * longer the master. The sidecar's canary notices, readiness says so, the connections are made anew, and until then
 * other pods get every frame. Accidents 3 and 4.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Listener } from "../support/apps.js";
import { type FaultProxy, type ProxiedConnection, startFaultProxy } from "../support/fault-proxy.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const env = { KEYFRAME_CANARY: "250ms", KEYFRAME_CANARY_TIMEOUT: "750ms" };
const subscriber = (connection: ProxiedConnection) => connection.sent("keyframe-subscriber");
const publisher = (connection: ProxiedConnection) => connection.sent("keyframe-publisher");

interface Scene {
  server: Server;
  line: FaultProxy;
  a: Sidecar;
  b: Sidecar;
}

/** A's connections go through a proxy, B's do not. */
async function scene(story: (scene: Scene) => Promise<void>): Promise<void> {
  const server = await startServer();
  const line = await startFaultProxy({ target: server.port });
  const a = await startSidecar({ upstream: line.url, env });
  const b = await startSidecar({ upstream: server.url, env });
  try {
    await Promise.all([a.ready(), b.ready()]);
    await story({ server, line, a, b });
  } finally {
    line.resume();
    await Promise.all([a.stop(), b.stop()]);
    await line.stop();
    await server.stop();
  }
}

test("the server kills A's subscriber unseen, B joins in the middle: B hears every frame from its join on, A comes back", () =>
  scene(async ({ server, line, a, b }) => {
    const own = await Listener.on(a.port, "socketio");
    const app = await RespClient.connect({ port: a.port });
    const publish = (payload: Buffer) => app.command("PUBLISH", "socketio", payload);
    for (let i = 0; i < 20; i++) await publish(increment(`${i} `));
    await own.until(20);
    const victim = line.connections().find(subscriber);
    line.pause("down", ({ id }) => id === victim?.id);
    const clients = await server.cli("CLIENT", "LIST", "TYPE", "PUBSUB");
    const [id] = clients.split("\n").filter((one) => one.includes("name=keyframe-subscriber"));
    // Both sidecars have such a connection; A's is the one that is subscribed to socketio.
    const lines = clients.split("\n").filter((one) => Number(/\bsub=(\d+)/.exec(one)?.[1]) > 2);
    assert.equal(lines.length, 1, id);
    await server.cli("CLIENT", "KILL", "ID", /\bid=(\d+)/.exec(lines[0]!)![1]!);
    const late = await Listener.on(b.port, "socketio");
    const sent: Buffer[] = [];
    for (let i = 20; i < 40; i++) {
      sent.push(increment(`${i} `));
      await publish(sent.at(-1)!);
    }
    const heard = await late.until(20);
    assert.deepEqual(
      heard.map(({ payload }) => payload),
      sent,
    );
    // Whichever noticed first: the script, which counts the inbox, or the canary.
    await eventually("A has a new subscriber", async () => {
      return (await a.metric("keyframe_upstream_reconnects_total", { connection: "subscriber" })) >= 1;
    });
    line.resume();
    await a.ready();
    await publish(increment("after "));
    await own.untilMessage(({ payload }) => payload.equals(increment("after ")));
    assert.equal(await a.metric("keyframe_undelivered_frames_total", { reason: "hold_timeout" }), 0);
    await Promise.all([own.close(), late.close(), app.close()]);
  }));

test("nobody publishes: the canary alone notices, readiness says no, and the connections are made anew", () =>
  scene(async ({ server, line, a }) => {
    const own = await Listener.on(a.port, "socketio");
    line.pause("down", subscriber);
    const status = async () => (await fetch(`${a.adminUrl}/readyz`)).status;
    await eventually("readiness says no", async () => (await status()) === 503);
    await a.logged("canary-failed");
    assert.ok((await a.metric("keyframe_canary_failures_total", { reason: "unheard" })) >= 1);
    line.resume();
    await a.ready();
    assert.ok((await a.metric("keyframe_canary_age_seconds")) < 1);
    await server.cli("PUBLISH", "socketio", "plain");
    await own.untilMessage(({ payload }) => payload.toString() === "plain");
    await own.close();
  }));

test("FAILOVER cuts nobody and leaves publisher and subscriber on different nodes: noticed, and nobody starves", async (t) => {
  const first = await startServer();
  const second = await startServer({ args: ["--replicaof", `127.0.0.1 ${first.port}`] });
  const line = await startFaultProxy({ target: first.port });
  const [a, b] = [await startSidecar({ upstream: line.url, env }), await startSidecar({ upstream: line.url, env })];
  try {
    await Promise.all([a.ready(), b.ready()]);
    const ears = [await Listener.on(a.port, "socketio"), await Listener.on(b.port, "socketio")];
    const app = await RespClient.connect({ port: a.port });
    await eventually("the replica is in step", async () => /state=online/.test(await first.cli("INFO", "replication")));
    await app.command("PUBLISH", "socketio", snapshot(text(1)));
    line.retarget(second.port);
    // The publisher alone moves; the subscriber stays with what is to become a replica.
    await first.cli("FAILOVER");
    await eventually("the second is the master", async () =>
      /role:master/.test(await second.cli("INFO", "replication")),
    );
    line.cut(publisher);
    for (let i = 2; i < 60; i++) {
      await app.command("PUBLISH", "socketio", snapshot(text(i)));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const final = snapshot(`${text(60)} final`);
    await eventually("both have made their connections anew", async () => {
      const failures = await Promise.all([a, b].map((pod) => pod.metric("keyframe_canary_failures_total")));
      const resets = await Promise.all(
        [a, b].map((pod) => pod.metric("keyframe_upstream_reconnects_total", { connection: "subscriber" })),
      );
      return failures.every((n) => n > 0) || resets.every((n) => n > 0);
    });
    await Promise.all([a.ready(), b.ready()]);
    await app.command("PUBLISH", "socketio", final);
    for (const ear of ears) {
      const heard = (await ear.untilMessage(({ payload }) => payload.equals(final))).map(({ payload }) =>
        String(payload),
      );
      assert.equal(new Set(heard).size, heard.length, "nothing twice");
      // While the two are on different nodes, and while they are made anew, the chat goes on for everybody.
      let longest = 0;
      for (let i = 1, unheard = 0; i < 60; i++) {
        unheard = heard.includes(String(snapshot(text(i)))) ? 0 : unheard + 1;
        longest = Math.max(longest, unheard);
      }
      t.diagnostic(`heard ${heard.length} of 60 frames, ${longest} in a row were not`);
      assert.ok(longest < 40, `${longest} of 60 frames in a row were not heard`);
    }
    for (const pod of [a, b]) {
      // At the old node the inbox has no listener that the new one counts; or that node says that it is no master.
      assert.ok((await pod.metric("keyframe_upstream_reconnects_total", { connection: "subscriber" })) >= 1);
    }
    await Promise.all([...ears.map((ear) => ear.close()), app.close()]);
  } finally {
    await Promise.all([a.stop(), b.stop()]);
    await line.stop();
    await Promise.all([first.stop(), second.stop()]);
  }
});
