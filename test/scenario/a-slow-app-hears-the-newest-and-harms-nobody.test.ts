/**
 * An app that does not read for a while: of a message that grows it needs the newest frame only, so frames that hold the
 * whole message so far give way to newer ones while they wait. Everything else waits, up to the limit, and then its
 * connection ends. Order stays, and its neighbours notice nothing.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystander, Listener, messageOf, publishAll, sameFrames } from "../support/apps.js";
import { finished, increment, snapshot } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { plain, RespClient } from "../support/resp-client.js";
import { eventually } from "../support/wait.js";

const MiB = 1024 * 1024;
const LIMIT_BYTES = 8 * MiB;

let pods: TwoPods;
before(async () => {
  pods = await twoPods({
    env: {
      KEYFRAME_SUBSCRIBER_BUFFER_BYTES: `${LIMIT_BYTES}B`,
      KEYFRAME_PAUSE_BYTES: "512KiB",
      KEYFRAME_COLLAPSE_BYTES: "512KiB",
    },
  });
});
after(() => pods?.stop());

const BLOCK = "the text of a long answer, which only ever gets longer. ".repeat(16);

interface Growing {
  id: number;
  round: number;
}

/** A frame of message `id` that is `round` rounds long; its length tells the round, its ids the message. */
function grown({ id, round }: Growing, last = false): Buffer {
  const ids = { host: `host-${id % 3}`, chat: `chat-${id}`, message: `message-${id}` };
  return (last ? finished : snapshot)(`${id}:${round}:${BLOCK.repeat(round)}`, ids);
}

function read(payload: Buffer | string): Growing & { last: boolean } {
  const text = payload.toString("latin1");
  const found = /"content": "(\d+):(\d+):/.exec(text);
  assert.ok(found, `a frame of this story, not ${text.slice(0, 200)}`);
  return { id: Number(found[1]), round: Number(found[2]), last: text.includes('"done": true') };
}

const collapsed = () => pods.b.metric("keyframe_undelivered_frames_total", { reason: "slow_reader" });
const unread = () => pods.b.metric("keyframe_unread_bytes");

/** Publishes rounds [from, to) of `messages` messages, each when `fast` has heard the one before; returns what it published. */
async function growAll(
  publisher: RespClient,
  fast: Listener,
  channel: string,
  messages: number,
  from: number,
  to: number,
) {
  const published: Buffer[] = [];
  const heard = fast.heard.length;
  for (let round = from; round < to; round++) {
    const frames = Array.from({ length: messages }, (_, id) => grown({ id, round }));
    await publishAll(
      publisher,
      frames.map((payload) => [channel, payload]),
    );
    published.push(...frames);
    await fast.until(heard + published.length, 20_000);
  }
  return published;
}

/** An app that has subscribed and stopped reading, so far that messages wait for it in the sidecar. */
async function deafTo(channel: string, resp3 = false): Promise<RespClient> {
  const client = await RespClient.connect({ port: pods.b.port, deadlineMs: 20_000 });
  if (resp3) await client.command("HELLO", 3);
  client.request("SUBSCRIBE", channel);
  await client.next();
  client.socket.pause();
  return client;
}

/** Fills what the kernel takes on its way, so that the next message is seen to wait. */
async function congest(publisher: RespClient, channel: string): Promise<number> {
  const filler = increment("x".repeat(64 * 1024), { host: "filler", chat: "filler" });
  for (let count = 1; count < 1000; count++) {
    await publisher.command("PUBLISH", channel, filler);
    if ((await unread()) > 1024 * 1024) return count;
  }
  throw new Error("the app goes on reading");
}

for (const resp3 of [false, true]) {
  test(`50 growing messages: the slow one gets every last frame, the fast one every frame (RESP${resp3 ? 3 : 2})`, async () => {
    const channel = `socketio#/#grow-${resp3}`;
    const bystander = await Bystander.at(pods.b.port);
    const fast = await Listener.on(pods.b.port, channel);
    const slow = await deafTo(channel, resp3);
    const before = await collapsed();
    const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
    let most = 0;
    const watch = setInterval(() => void unread().then((bytes) => (most = Math.max(most, bytes))), 20);
    const published = await growAll(publisher, fast, channel, 50, 1, 41);
    const last = Array.from({ length: 50 }, (_, id) => grown({ id, round: 41 }, true));
    await publishAll(
      publisher,
      last.map((payload) => [channel, payload]),
    );
    published.push(...last);
    await fast.until(published.length, 20_000);
    sameFrames(fast.payloads(), published, "the fast one");
    clearInterval(watch);

    slow.socket.resume();
    const mark = `mark-${resp3}`;
    await publisher.command("PUBLISH", channel, mark);
    const heard: ReturnType<typeof read>[] = [];
    for (;;) {
      const message = messageOf(await slow.next(20_000));
      assert.ok(message);
      if (message.payload.toString() === mark) break;
      heard.push(read(message.payload));
      // Byte for byte what was published.
      const { id, round, last } = heard.at(-1)!;
      assert.ok(message.payload.equals(grown({ id, round }, last)));
    }
    // In the order in which they were published: by round, by message.
    const places = heard.map(({ id, round }) => round * 50 + id);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
    assert.equal(new Set(places).size, places.length, "none twice");
    assert.equal(heard.filter(({ last }) => last).length, 50, "every last frame");
    const newest = new Set(heard.filter(({ round, last }) => round === 40 && !last).map(({ id }) => id));
    assert.equal(newest.size, 50, "the newest before it, which done does not replace");
    const missing = published.length - heard.length;
    assert.ok(missing > 500, `${missing} of ${published.length} frames were replaced`);
    assert.equal((await collapsed()) - before, missing, "each is counted");
    assert.ok(most > 512 * 1024 && most < LIMIT_BYTES, `${(most / MiB).toFixed(1)} MiB waited`);
    await eventually("nothing waits any more", async () => (await unread()) === 0);
    await bystander.stop();
    await Promise.all([fast, slow, publisher].map((client) => client.close()));
  });
}

test("increments are all kept, and at the limit the connection ends with a reason; nobody else loses one", async () => {
  const channel = "socketio#/#increments";
  const bystander = await Bystander.at(pods.b.port);
  const fast = await Listener.on(pods.b.port, channel);
  const slow = await deafTo(channel);
  const before = await collapsed();
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const slowClosed = () => pods.b.metric("keyframe_connections_closed_total", { reason: "slow" });
  const published: Buffer[] = [];
  let most = 0;
  while ((await slowClosed()) === 0) {
    assert.ok(published.length < 4_000, "it is closed at some time");
    const frames = Array.from({ length: 20 }, (_, i) => increment(`${published.length + i} ${"y".repeat(40_000)}`));
    await publishAll(
      publisher,
      frames.map((payload) => [channel, payload]),
    );
    published.push(...frames);
    await fast.until(published.length, 20_000);
    most = Math.max(most, await unread());
  }
  assert.ok(most > LIMIT_BYTES / 2 && most <= LIMIT_BYTES, `${(most / MiB).toFixed(1)} MiB waited`);
  const said = await pods.b.logged("subscriber-too-slow");
  assert.ok(Number(said.waitingBytes) > LIMIT_BYTES && Number(said.waitingBytes) < LIMIT_BYTES + 100_000);
  assert.equal(await pods.b.metric("keyframe_limit_hits_total", { limit: "subscriberBufferBytes" }), 1);
  assert.equal(await collapsed(), before, "none was replaced");
  assert.equal(await unread(), 0, "and what waited is let go");
  sameFrames(fast.payloads(), published, "the fast one");
  // What had gone out before is what was published first, without a gap.
  slow.socket.resume();
  const heard: string[] = [];
  for (;;) {
    const message = await slow.next().then(messageOf, () => undefined);
    if (message === undefined) break;
    heard.push(message.payload.toString("latin1"));
  }
  sameFrames(heard, published.slice(0, heard.length), "the slow one");
  await bystander.stop();
  await Promise.all([fast.close(), publisher.close()]);
});

test("a barrier is never crossed: what was newest before it is heard before it", async () => {
  const channel = "socketio#/#barrier";
  const fast = await Listener.on(pods.b.port, channel);
  const slow = await deafTo(channel);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const fillers = await congest(publisher, channel);
  const withCallback = Buffer.from(
    grown({ id: 0, round: 3 }).toString("latin1").replace('"callback": null', '"callback": ["sid-1", "/", 1]'),
  );
  const unnamed = Buffer.from('{"method": "something new", "host_id": "host-1"}');
  const published = [
    ...[1, 2].flatMap((round) => [0, 1, 2].map((id) => grown({ id, round }))),
    // Host 0 waits for an answer: a barrier for its own frames.
    withCallback,
    ...[4, 5].flatMap((round) => [0, 1, 2].map((id) => grown({ id, round }))),
    // Nobody knows what this is: a barrier for all.
    unnamed,
    ...[6, 7].flatMap((round) => [0, 1, 2].map((id) => grown({ id, round }))),
  ];
  await publishAll(
    publisher,
    published.map((payload) => [channel, payload]),
  );
  await fast.until(fillers + published.length, 20_000);
  slow.socket.resume();
  const heard = (await slow.take(fillers + 9)).slice(fillers).map((value) => messageOf(value)!.payload);
  assert.deepEqual(await slow.fence(), []);
  const name = (payload: Buffer) => {
    if (payload.equals(withCallback)) return "callback";
    return payload.equals(unnamed) ? "unnamed" : `${read(payload).id}:${read(payload).round}`;
  };
  assert.deepEqual(heard.map(name), ["0:2", "callback", "0:5", "1:5", "2:5", "unnamed", "0:7", "1:7", "2:7"]);
  await Promise.all([fast, slow, publisher].map((client) => client.close()));
});

test("an answer stands where it stood: behind the messages before it, before those after it", async () => {
  const channel = "socketio#/#answers";
  const fast = await Listener.on(pods.b.port, channel);
  const slow = await deafTo(channel);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const fillers = await congest(publisher, channel);
  await fast.until(fillers);
  await growAll(publisher, fast, channel, 3, 1, 4);
  const before = await unread();
  slow.request("PING", "p".repeat(300_000));
  slow.request("SUBSCRIBE", "socketio#/#another");
  await eventually("it has been answered", async () => (await unread()) > before + 300_000);
  await eventually("and subscribed", async () => (await pods.b.metric("keyframe_local_subscribers")) === 3);
  await growAll(publisher, fast, channel, 3, 4, 6);
  await publisher.command("PUBLISH", "socketio#/#another", "other");
  slow.socket.resume();
  const values = (await slow.take(fillers + 9)).slice(fillers);
  const names = values.map((value) => {
    const payload = messageOf(value)?.payload;
    if (payload === undefined) return String((plain(value) as unknown[])[0]);
    return payload.toString() === "other" ? "other" : `${read(payload).id}:${read(payload).round}`;
  });
  assert.deepEqual(names, ["0:3", "1:3", "2:3", "pong", "subscribe", "0:5", "1:5", "2:5", "other"]);
  assert.deepEqual(await slow.fence(), []);
  await Promise.all([fast, slow, publisher].map((client) => client.close()));
});

test("messages behind a reply that is half read collapse too, and come behind it", async () => {
  const channel = "socketio#/#reply";
  const fast = await Listener.on(pods.b.port, channel);
  const slow = await deafTo(channel, true);
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  const writer = await RespClient.connect({ port: pods.server.port, deadlineMs: 20_000 });
  await writer.command("SET", "large", Buffer.alloc(24_000_000, "v"));
  slow.request("GET", "large");
  await eventually("the reply has begun and waits", async () => (await unread()) > 512 * 1024);
  const published = await growAll(publisher, fast, channel, 5, 1, 60);
  assert.ok((await unread()) < 4 * MiB);
  slow.socket.resume();
  const reply = await slow.next(20_000);
  assert.ok(Buffer.isBuffer(reply) && reply.length === 24_000_000);
  const heard = (await slow.fence()).map((value) => read(messageOf(value)!.payload));
  assert.deepEqual(
    heard.slice(-5).map(({ id, round }) => `${id}:${round}`),
    [0, 1, 2, 3, 4].map((id) => `${id}:59`),
  );
  assert.ok(heard.length < published.length / 2, `${heard.length} of ${published.length} heard`);
  await Promise.all([fast, slow, publisher, writer].map((client) => client.close()));
});

test("who hears a frame by name and by pattern gets the newest of it by both", async () => {
  const fast = await Listener.on(pods.b.port, "socketio#/#twice");
  const slow = await deafTo("socketio#/#twice");
  slow.request("PSUBSCRIBE", "socketio#*");
  const publisher = await RespClient.connect({ port: pods.a.port, deadlineMs: 20_000 });
  await eventually("both", async () => (await pods.b.metric("keyframe_local_subscribers")) === 3);
  const fillers = await congest(publisher, "socketio#/#twice");
  await fast.until(fillers);
  await growAll(publisher, fast, "socketio#/#twice", 2, 1, 6);
  slow.socket.resume();
  const values = (await slow.take(1 + fillers * 2 + 4)).slice(-4);
  const names = values.map((value) => {
    const message = messageOf(value)!;
    return `${read(message.payload).id}:${read(message.payload).round} ${message.pattern ?? "name"}`;
  });
  assert.deepEqual(names, ["0:5 name", "0:5 socketio#*", "1:5 name", "1:5 socketio#*"]);
  await Promise.all([fast, slow, publisher].map((client) => client.close()));
});
