/**
 * The sidecars' own connections break at any moment, in the middle of batches and of answers. An app may miss frames
 * then, as it would with plain Redis, but never hears one twice or two in the wrong order; what a sidecar could not send
 * it says, in the answer or in its count; and when all is whole again all is heard again.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener } from "../support/apps.js";
import { type FaultProxy, type ProxiedConnection, startFaultProxy } from "../support/fault-proxy.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let server: Server;
let lineA: FaultProxy;
let lineB: FaultProxy;
let a: Sidecar;
let b: Sidecar;
before(async () => {
  server = await startServer();
  lineA = await startFaultProxy({ target: server.port });
  lineB = await startFaultProxy({ target: server.port });
  a = await startSidecar({ upstream: lineA.url });
  b = await startSidecar({ upstream: lineB.url });
  await Promise.all([a.ready(), b.ready()]);
});
after(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await Promise.all([lineA?.stop(), lineB?.stop()]);
  await server?.stop();
});

const named = (name: string) => (connection: ProxiedConnection) => connection.sent(`keyframe-${name}`);

interface Sent {
  payload: string;
  answered: boolean;
}

/** One chat at A, one frame after the other; an error as an answer is no failure here. */
async function talk(name: string, room: string, going: () => boolean): Promise<Sent[]> {
  const app = await RespClient.connect({ port: a.port, deadlineMs: 15_000 });
  const sent: Sent[] = [];
  const ids = { chat: name, message: name, host: `host-${name}` };
  for (let i = 0; going(); i++) {
    const payload = i % 4 === 3 ? snapshot(text(i), ids) : increment(`${i} `, ids);
    const reply = await app.command("PUBLISH", room, payload);
    sent.push({ payload: payload.toString("latin1"), answered: typeof reply === "number" });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await app.close();
  return sent;
}

/** Publishes three chats for a while and does harm meanwhile; then the last frames of all are waited for. */
async function storm(room: string, harm: () => void): Promise<{ sent: Sent[][]; heard: Record<"a" | "b", string[]> }> {
  const ears = { a: await Listener.on(a.port, room), b: await Listener.on(b.port, room) };
  let going = true;
  const talks = ["x", "y", "z"].map((name) => talk(name, room, () => going));
  for (let i = 0; i < 12; i++) {
    // At other moments each time, and in between long enough to come back.
    await new Promise((resolve) => setTimeout(resolve, 80 + ((i * 37) % 90)));
    harm();
  }
  await Promise.all([a.ready(), b.ready()]);
  going = false;
  const sent = await Promise.all(talks);
  await Promise.all([a.ready(), b.ready()]);
  await eventually("nothing waits", async () => (await a.metric("keyframe_queue_frames")) === 0);
  const app = await RespClient.connect({ port: a.port });
  for (const ear of [ears.a, ears.b]) {
    const last = increment(`the last for ${ear === ears.a ? "a" : "b"}`, { chat: "last", message: room });
    assert.equal(typeof (await app.command("PUBLISH", room, last)), "number");
    await ear.untilMessage(({ payload }) => payload.equals(last), 8_000);
    await ear.settle();
  }
  const heard = { a: ears.a.payloads(), b: ears.b.payloads() };
  await Promise.all([app.close(), ears.a.close(), ears.b.close()]);
  return { sent, heard };
}

function inOrderAndOnce(heard: readonly string[], sent: readonly Sent[][], who: string): void {
  assert.equal(new Set(heard).size, heard.length, `${who} heard a frame twice`);
  for (const [i, chat] of sent.entries()) {
    const places = new Map(chat.map(({ payload }, place) => [payload, place]));
    const own = heard.map((payload) => places.get(payload)).filter((place) => place !== undefined);
    assert.deepEqual(
      own,
      own.toSorted((x, y) => x - y),
      `${who}: the order of chat ${i}`,
    );
  }
}

const undelivered = async (pod: Sidecar) => pod.metric("keyframe_undelivered_frames_total");

test("pod A's publisher is cut again and again: B misses only what A has counted or refused", async () => {
  const before = (await undelivered(a)) + (await undelivered(b));
  const { sent, heard } = await storm("socketio#/#one", () => lineA.cut(named("publisher")));
  inOrderAndOnce(heard.a, sent, "A");
  inOrderAndOnce(heard.b, sent, "B");
  const set = new Set(heard.b);
  const missing = sent.flat().filter(({ payload, answered }) => answered && !set.has(payload));
  const counted = (await undelivered(a)) + (await undelivered(b)) - before;
  assert.ok(missing.length <= counted, `${missing.length} are missing, ${counted} counted`);
  assert.ok((await a.metric("keyframe_upstream_reconnects_total", { connection: "publisher" })) >= 4);
  assert.ok(heard.b.length > sent.flat().length * 0.8, `${heard.b.length} of ${sent.flat().length}`);
});

test("pod B's subscriber is cut again and again: nothing twice, A hears all, B hears again each time", async () => {
  const { sent, heard } = await storm("socketio#/#two", () => lineB.cut(named("subscriber")));
  inOrderAndOnce(heard.b, sent, "B");
  inOrderAndOnce(heard.a, sent, "A");
  const published = sent.flat().map(({ payload }) => payload);
  assert.equal(heard.a.filter((payload) => published.includes(payload)).length, published.length);
  assert.ok(heard.b.length > published.length * 0.2, `${heard.b.length} of ${published.length}`);
});

test("everything of pod A is cut: its apps keep their connections and hear again", async () => {
  const { sent, heard } = await storm("socketio#/#three", () => lineA.cut());
  inOrderAndOnce(heard.a, sent, "A");
  inOrderAndOnce(heard.b, sent, "B");
  assert.ok(heard.b.length > sent.flat().length * 0.5, `${heard.b.length} of ${sent.flat().length}`);
});
