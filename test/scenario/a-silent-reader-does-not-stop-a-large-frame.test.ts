/**
 * A pod that is stopped reads nothing. A large frame waits for it, but not for good: the others get it, what the silent one
 * has not read stays below what the server drops it for while there is hope, and awake again it has lost nothing uncounted.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, sameFrames } from "../support/apps.js";
import { increment } from "../support/frames.js";
import { droppedClients, hasEnded, largeFrame, PUBSUB_LIMIT, undelivered } from "../support/large.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let server: Server;
let pods: Sidecar[] = [];
before(async () => {
  server = await startServer({ args: PUBSUB_LIMIT });
  const env = { KEYFRAME_LARGE_WAIT: "2s", KEYFRAME_LARGE_WINDOW: "256KiB", KEYFRAME_CANARY_TIMEOUT: "1m" };
  pods = await Promise.all([0, 1, 2].map(() => startSidecar({ upstream: server.url, env })));
  await Promise.all(pods.map((pod) => pod.ready()));
});
after(async () => {
  await Promise.all(pods.map((pod) => pod.stop()));
  await server?.stop();
});

test("one pod is stopped in the middle of a large frame", async () => {
  const room = "socketio#/#user:silent";
  const [sender, reader, silent] = pods as [Sidecar, Sidecar, Sidecar];
  const listeners = await Promise.all([reader, silent].map((pod) => Listener.on(pod.port, room)));
  const app = await RespClient.connect({ port: sender.port, deadlineMs: 30_000 });
  const ids = { chat: "chat-silent", host: "host-silent" };
  const first = increment("first ", ids);
  await app.command("PUBLISH", room, first);
  for (const listener of listeners) await listener.until(1);

  process.kill(silent.pid, "SIGSTOP");
  const large = largeFrame(6_000_000, "dense", ids);
  const began = performance.now();
  assert.equal(await app.text("PUBLISH", room, large), 2);
  await listeners[0]!.until(2, 30_000);
  assert.ok(performance.now() - began >= 1_900, "it is waited for first");
  assert.equal(await sender.metric("keyframe_large_silent_readers_total"), 1);
  await sender.logged("large-frame-readers-silent");
  await hasEnded(sender);
  process.kill(silent.pid, "SIGCONT");

  // What it has not read the server still has: less than its limit.
  await listeners[1]!.until(2, 30_000);
  const last = increment("last ", ids);
  await app.command("PUBLISH", room, last);
  for (const listener of listeners) {
    await listener.until(3, 30_000);
    await listener.settle();
    sameFrames(listener.payloads(), [first, large, last]);
  }
  assert.equal(await droppedClients(server), 0);
  for (const pod of pods) assert.deepEqual(await undelivered(pod), {});

  // Awake again, it is waited for again: the next large frame waits for nobody.
  const again = largeFrame(2_000_000, "dense", { ...ids, message: "again" });
  await app.command("PUBLISH", room, again);
  for (const listener of listeners) await listener.until(4, 30_000);
  await eventually("all have confirmed", async () => (await sender.metric("keyframe_large_bytes")) === 0);
  assert.equal(await sender.metric("keyframe_large_silent_readers_total"), 1);
  await Promise.all([app.close(), ...listeners.map((listener) => listener.close())]);
});
