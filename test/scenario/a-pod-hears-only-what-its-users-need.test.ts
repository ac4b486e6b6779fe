/**
 * Releases up to 0.11.4 publish every frame on one channel that all pods hear. A sidecar that has seen its app write the
 * sessions of its users passes over what is for others; what concerns everybody, and all of what it cannot be sure
 * of, reaches the apps.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, sameFrames } from "../support/apps.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { connected, type StateDir, stateDir } from "../support/sessions.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

const CHANNEL = "socketio";

let server: Server;
const dirs: StateDir[] = [];
const pods: Sidecar[] = [];
before(async () => {
  server = await startServer();
});
after(async () => {
  await Promise.all(pods.map((pod) => pod.stop()));
  await server?.stop();
  for (const dir of dirs) dir.remove();
});

async function pod(env: Record<string, string> = {}): Promise<{ pod: Sidecar; app: RespClient; ear: Listener }> {
  const started = await startSidecar({ upstream: server.url, env });
  pods.push(started);
  await started.ready();
  return {
    pod: started,
    app: await RespClient.connect({ port: started.port, deadlineMs: 10_000 }),
    ear: await Listener.on(started.port, CHANNEL),
  };
}

function withState(): Record<string, string> {
  dirs.push(stateDir());
  return dirs.at(-1)!.env;
}

/** Frames of three rooms, interleaved: two users' and one that is nobody's alone. */
const frames = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => {
    const room = ["user:ann", "user:ben", "channel:all"][i % 3]!;
    const ids = { room, chat: `${room}-${i % 2}`, message: room };
    return i % 2 === 0 ? snapshot(text(10 + i), ids) : increment(`${i} `, ids);
  });
const payloads = (ear: Listener): string[] => ear.payloads();
function of<T extends Buffer | string>(all: readonly T[], ...rooms: string[]): T[] {
  return all.filter((one) => rooms.some((room) => one.includes(`"room": "${room}"`)));
}

test("each app hears its own users' frames and everybody's; who knows nothing of its users hears all", async () => {
  const a = await pod();
  const b = await pod(withState());
  const c = await pod(withState());
  await connected(b.app, "ann");
  await connected(b.app, "ann", "another-tab");
  await connected(c.app, "ben");
  await connected(c.app, "ann", "her-phone");
  const all = frames(60);
  await publishAll(
    a.app,
    all.map((one): [string, Buffer] => [CHANNEL, one]),
  );
  await b.ear.until(40);
  await c.ear.until(60);
  await a.ear.until(60);
  sameFrames(payloads(b.ear), of(all, "user:ann", "channel:all"), "ann's pod");
  sameFrames(payloads(c.ear), all, "the pod of both");
  sameFrames(payloads(a.ear), all, "the pod that knows nothing");
  assert.equal(await b.pod.metric("keyframe_skipped_frames_total"), 20);
  assert.equal(await b.pod.metric("keyframe_rooms"), 1);
  assert.equal(await b.pod.metric("keyframe_rooms_known"), 1);
  assert.equal(await c.pod.metric("keyframe_skipped_frames_total"), 0);
  assert.equal(await a.pod.metric("keyframe_rooms_known"), 0);
  for (const { pod } of [a, b, c]) assert.equal(await pod.metric("keyframe_undelivered_frames_total"), 0);

  // Another user comes: her frames from then on, those of a stream that has long been going included.
  await connected(b.app, "ben");
  for (const { ear } of [a, b, c]) ear.heard.length = 0;
  const more = frames(90).slice(60);
  await publishAll(
    a.app,
    more.map((one): [string, Buffer] => [CHANNEL, one]),
  );
  const last = more
    .map((one) => one.toString("latin1"))
    .filter((one) => one.includes("user:ben"))
    .slice(-2);
  await Promise.all([a.ear.until(30), c.ear.until(30)]);
  for (const one of last) await b.ear.untilMessage(({ payload }) => payload.toString("latin1") === one);
  const heard = payloads(b.ear);
  for (const room of ["user:ann", "channel:all"]) sameFrames(of(heard, room), of(more, room), room);
  // Of a message that was growing already, whole texts are passed over by the newer one that she begins with.
  const [wholes, words] = [/"content": /, /"delta": /].map((kind) => {
    const her = (all: readonly string[]) => of(all, "user:ben").filter((one) => kind.test(one));
    return { heard: her(heard), published: her(more.map((one) => one.toString("latin1"))) };
  });
  sameFrames(words!.heard, words!.published, "every word");
  assert.deepEqual(
    wholes!.heard,
    wholes!.published.filter((one) => wholes!.heard.includes(one)),
    "in order",
  );
  const superseded = await b.pod.metric("keyframe_undelivered_frames_total", { reason: "superseded" });
  assert.equal(await b.pod.metric("keyframe_undelivered_frames_total"), superseded);
  assert.equal(wholes!.heard.length, wholes!.published.length - superseded);

  // At home it is the same: an app of ann's pod publishes for somebody who is elsewhere only.
  for (const { ear } of [a, b, c]) ear.heard.length = 0;
  const elsewhere = [increment("1", { room: "user:eve" }), increment("2", { room: "user:ann" })];
  await publishAll(
    b.app,
    elsewhere.map((one): [string, Buffer] => [CHANNEL, one]),
  );
  await a.ear.until(2);
  await b.ear.until(1);
  sameFrames(payloads(b.ear), elsewhere.slice(1), "at home");
  sameFrames(payloads(a.ear), elsewhere, "where nothing is known");
});

test("sessions that cannot be read, or are too many, make a pod hear everything", async () => {
  const a = await pod();
  const unread = await pod(withState());
  await connected(unread.app, "ann");
  assert.equal(await unread.app.command("HSET", "open-webui:session_pool", "sid", "no user"), 1);
  const many = await pod({ ...withState(), KEYFRAME_ROOMS: "1" });
  await connected(many.app, "ann");
  await connected(many.app, "ben");
  const other = await pod({ ...withState(), KEYFRAME_KEY_PREFIX: "elsewhere" });
  await connected(other.app, "ann");
  const all = frames(30);
  await publishAll(
    a.app,
    all.map((one): [string, Buffer] => [CHANNEL, one]),
  );
  for (const { ear } of [unread, many, other]) {
    await ear.until(30);
    sameFrames(payloads(ear), all);
  }
  assert.match(String((await unread.pod.logged("rooms-unknown")).reason), /without a user's id/);
  assert.match(String((await many.pod.logged("rooms-unknown")).reason), /KEYFRAME_ROOMS/);
  assert.equal(await many.pod.metric("keyframe_limit_hits_total", { limit: "rooms" }), 1);
});
