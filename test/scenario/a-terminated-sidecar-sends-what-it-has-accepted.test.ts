/**
 * A frame whose PUBLISH was answered is a promise. The pod's end comes while its apps go on publishing, and an app's end
 * of sending comes while its last frames are on their way.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Listener, sameFrames } from "../support/apps.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { increment } from "../support/frames.js";
import { plain, RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

interface Stage {
  server: Server;
  line: FaultProxy;
  a: Sidecar;
  b: Sidecar;
}

/** Pod A's way to the server is slow, so that there is always something under way. */
async function withSlowLine(story: (stage: Stage) => Promise<void>): Promise<void> {
  const server = await startServer();
  const line = await startFaultProxy({ target: server.port });
  const a = await startSidecar({ upstream: line.url });
  const b = await startSidecar({ upstream: server.url });
  try {
    await Promise.all([a.ready(), b.ready()]);
    line.delay(20);
    await story({ server, line, a, b });
  } finally {
    await Promise.all([a.stop(), b.stop()]);
    await line.stop();
    await server.stop();
  }
}

const room = (i: number) => `socketio#/#user:${i}`;

test("SIGTERM while apps go on publishing: what was answered arrives, once, and the exit code is 0", () =>
  withSlowLine(async ({ a, b }) => {
    const ear = await Listener.on(b.port, room(0), room(1), room(2));
    const answered: string[][] = [[], [], []];
    const publishers = answered.map(async (mine, i) => {
      const app = await RespClient.connect({ port: a.port });
      try {
        for (let n = 0; ; n++) {
          // Two at a time: the second is answered, or not, on its own.
          const frames = [`${n}a `, `${n}b `].map((text) => increment(text, { chat: `chat-${i}`, message: `m-${i}` }));
          for (const frame of frames) app.request("PUBLISH", room(i), frame);
          for (const frame of frames) {
            const reply = await app.next();
            if (typeof reply === "number") mine.push(frame.toString());
            else return plain(reply);
          }
        }
      } catch (error) {
        return (error as Error).message;
      }
    });
    while (answered.some((mine) => mine.length < 60)) await new Promise((resolve) => setTimeout(resolve, 5));
    const code = await a.stop("SIGTERM");
    const ends = await Promise.all(publishers);
    assert.equal(code, 0, a.logs.join("\n"));
    for (const end of ends) assert.match(String(end), /closed|ECONNRESET|EPIPE|keyframe/);
    // A frame whose answer did not get through may have arrived all the same: one per app at most, behind the others.
    await ear
      .untilMessage(() => answered.every((mine, i) => ear.payloads(room(i)).length >= mine.length), 3_000)
      .catch(() => {});
    await ear.settle();
    for (const [i, mine] of answered.entries()) {
      const heard = ear.payloads(room(i));
      sameFrames(heard.slice(0, mine.length), mine, `app ${i}`);
      assert.ok(heard.length <= mine.length + 2 && new Set(heard).size === heard.length);
    }
    await ear.close();
  }));

test("an app that ends its sending still reads every answer, and its frames arrive", () =>
  withSlowLine(async ({ a, b }) => {
    const ear = await Listener.on(b.port, room(1));
    const app = await RespClient.connect({ port: a.port });
    app.socket.allowHalfOpen = true;
    const frames = Array.from({ length: 40 }, (_, i) => increment(`${i} `));
    app.request("SET", "k", "v");
    for (const frame of frames) app.request("PUBLISH", room(1), frame);
    app.request("BLPOP", "nothing-there", "0.2");
    app.request("GET", "k");
    app.request("PUBLISH", room(1), "last");
    app.socket.end();
    const replies = (await app.take(44)).map(plain);
    assert.deepEqual([replies[0], replies[41], replies[42]], ["OK", null, "v"]);
    assert.ok([...replies.slice(1, 41), replies[43]].every((reply) => reply === 1));
    await app.closed();
    sameFrames(
      (await ear.until(41)).map(({ payload }) => payload.toString("latin1")),
      [...frames, "last"],
    );
    await ear.close();
  }));

test("an app that listens and ends its sending is let go in time", () =>
  withSlowLine(async ({ a, server }) => {
    const app = await RespClient.connect({ port: a.port });
    await app.command("SUBSCRIBE", room(1));
    app.socket.allowHalfOpen = true;
    app.socket.end();
    await app.closed(2_000);
    const direct = await RespClient.connect({ port: server.port });
    for (let left = 1; left !== 0; ) left = Number(((await direct.text("PUBSUB", "NUMSUB", room(1))) as unknown[])[1]);
    await direct.close();
  }));
