/**
 * Silence: while no other pod listens to a channel, its frames do not leave the pod, and its own apps hear them all the same.
 * Who joins gets the very next frame; who has just been there is not forgotten while it may come back.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { audience, Listener, publishAll, publishThrough, sameFrames } from "../support/apps.js";
import { increment, snapshot, text } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";
import { eventually } from "../support/wait.js";

let pods: TwoPods;
let app: RespClient;
before(async () => {
  pods = await twoPods();
  app = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
});
after(async () => {
  await app?.close();
  await pods?.stop();
});

const frames = (from: number, to: number, name: string): Buffer[] =>
  Array.from({ length: to - from }, (_, i) =>
    (from + i) % 3 === 2
      ? snapshot(text(from + i), { chat: name, message: name })
      : increment(`${from + i} `, { chat: name }),
  );
const on = (channel: string, payloads: readonly Buffer[]) => payloads.map((one): [string, Buffer] => [channel, one]);
const silent = () => pods.a.metric("keyframe_frames_total", { direction: "in", kind: "silent" });

/** Publishes one frame at a time until one is silent; returns what was published. */
async function untilSilent(channel: string): Promise<Buffer[]> {
  const before = await silent();
  const published: Buffer[] = [];
  await eventually(
    "nobody else is there: silence",
    async () => {
      published.push(...frames(published.length, published.length + 1, channel));
      await publishThrough(pods.a, app, on(channel, published.slice(-1)));
      return (await silent()) > before;
    },
    15_000,
  );
  return published;
}

test("alone: nothing on the wire, everything at home; who joins hears the next frame whole, and then deltas", async () => {
  const channel = "socketio#/#user:alone";
  const home = await Listener.on(pods.a.port, channel);
  const published = await untilSilent(channel);
  const [wire, quiet] = [await pods.a.metric("keyframe_wire_bytes_total", { direction: "sent" }), await silent()];
  const more = frames(100, 160, channel);
  await publishThrough(pods.a, app, on(channel, more));
  assert.equal(await pods.a.metric("keyframe_wire_bytes_total", { direction: "sent" }), wire);
  assert.equal((await silent()) - quiet, 60);
  sameFrames(
    (await home.until(published.length + 60)).map(({ payload }) => payload.toString("latin1")),
    [...published, ...more],
    "at home",
  );

  const late = await Listener.on(pods.b.port, channel);
  const rest = frames(200, 240, channel);
  await publishAll(app, on(channel, rest));
  sameFrames(
    (await late.until(40)).map(({ payload }) => payload.toString("latin1")),
    rest,
    "who joined",
  );
  assert.equal(await pods.b.metric("keyframe_resyncs_total"), 0, "it had nothing to ask for");
  assert.equal(await pods.b.metric("keyframe_undelivered_frames_total"), 0);
  await home.until(published.length + 100);

  // Gone a moment ago: it may have been cut off, and asks for what it has missed when it comes back.
  await late.close();
  await eventually("the server has let it go", async () =>
    (await pods.server.cli("PUBSUB", "NUMSUB", channel)).endsWith("1"),
  );
  const before = await silent();
  await publishThrough(pods.a, app, on(channel, frames(300, 310, channel)));
  assert.equal(await silent(), before);
  await home.close();
});

test("a channel that nobody at all listens to: nothing is published, and each PUBLISH says 0", async () => {
  const channel = "socketio#/#chat:nobody";
  await untilSilent(channel);
  assert.equal(await app.command("PUBLISH", channel, increment("x", { chat: "nobody" })), 0);
});

test("a plain subscriber, a pattern and a listener of our side channels each end the silence", async () => {
  for (const [what, join] of [
    ["plain", async (channel: string) => Listener.on(pods.server.port, channel)],
    ["pattern", async () => Listener.onPattern(pods.server.port, "socketio#/#user:joins*")],
  ] as const) {
    const channel = `socketio#/#user:joins-${what}`;
    await untilSilent(channel);
    const guest = await join(channel);
    const payloads = frames(0, 30, channel);
    await publishAll(app, on(channel, payloads));
    sameFrames(
      (await guest.until(30)).map(({ payload }) => payload.toString("latin1")),
      payloads,
      what,
    );
    await guest.close();
  }
  const channel = "socketio#/#user:joins-side";
  await untilSilent(channel);
  const sidecar = await audience(pods.server.port, channel);
  const before = await silent();
  await publishThrough(pods.a, app, on(channel, frames(0, 10, channel)));
  assert.equal(await silent(), before);
  await sidecar.close();
});
