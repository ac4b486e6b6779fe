/**
 * Sidecars of this protocol and of a made-up next one, pods without any, a rollback: whoever subscribes hears every
 * frame from its ack on, once, in order, and nothing but frames; where all are of one version, deltas flow.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { increment, snapshot, text } from "../support/frames.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { Guest, Talker } from "../support/talk.js";
import { type OtherBuild, protocolTwo } from "../support/versions.js";
import { eventually } from "../support/wait.js";

let server: Server;
let two: OtherBuild;
const running = new Set<Sidecar>();
before(async () => {
  server = await startServer();
  two = protocolTwo();
});
afterEach(async () => {
  await Promise.all([...running].map((sidecar) => sidecar.stop()));
  running.clear();
});
after(async () => {
  await server?.stop();
  two?.remove();
});

async function sidecar(version: 1 | 2): Promise<Sidecar> {
  const started = await startSidecar({ upstream: server.url, ...(version === 2 && { main: two.main }) });
  running.add(started);
  await started.ready();
  return started;
}

async function end(pod: Sidecar): Promise<void> {
  running.delete(pod);
  await pod.stop();
}

const user = "socketio#/#user:1";
const shared = "socketio";
const ids = (name: string) => ({ chat: name, message: name, host: `host-${name}`, room: "user:1" });
const increments = (name: string) => (i: number) => increment(`${name} ${i} `, ids(name));
/** Every third frame holds the whole text. */
const mixed = (name: string) => (i: number) =>
  i % 3 === 2 ? snapshot(`${i} ${text(i % 60)}`, ids(name)) : increment(`${name} ${i} `, ids(name));

const sent = (pod: Sidecar, kind: "delta" | "raw") => pod.metric("keyframe_frames_total", { direction: "in", kind });

/** `pod` sends deltas; it finds out while frames are published. */
async function deltasFrom(...pods: Sidecar[]): Promise<void> {
  for (const pod of pods) {
    const before = await sent(pod, "delta");
    await eventually("deltas flow", async () => (await sent(pod, "delta")) > before + 5);
  }
}

/** A frame or two may still go the way that was right when they left; then no delta is sent. */
async function onlyRawFrom(talkers: readonly Talker[], ...pods: Sidecar[]): Promise<void> {
  await Promise.all(talkers.map((talker) => talker.more(5)));
  for (const pod of pods) {
    const [deltas, raw] = [await sent(pod, "delta"), await sent(pod, "raw")];
    await Promise.all(talkers.map((talker) => talker.more(10)));
    assert.equal(await sent(pod, "delta"), deltas, "a delta although somebody cannot rebuild it");
    assert.ok((await sent(pod, "raw")) > raw);
  }
}

const lost = async (...pods: Sidecar[]) => {
  for (const [i, pod] of pods.entries()) {
    const samples = [...(await pod.metrics())].filter(([name, value]) => value > 0 && name.includes("undelivered"));
    assert.deepEqual(samples, [], `pod ${i}`);
  }
};

test("the made-up version speaks on channels of its own, and is one that works", async () => {
  assert.equal(two.changed, 3, "channels, inboxes and the script name the prefix");
  const [a, b] = [await sidecar(2), await sidecar(2)];
  const talkers = [await Talker.silent(a.port, shared, mixed("alone"))];
  const guest = await Guest.at(b.port, talkers, "B");
  for (const talker of talkers) talker.start();
  await deltasFrom(a);
  const counts = (await server.cli("PUBSUB", "NUMSUB", shared, "~kf1~socketio", "~kf2~socketio")).split("\n");
  assert.deepEqual([counts[1], counts[3], counts[5]], ["1", "0", "1"]);
  await guest.leave();
  await lost(a, b);
  await Promise.all(talkers.map((talker) => talker.stop()));
});

test("two of each in one fleet, pods without a sidecar come and go, then all are of version 1 again", async () => {
  const [a, b] = [await sidecar(1), await sidecar(1)];
  // Who joins a stream of whole texts in its middle through a sidecar begins with a newer one: so they are there first.
  const first = [await Talker.silent(a.port, shared, mixed("a")), await Talker.silent(a.port, user, increments("a 2"))];
  const stay = [await Guest.at(a.port, first, "A"), await Guest.at(b.port, first, "B")];
  for (const talker of first) talker.start();
  await deltasFrom(a);

  // Two pods come with the new version; their apps speak as well.
  const [c, d] = [await sidecar(2), await sidecar(2)];
  const newer = [await Guest.at(c.port, first, "C"), await Guest.at(d.port, first, "D")];
  const second = [await Talker.at(c.port, shared, mixed("c")), await Talker.at(d.port, user, increments("d"))];
  const all = [...first, ...second];
  const everywhere = await Promise.all(
    [a, b, c, d].map((pod, i) => Guest.at(pod.port, all, `the second listener at ${"ABCD"[i]}`)),
  );
  await onlyRawFrom(all, a, c, d);

  for (let i = 0; i < 4; i++) {
    const plain = await Guest.at(server.port, all, `plain guest ${i}`);
    await Promise.all(all.map((talker) => talker.more(10)));
    // The joins and leaves of one are in the middle of the other's.
    const other = await Guest.at(i % 2 === 0 ? b.port : d.port, all, `late guest ${i}`);
    await plain.leave();
    await Promise.all(all.map((talker) => talker.more(10)));
    await other.leave();
  }
  await Promise.all(everywhere.map((guest) => guest.leave()));
  await Promise.all(newer.map((guest) => guest.leaveAfter(...second)));
  await lost(a, b, c, d);

  // Rolled back: the pods of the new version go, and come back as they were.
  await Promise.all(second.map((talker) => talker.stop()));
  await Promise.all([end(c), end(d)]);
  await deltasFrom(a);
  const again = await sidecar(1);
  const back = await Talker.silent(again.port, shared, mixed("back"));
  const whole = [...first, back];
  const atEnd = await Promise.all([a, b, again].map((pod) => Guest.at(pod.port, [back], "a listener at the end")));
  back.start();
  await deltasFrom(a, again);
  await Promise.all(stay.map((guest) => guest.leaveAfter(back, ...second)));
  await Promise.all(atEnd.map((guest) => guest.leaveAfter(...first)));
  await lost(a, b);
  await Promise.all(whole.map((talker) => talker.stop()));
});

test("pods go from version 1 to 2 one by one: deltas, raw, deltas", async () => {
  const [a, b] = [await sidecar(1), await sidecar(1)];
  const talker = await Talker.at(a.port, user, increments("roll"));
  const listeners = [await Guest.at(b.port, [talker], "B of version 1")];
  await deltasFrom(a);

  let [c, d] = [a, b];
  await talker.move(async () => {
    await end(a);
    c = await sidecar(2);
    return c.port;
  });
  const between = await Guest.at(c.port, [talker], "A of version 2");
  await onlyRawFrom([talker], c);
  await listeners[0]!.leave();
  await end(b);
  d = await sidecar(2);
  const last = await Guest.at(d.port, [talker], "B of version 2");
  await deltasFrom(c);
  await Promise.all([between.leave(), last.leave()]);
  await lost(c, d);
  await talker.stop();
});

test("pod B loses its sidecar in the middle of streams, goes on without one, and gets it back", async () => {
  const [a, b, c] = [await sidecar(1), await sidecar(1), await sidecar(1)];
  // Increments only: who joins in the middle of them gets every one.
  const talkers = [await Talker.at(a.port, shared, increments("a")), await Talker.at(b.port, user, increments("b"))];
  const stays = await Guest.at(c.port, talkers, "C");
  const before = await Guest.at(b.port, talkers, "B with a sidecar");
  await deltasFrom(a, b);

  // Its app goes direct: it says the next frame there, and listens there.
  let direct: Guest | undefined;
  await talkers[1]!.move(async () => {
    await end(b);
    await before.ended();
    direct = await Guest.at(server.port, talkers, "B without a sidecar");
    return server.port;
  });
  await onlyRawFrom(talkers, a);

  let back = b;
  await talkers[1]!.move(async () => {
    back = await sidecar(1);
    return back.port;
  });
  const again = await Guest.at(back.port, [talkers[1]!], "B with a sidecar again");
  await direct!.leave();
  await deltasFrom(a, back);
  await again.leaveAfter(talkers[0]!);
  await stays.leave();
  await lost(a, back, c);
  await Promise.all(talkers.map((talker) => talker.stop()));
});
