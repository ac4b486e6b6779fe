/**
 * Nothing that waits for an app is unbounded: messages for a reader that does not read, also while a reply of its own is
 * only half read, and answers to requests that it keeps sending without reading any.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander, Listener, watchMemory } from "../support/apps.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { encodeRequest, plain, RespClient } from "../support/resp-client.js";
import { eventually } from "../support/wait.js";

let pods: TwoPods;
before(async () => {
  // The server's own limit is not what is looked at: on a busy machine 60 MB may stand before B for a moment.
  const server = { args: ["--client-output-buffer-limit", "pubsub", "0", "0", "0"] };
  pods = await twoPods({ server, env: { KEYFRAME_SUBSCRIBER_BUFFER_BYTES: "2MiB" } });
});
after(() => pods?.stop());

test("messages for a connection that reads only half of its reply", async () => {
  const bystander = await Bystander.at(pods.b.port);
  const good = await Listener.on(pods.b.port, "socketio");
  const writer = await RespClient.connect({ port: pods.server.port, deadlineMs: 20_000 });
  await writer.command("SET", "large", Buffer.alloc(16_000_000, "v"));
  const stuck = await RespClient.connect({ port: pods.b.port });
  await stuck.command("HELLO", 3);
  stuck.request("SUBSCRIBE", "socketio");
  assert.deepEqual(plain(await stuck.next()), { push: ["subscribe", "socketio", 1] });
  const slow = await pods.b.metric("keyframe_connections_closed_total", { reason: "slow" });
  stuck.socket.pause();
  stuck.request("GET", "large");
  await eventually("the reply has begun", () => stuck.socket.bytesWritten > 0);

  const memory = watchMemory(pods.b.pid);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const payload = Buffer.alloc(250_000, "x");
  for (let i = 0; i < 240; i++) assert.equal(await publisher.command("PUBLISH", "socketio", payload), 2 - 1);
  await good.until(240, 20_000);
  await eventually(
    "it is closed",
    async () => (await pods.b.metric("keyframe_connections_closed_total", { reason: "slow" })) === slow + 1,
  );
  const grown = memory.stop();
  assert.ok(grown < 45, `grown by ${Math.round(grown)} MiB while 60 MB were published`);
  stuck.socket.resume();
  await stuck.closed();
  await bystander.stop();
  await Promise.all([good.close(), writer.close(), publisher.close()]);
});

for (const [what, count, request] of [
  ["PINGs of a subscriber", 4_000, ["PING", Buffer.alloc(16_000, "p")]],
  ["refused commands of a subscriber", 200_000, ["GET", "some-key-of-which-the-name-is-long-enough"]],
] as const) {
  test(`${what} that reads no answer: it is not read either, until it reads`, async () => {
    const bystander = await Bystander.at(pods.b.port);
    const app = await RespClient.connect({ port: pods.b.port, deadlineMs: 20_000 });
    await app.command("SUBSCRIBE", "socketio");
    app.socket.pause();
    const memory = watchMemory(pods.b.pid);
    const one = encodeRequest([...request]);
    const some = Buffer.concat(Array.from({ length: count / 100 }, () => one));
    for (let i = 0; i < 100; i++) app.socket.write(some);
    let taken = -1;
    await eventually("no more is taken", async () => {
      const before = taken;
      await new Promise((resolve) => setTimeout(resolve, 200));
      taken = app.socket.writableLength;
      return taken === before;
    });
    const grown = memory.stop();
    assert.ok(app.socket.writableLength > 0, "all of it was taken although no answer was read");
    assert.ok(grown < 32, `grown by ${Math.round(grown)} MiB`);
    app.socket.resume();
    await app.take(count, 15_000);
    assert.deepEqual(await app.fence(), []);
    await bystander.stop();
    await app.close();
  });
}
