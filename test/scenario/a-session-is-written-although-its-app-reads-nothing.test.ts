/**
 * Accident 13: Open WebUI writes each user's session with an HSET in its event loop, and while it waits for the answer it
 * reads nothing of its subscriber. Whatever waits for that subscriber, the HSET is answered: nothing of one connection
 * is held up for another.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll } from "../support/apps.js";
import { increment } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";
import { eventually } from "../support/wait.js";

let pods: TwoPods;
before(async () => {
  pods = await twoPods();
});
after(() => pods?.stop());

test("each HSET is answered while megabytes wait for the subscriber, which then hears them all in order", async () => {
  const ear = await Listener.on(pods.b.port, "socketio");
  const app = await RespClient.connect({ port: pods.b.port, deadlineMs: 5_000 });
  const other = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  ear.client.socket.pause();
  const frames = Array.from({ length: 400 }, (_, i) =>
    increment(`${i} ${"word ".repeat(3_000)}`, { chat: `chat-${i % 5}` }),
  );
  for (let user = 0; user < 20; user++) {
    await publishAll(
      other,
      frames.slice(user * 20, user * 20 + 20).map((frame) => ["socketio", frame]),
    );
    const session = JSON.stringify({ id: `user-${user}`, last_seen_at: user });
    assert.equal(await app.command("HSET", "open-webui:session_pool", `sid-${user}`, session), 1);
  }
  await eventually("much waits for it", async () => (await pods.b.metric("keyframe_unread_bytes")) > 1_000_000);
  assert.equal(await app.command("HLEN", "open-webui:session_pool"), 20);

  ear.client.socket.resume();
  const heard = (await ear.until(frames.length, 20_000)).map(({ payload }) => payload);
  for (let chat = 0; chat < 5; chat++) {
    const mark = Buffer.from(`"chat-${chat}"`);
    const of = (payloads: readonly Buffer[]) => payloads.filter((payload) => payload.includes(mark));
    assert.deepEqual(of(heard), of(frames), `chat ${chat}`);
  }
  await Promise.all([ear.close(), app.close(), other.close()]);
});
