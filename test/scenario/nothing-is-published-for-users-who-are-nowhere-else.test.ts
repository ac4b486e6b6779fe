/**
 * Silence within the shared channel: while a user has no session in another pod, her frames do not leave the pod, although all
 * pods hear the channel. Whoever is let in elsewhere gets the very next frame; a pod that cannot say whom it serves
 * counts as everybody's.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, publishThrough, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { connected, type StateDir, stateDir } from "../support/sessions.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const CHANNEL = "socketio";

let server: Server;
let line: FaultProxy;
const dirs: StateDir[] = [stateDir(), stateDir()];
let a: Sidecar;
let b: Sidecar;
let appA: RespClient;
let appB: RespClient;
let earA: Listener;
let earB: Listener;
before(async () => {
  server = await startServer();
  line = await startFaultProxy({ target: server.port });
  a = await startSidecar({ upstream: server.url, env: dirs[0]!.env });
  b = await startSidecar({ upstream: line.url, env: dirs[1]!.env });
  await Promise.all([a.ready(), b.ready()]);
  appA = await RespClient.connect({ port: a.port, deadlineMs: 20_000 });
  appB = await RespClient.connect({ port: b.port, deadlineMs: 20_000 });
  earA = await Listener.on(a.port, CHANNEL);
  earB = await Listener.on(b.port, CHANNEL);
  await connected(appA, "ann");
  await connected(appB, "ben");
});
after(async () => {
  await Promise.all([appA, appB, earA, earB].map((client) => client?.close()));
  await Promise.all([a, b].map((pod) => pod?.stop()));
  await line?.stop();
  await server?.stop();
  for (const dir of dirs) dir.remove();
});

const frames = (from: number, to: number, user: string): Buffer[] =>
  Array.from({ length: to - from }, (_, i) => {
    const ids = { chat: user, message: user, room: `user:${user}` };
    return (from + i) % 3 === 2 ? snapshot(text(from + i), ids) : increment(`${from + i} `, ids);
  });
const on = (payloads: readonly Buffer[]) => payloads.map((one): [string, Buffer] => [CHANNEL, one]);
const silent = () => a.metric("keyframe_frames_total", { direction: "in", kind: "silent" });
const wire = () => a.metric("keyframe_wire_bytes_total", { direction: "sent" });

/** Publishes one frame at a time until one is silent; returns what was published. */
async function untilSilent(user: string): Promise<Buffer[]> {
  const before = await silent();
  const published: Buffer[] = [];
  await eventually(
    "she is nowhere else: silence",
    async () => {
      published.push(...frames(published.length, published.length + 1, user));
      await publishThrough(a, appA, on(published.slice(-1)));
      return (await silent()) > before;
    },
    15_000,
  );
  return published;
}

test("at home only: nothing on the wire; who is let in elsewhere hears the next frame, from its whole on", async () => {
  const published = await untilSilent("ann");
  const [bytes, quiet] = [await wire(), await silent()];
  const more = frames(100, 160, "ann");
  await publishThrough(a, appA, on(more));
  assert.equal(await wire(), bytes);
  assert.equal((await silent()) - quiet, 60);
  await earA.until(published.length + 60);
  sameFrames(earA.payloads(), [...published, ...more], "at home");
  assert.equal(earB.heard.length, 0, "before there was silence, her frames were passed over");
  await earB.settle();

  // What is everybody's, or another user's, is published all the same.
  const others = [increment("1", { room: "channel:x" }), ...frames(0, 3, "ben")];
  await publishAll(appA, on(others));
  await earB.until(4);
  sameFrames(earB.payloads(), others);

  await connected(appB, "ann", "elsewhere");
  const rest = frames(200, 240, "ann");
  await publishAll(appA, on(rest));
  await earB.until(44);
  sameFrames(earB.payloads().slice(4), rest, "elsewhere");
  assert.equal(await b.metric("keyframe_resyncs_total"), 0, "it had nothing to ask for");
  for (const pod of [a, b]) assert.equal(await pod.metric("keyframe_undelivered_frames_total"), 0);
});

test("a write of a session is answered once the server counts the pod, after the longest wait in any case", async () => {
  await untilSilent("eve");
  const subscriber = (connection: { sent(text: string): boolean }) => connection.sent("keyframe-subscriber");
  line.pause("down", subscriber);
  const began = performance.now();
  const late = appB.command("HSET", "open-webui:session_pool", "sid-eve", '{"id": "eve"}');
  // Other connections, and what this one asked before, are not held up.
  const other = await RespClient.connect({ port: b.port });
  assert.equal(await other.command("HLEN", "open-webui:session_pool"), 3);
  await other.close();
  assert.equal(await late, 1);
  const waited = performance.now() - began;
  assert.ok(waited > 200, `answered after ${waited.toFixed(0)} ms`);
  assert.equal(await b.metric("keyframe_limit_hits_total", { limit: "roomWaitMs" }), 1);
  line.resume();
  // The server has counted it nevertheless: only its word was late.
  earB.heard.length = 0;
  await publishAll(appA, on(frames(300, 305, "eve")));
  await earB.until(5);
  await connected(appB, "eve", "a-second-tab");
  assert.equal(
    await b.metric("keyframe_limit_hits_total", { limit: "roomWaitMs" }),
    1,
    "a user who is known waits for nothing",
  );
});

test("cut off and back again: counted in all its rooms before anything is silent", async () => {
  line.cut();
  await b.ready();
  await eventually(
    "it is counted",
    async () =>
      (await server.cli("PUBSUB", "NUMSUB", "~kf1~to~", "~kf1~to~user:ann", `~kf1~${CHANNEL}`)) ===
      ["~kf1~to~", "2", "~kf1~to~user:ann", "2", `~kf1~${CHANNEL}`, "2"].join("\n"),
  );
  earB.heard.length = 0;
  const payloads = frames(400, 440, "ann");
  await publishAll(appA, on(payloads));
  await earB.until(40);
  sameFrames(earB.payloads(), payloads);
});

test("one pod that cannot say whom it serves, with a sidecar or without: nothing is silent any more", async () => {
  await untilSilent("fay");
  const blind = await startSidecar({ upstream: server.url });
  await blind.ready();
  const ear = await Listener.on(blind.port, CHANNEL);
  const payloads = frames(500, 520, "fay");
  await publishAll(appA, on(payloads));
  await ear.until(20);
  sameFrames(ear.payloads(), payloads, "with a sidecar");
  await ear.close();
  await blind.stop();

  await untilSilent("gil");
  const plain = await Listener.on(server.port, CHANNEL);
  const more = frames(600, 620, "gil");
  await publishAll(appA, on(more));
  await plain.until(20);
  sameFrames(plain.payloads(), more, "without");
  await plain.close();
});
