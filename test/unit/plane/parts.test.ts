/** The small parts of the plane: order domains, gathering, our own raw frames, the table of streams. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32 } from "../../../src/frame/checksum.js";
import { ANY_DOMAIN, conflicts, DomainSet, domainTag } from "../../../src/plane/domain.js";
import { Batch } from "../../../src/plane/gather.js";
import { OwnRaws } from "../../../src/plane/own-raws.js";
import { type StreamEntry, StreamTable } from "../../../src/plane/streams.js";

const tag = fc.integer({ min: 0, max: 255 });

test("a set of domains answers as asking each of them would", () => {
  fc.assert(
    fc.property(fc.array(tag, { maxLength: 12 }), fc.array(tag, { maxLength: 6 }), tag, (added, removed, asked) => {
      const set = new DomainSet();
      const naive = [...added];
      for (const one of added) set.add(one);
      for (const one of removed) {
        set.delete(one);
        const at = naive.indexOf(one);
        if (at >= 0) naive.splice(at, 1);
      }
      assert.equal(set.size, naive.length);
      assert.equal(
        set.conflicts(asked),
        naive.some((one) => conflicts(one, asked)),
      );
    }),
  );
});

test("chats of one emitter are apart, a barrier stops them all, another emitter is not concerned", () => {
  const [one, two, barrier, stranger] = [domainTag(1, 1), domainTag(1, 2), domainTag(1, 0), domainTag(2, 1)];
  assert.equal(conflicts(one, two), false);
  assert.equal(conflicts(one, one), true);
  assert.equal(conflicts(one, barrier), true);
  assert.equal(conflicts(stranger, barrier), false);
  assert.equal(conflicts(stranger, ANY_DOMAIN), true);
  assert.equal(domainTag(0, 5), ANY_DOMAIN);
});

const limits = { frames: 64, bytes: 1_000 };
const frame = (name: string, of: number) => ({ name, tag: of });

test("delta(user), snapshot(chat), delta(user) of one chat stay three messages in that order", () => {
  const chat = domainTag(1, 1);
  const batch = new Batch<string, { name: string; tag: number }>(limits);
  batch.addSide("user", frame("first", chat), 10);
  batch.addSide("chat", frame("snapshot", chat), 10);
  batch.addSide("user", frame("second", chat), 10);
  assert.deepEqual(
    batch.messages.map(({ channel, frames }) => [channel, ...frames.map(({ name }) => name)]),
    [
      ["user", "first"],
      ["chat", "snapshot"],
      ["user", "second"],
    ],
  );
});

test("frames of other chats join the open message of their channel", () => {
  const batch = new Batch<string, { name: string; tag: number }>(limits);
  batch.addSide("user", frame("a", domainTag(1, 1)), 10);
  batch.addSide("chat", frame("b", domainTag(1, 2)), 10);
  batch.addSide("user", frame("c", domainTag(1, 3)), 10);
  assert.equal(batch.messages.length, 2);
  assert.equal(batch.messages[0]?.frames.length, 2);
});

test("gathering never changes the order of two frames that conflict", () => {
  const sent = fc.array(
    fc.record({ channel: fc.constantFrom("a", "b", "c"), tag: fc.constantFrom(0, 16, 17, 18, 33), raw: fc.boolean() }),
    {
      maxLength: 30,
    },
  );
  fc.assert(
    fc.property(sent, (frames) => {
      const batch = new Batch<string, { at: number; tag: number }>({ frames: 64, bytes: 1e6 });
      frames.forEach((one, at) => {
        if (one.raw) batch.addRaw(one.channel, { at, tag: one.tag }, 1);
        else batch.addSide(one.channel, { at, tag: one.tag }, 1);
      });
      const order = batch.messages.flatMap((message) => message.frames);
      assert.equal(order.length, frames.length);
      order.forEach((later, i) => {
        for (const earlier of order.slice(0, i))
          if (conflicts(earlier.tag, later.tag)) assert.ok(earlier.at < later.at);
      });
      // What a receiver of one channel hears is in order whatever the domains: the encoder's chains rely on it.
      for (const channel of ["a", "b", "c"]) {
        const heard = batch.messages
          .filter((message) => message.channel === channel && message.kind === "side")
          .flatMap((message) => message.frames.map(({ at }) => at));
        assert.deepEqual(
          heard,
          [...heard].sort((x, y) => x - y),
        );
      }
    }),
  );
});

test("a batch is full by frames and by bytes, and always takes a first frame", () => {
  const batch = new Batch<string, { name: string; tag: number }>({ frames: 2, bytes: 100 });
  assert.ok(batch.hasRoom(5_000));
  batch.addSide("a", frame("x", 17), 60);
  assert.ok(!batch.hasRoom(50));
  assert.ok(batch.hasRoom(40));
  batch.addSide("a", frame("y", 17), 40);
  assert.ok(!batch.hasRoom(0));
});

test("a raw frame of our own is known by its announcement, once, and what came before it is not waited for", () => {
  const raws = new OwnRaws();
  const frames = ["one", "two", "two", "four"].map((text) => Buffer.from(text));
  assert.ok(!raws.take(frames[0]!, 0), "nobody has announced it");
  for (const frame of frames) raws.announce(crc32(frame), frame.length, 0);
  assert.ok(!raws.take(Buffer.from("six"), 1), "another's frame among ours");
  assert.ok(raws.take(frames[1]!, 1));
  assert.ok(!raws.take(frames[0]!, 1), "it did not come in its turn");
  assert.ok(raws.take(frames[2]!, 1), "two equal frames are two");
  assert.ok(!raws.take(frames[2]!, 1), "and no third: that one is somebody else's");
  assert.ok(!raws.take(frames[3]!, 6_000), "what has not come in five seconds never will");
  assert.equal(raws.size, 0);
});

test("announcements are bounded", () => {
  const raws = new OwnRaws();
  for (let i = 0; i < 20_000; i++) raws.announce(i, 1, 0);
  assert.ok(raws.size <= 4_096);
});

test("a table of streams keeps its budgets of count, bytes and idle time, oldest first", () => {
  const evicted: string[] = [];
  const table = new StreamTable<number, StreamEntry>({ count: 3, bytes: 100, idleMs: 1_000 }, (key, _entry, reason) =>
    evicted.push(`${key} ${reason}`),
  );
  const entries = [1, 2, 3, 4].map((key) => {
    const entry = { bytes: 0, usedAt: key * 200 };
    table.add(key, entry);
    return entry;
  });
  assert.deepEqual(evicted.splice(0), ["1 count"]);
  table.touch(2, entries[1]!, 1_500);
  table.resize(4, entries[3]!, 60);
  table.resize(2, entries[1]!, 60);
  assert.deepEqual(evicted.splice(0), ["3 bytes", "4 bytes"]);
  assert.equal(table.bytes, 60);
  table.sweep(2_400);
  assert.deepEqual(evicted.splice(0), []);
  table.sweep(2_501);
  assert.deepEqual(evicted.splice(0), ["2 idle"]);
  assert.equal(table.size, 0);
  assert.equal(table.bytes, 0);
});

test("streams in use may stay beyond the budget, and go at the next sweep once they are not", () => {
  const gone: string[] = [];
  const used = new Set<StreamEntry>();
  const table = new StreamTable<number, StreamEntry>(
    { count: 2, bytes: 100, idleMs: 1_000 },
    (key, _entry, reason) => gone.push(`${key} ${reason}`),
    (entry) => used.has(entry),
  );
  const add = (key: number, bytes: number) => {
    const entry = { bytes: 0, usedAt: 0 };
    used.add(entry);
    table.add(key, entry);
    table.resize(key, entry, bytes);
  };
  for (const key of [1, 2, 3]) add(key, 60);
  table.sweep(0);
  assert.deepEqual([table.size, table.bytes, gone], [3, 180, []]);
  used.clear();
  table.sweep(0);
  assert.deepEqual([table.size, table.bytes, gone], [1, 60, ["1 count", "2 bytes"]]);
});
