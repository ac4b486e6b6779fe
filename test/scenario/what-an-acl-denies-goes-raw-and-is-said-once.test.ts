/**
 * Scripts or side channels denied to the sidecar's user at one end only, the publishing or the listening one: every frame
 * still arrives once and in order, raw; one log line and one metric say why; and what the app itself may not do it is
 * told in the server's own words.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { denialsOf, documentedRights, userWith } from "../support/acl.js";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { increment, snapshot, text } from "../support/frames.js";
import { plain, RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

const full = documentedRights()[0] ?? [];
const without = (...rights: string[]) => full.filter((word) => !rights.includes(word));
const noScript = without("+evalsha", "+eval");
const noSide = without("&~kf1~*", "&~kf1~socketio#*");

let server: Server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

interface Ends {
  a: Sidecar;
  b: Sidecar;
}

let scenes = 0;

/** A publishes, B listens, each as a user of its own. */
async function ends(publishing: readonly string[], listening: readonly string[], story: (pods: Ends) => Promise<void>) {
  const scene = ++scenes;
  const a = await startSidecar({ upstream: await userWith(server, `publishing-${scene}`, publishing) });
  const b = await startSidecar({ upstream: await userWith(server, `listening-${scene}`, listening) });
  try {
    await Promise.all([a.ready(), b.ready()]);
    await story({ a, b });
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
}

const rooms = ["socketio", "socketio#/#user:1", "socketio#/#chat:1"];

/** Two kinds of streams on three channels, in several writes, while listeners at B come and go; returns A's deltas. */
async function talk({ a, b }: Ends): Promise<number> {
  const before = await a.metric("keyframe_frames_total", { direction: "in", kind: "delta" });
  const app = await RespClient.connect({ port: a.port });
  for (let round = 0; round < 4; round++) {
    const ears = await Promise.all(rooms.map((room) => Listener.on(b.port, room)));
    const frames: [string, Buffer][] = [];
    for (let i = 0; i < 15; i++) {
      for (const room of rooms) {
        const ids = { chat: room, message: `${room} ${round}` };
        frames.push([room, i % 3 === 2 ? snapshot(text(round * 20 + i), ids) : increment(`${i} `, ids)]);
      }
    }
    for (const reply of await publishAll(app, frames)) assert.equal(typeof reply, "number", `answered ${plain(reply)}`);
    for (const [at, ear] of ears.entries()) {
      const own = frames.filter(([room]) => room === rooms[at]).map(([, payload]) => payload);
      await ear.until(own.length);
      await ear.settle();
      sameFrames(ear.payloads(), own, `${rooms[at]} in round ${round}`);
    }
    await Promise.all(ears.map((ear) => ear.close()));
  }
  await app.close();
  return (await a.metric("keyframe_frames_total", { direction: "in", kind: "delta" })) - before;
}

const lines = (pod: Sidecar, event: string) => pod.logs.filter((line) => line.includes(`"event":"${event}"`));
const refused = (pod: Sidecar, reason: string) => pod.metric("keyframe_refused_batches_total", { reason });

test("nothing is denied at either end: deltas", () =>
  ends(full, full, async (pods) => {
    assert.ok((await talk(pods)) > 100);
    assert.deepEqual(lines(pods.a, "script-denied"), []);
    assert.equal(await refused(pods.a, "script_denied"), 0);
  }));

test("scripts denied to who publishes: raw, said once", () =>
  ends(noScript, full, async (pods) => {
    assert.equal(await talk(pods), 0);
    assert.equal(lines(pods.a, "script-denied").length, 1, lines(pods.a, "script-denied").join("\n"));
    assert.equal(await refused(pods.a, "script_denied"), 1);
    assert.deepEqual(lines(pods.b, "script-denied"), []);
    assert.equal(await pods.b.metric("keyframe_undelivered_frames_total"), 0);
  }));

test("scripts denied to who only listens: deltas all the same", () =>
  ends(full, noScript, async (pods) => {
    assert.ok((await talk(pods)) > 100);
    assert.deepEqual(lines(pods.b, "script-denied"), []);
  }));

test("side channels denied to who publishes: raw, said once for a channel", () =>
  ends(noSide, full, async (pods) => {
    assert.equal(await talk(pods), 0);
    const said = lines(pods.a, "channel-raw");
    assert.equal(said.length, rooms.length, said.join("\n"));
    for (const room of rooms) {
      const own = said.filter((line) => JSON.parse(line).channel === room);
      assert.deepEqual(
        own.map((line) => JSON.parse(line).reason),
        ["unreachable"],
        room,
      );
    }
    // Once a channel, too: what is known to be denied is not tried again.
    const batches = (await pods.a.metric("keyframe_refused_batches_total")) as number;
    assert.ok(batches >= 1 && batches <= rooms.length, `${batches} batches were refused`);
    assert.equal(await pods.b.metric("keyframe_undelivered_frames_total"), 0);
  }));

test("side channels denied to who listens: its apps subscribe themselves, everything is raw, the counts say so", () =>
  ends(full, noSide, async (pods) => {
    assert.equal(await talk(pods), 0);
    for (const room of rooms) {
      const said = lines(pods.b, "subscription-denied").filter((line) => JSON.parse(line).channel === room);
      assert.ok(said.length >= 1, `nothing is said of ${room}`);
    }
    assert.ok((await refused(pods.a, "mixed_fleet")) >= rooms.length);
    assert.equal(await pods.a.metric("keyframe_undelivered_frames_total"), 0);
  }));

test("what the app itself may not do is answered in the server's own words", () =>
  ends(without("&socketio#*"), full, async ({ a }) => {
    const user = `publishing-${scenes}`;
    const app = await RespClient.connect({ port: a.port });
    const direct = await RespClient.connect({ port: server.port });
    assert.equal(await direct.text("AUTH", user, "pw"), "OK");
    for (const request of [
      ["PUBLISH", "socketio#/#user:1", "payload"],
      ["SUBSCRIBE", "socketio#/#user:1"],
      ["PSUBSCRIBE", "socketio#*"],
      ["PSUBSCRIBE", "socket.io#*"],
      ["PUBLISH", "else", "payload"],
      ["GET", "key"],
      ["CONFIG", "GET", "save"],
      ["EVAL", "return redis.call('GET', 'key')", "0"],
    ]) {
      const [through, expected] = [await app.text(...request), await direct.text(...request)];
      assert.match(JSON.stringify(expected), /NOPERM|ACL failure/, request.join(" "));
      assert.deepEqual(through, expected, request.join(" "));
    }
    assert.ok((await denialsOf(server, user)).length > 4);
    await Promise.all([app.close(), direct.close()]);
  }));
